"""
The life of a session after its start: refresh and end. All code that rotates refresh tokens is in this file.

The rule for a refresh token that was used before is in `refresh_tokens`, `retries` and `sharing`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Expression
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth import verification
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf.arguments import require_aware, require_record
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import (
    InvalidTokenError,
    MalformedTokenError,
    RevokedTokenError,
    UnavailableError,
)
from jwt_auth.http.peer import Peer
from jwt_auth.models import UserSession
from jwt_auth.process.clock import seconds
from jwt_auth.revocation import database, subjects
from jwt_auth.revocation.events import atomic
from jwt_auth.revocation.operations import end_session
from jwt_auth.revocation.user_rows import Ended
from jwt_auth.revocation.verdict import verdict
from jwt_auth.sessions import refresh_tokens, retries, sharing, shown
from jwt_auth.sessions.extensions import end_former, refresh_former
from jwt_auth.sessions.pairs import claims_for, issue, pair, sign
from jwt_auth.sessions.refresh_tokens import (
    MISUSES,
    TOLERATED,
    Case,
    case_of,
    is_shaped_like_a_refresh_token,
    misuse_error,
)
from jwt_auth.sessions.refusals import named_in_refusals
from jwt_auth.sessions.results import AccessToken, TokenPair
from jwt_auth.sessions.revisions import READS, TOO_BUSY, as_read
from jwt_auth.sessions.terms import idle_timeout_of
from jwt_auth.signals import refresh_token_reused, send_on_commit, token_refreshed

# Seconds for which a rotation may wait for a lock, or for its commit, without being dated anew.
_LONG = 5.0

_NO_SESSION = "there is no session of this handle"

# The counter of a token of another package that a session was exchanged for: it precedes the first refresh token.
_FORMER = -1

# The reasons for the end of a session, for the record.
_REASONS = {
    Case.SHARED: "refresh token shared",
    Case.REUSED: "refresh token reused",
    Case.AHEAD: "refresh token used ahead of its session",
}


# Refresh


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """A request for a refresh. `retry` is the digest of its Idempotency-Key; `moment` stops its clock."""

    presented: int
    peer: Peer | None  # None for code that names none
    retry: UUID | None
    arrived_at: datetime
    moment: datetime | None

    def now(self) -> datetime:
        """Return the time of this call: a request may wait for the database."""
        return self.moment or timezone.now()

    def waited(self) -> timedelta:
        """Return the time for which the request has waited until this call."""
        return max(self.now() - self.arrived_at, timedelta(0))


@sensitive_variables()
def refresh(
    raw: str, *, peer: Peer | None = None, retry_key: str | None = None, now: datetime | None = None
) -> TokenPair:
    """
    Exchange a refresh token for a new pair. Two queries if it rotates, more after a lost race.

    Args:
        raw: the refresh token.
        peer: where the request came from; without it, a second peer in the grace period isn't noticed.
        retry_key: the Idempotency-Key of the request.
        now: aware; the current time if omitted.

    Raises:
        InvalidTokenError: if it is not a refresh token of ours.
        IdempotencyKeyError: if `retry_key` has a wrong form, or was the key of the exchange before.
        ExpiredTokenError: if the session has expired.
        RevokedTokenError: if the session was revoked, does not exist or began before a cutoff; if its user is inactive
            or has another password; if the token is AHEAD, which ends the session.
        RefreshTokenReusedError: if the token is REUSED or SHARED, which ends the session.
        ConfigurationError: as for start().
        UnavailableError: if the database can't be asked, or there is no key to sign with.
    """
    require_aware(now=now)
    with outage_is_unavailable():
        if _may_be_former(raw) and (former := refresh_former(raw, peer=peer, now=now)):
            return former
        handle, presented = refresh_tokens.unsign(raw)
        retry = None if retry_key is None else retries.digest_of(retry_key, handle)
        attempt = _Attempt(
            presented=presented,
            peer=peer,
            retry=retry,
            arrived_at=now or timezone.now(),
            moment=now,
        )
        return _refresh(handle, attempt)


@sensitive_variables()
def refresh_exchanged(
    sid: UUID, *, peer: Peer | None = None, arrived_at: datetime, now: datetime | None = None
) -> TokenPair:
    """
    Do for a token of another package, which was exchanged for the session `sid` before, what `refresh` does for the
    predecessor of the newest refresh token: its exchange was the rotation to the first one.

    Args:
        arrived_at: when the request arrived; aware.

    Raises:
        RevokedTokenError: if there is no such session, because the token was revoked; otherwise as refresh().
        RefreshTokenReusedError, ExpiredTokenError, ConfigurationError, UnavailableError: as refresh().
    """
    with outage_is_unavailable():
        attempt = _Attempt(presented=_FORMER, peer=peer, retry=None, arrived_at=arrived_at, moment=now)
        return _refresh(_handle_of_exchanged(sid), attempt)


def check_exchanged(sid: UUID, *, now: datetime | None = None) -> None:
    """
    Raise the error that `refresh_exchanged` would raise for any peer, but change nothing. Two queries.

    Raises:
        RevokedTokenError, RefreshTokenReusedError, ExpiredTokenError: as refresh_exchanged(); but no session ends.
        UnavailableError: if the database can't be asked.
    """
    with outage_is_unavailable():
        session = refresh_tokens.load(_handle_of_exchanged(sid))
    if session is None:
        raise RevokedTokenError(_NO_SESSION)
    if refusal := database.refusal_of(session, now or timezone.now()):
        raise refusal
    refresh_tokens.refuse_misuse(_FORMER, session, now)


def _handle_of_exchanged(sid: UUID) -> str:
    """Return the handle of the session; an empty string, which no session has, if it is gone."""
    return UserSession.objects.filter(pk=sid).values_list("handle", flat=True).first() or ""


def _may_be_former(raw: str) -> bool:
    """Return whether `raw` may be a token of another package; anything but a text is left to `unsign`."""
    return isinstance(raw, str) and not is_shaped_like_a_refresh_token(raw)


@sensitive_variables()
def _refresh(handle: str, attempt: _Attempt) -> TokenPair:
    for _ in range(READS):
        session, access, case = _load_and_judge(handle, attempt)
        with named_in_refusals(session):
            if case in TOLERATED and not sharing.is_tolerated(session, attempt.peer, attempt.now()):
                case = Case.SHARED
            if case in MISUSES:
                raise _end_misused(session, attempt, case)
            is_as_read = _rotate(session, attempt) if case is Case.FRESH else _note_use(session, attempt.now())
        if is_as_read:
            send_on_commit(token_refreshed, UserSession, session=session, rotated=case is Case.FRESH)
            return pair(session, access, attempt.now())
        # Another request was faster: a rotation, an update, a logout or a revocation. Read the row again.
    raise UnavailableError(TOO_BUSY)


def _load_and_judge(handle: str, attempt: _Attempt) -> tuple[UserSession, AccessToken, Case]:
    """
    Return the session of `handle`, its next access token, and the case, if `verdict` accepts the session.

    The token is signed before anything is written: if signing fails, the refresh token is not used up.
    """
    session = refresh_tokens.load(handle)
    if session is None:
        raise RevokedTokenError(_NO_SESSION)
    now, waited = attempt.now(), attempt.waited()
    claims = claims_for(session, now)
    with named_in_refusals(session):
        verdict(claims, database.state_of(session), now)
    case = case_of(
        attempt.presented, session, waited=waited, retry=attempt.retry, peer=attempt.peer, now=attempt.moment
    )
    return session, sign(claims, session), case


def _rotate(session: UserSession, attempt: _Attempt) -> bool:
    """Increment the counter, unless the row has changed; the condition of the UPDATE decides every race."""
    retries.refuse_repeated(attempt.retry, session)
    now, former = attempt.now(), refresh_tokens.rotated_by(session)
    moved = {
        "counter": session.counter + 1,
        "rotated_at": attempt.moment or refresh_tokens.database_time(),
        **shown.used_at(session, now),
        **sharing.last_peer(attempt.peer),
        "retry_digest": attempt.retry,
        "idle_expires_at": min(now + idle_timeout_of(session), session.expires_at),
        # The hash matched, maybe by a key of SECRET_KEY_FALLBACKS. Under the current key that fallback can be removed.
        "auth_hash": session.user.get_session_auth_hash(),
    }
    unmoved = as_read(session, now).filter(counter=session.counter)
    began = seconds()
    rows = unmoved.update(**moved)
    if rows:
        if attempt.moment is None and seconds() - began > _LONG:
            _date_anew(session.pk, session.counter + 1)
        _update(session, moved)
        sharing.announce_change(session, attempt.peer, former)
    return bool(rows)


def _note_use(session: UserSession, now: datetime) -> bool:
    """
    Move `last_issued_at` for a token that is issued without a rotation; within MAX_LEEWAY it may stay.

    The end of a revocation's event is reckoned from it, and a client may repeat a request days after the rotation. The
    write also waits for a transaction that is about to end the session.

    Returns:
        False if that was to be written, and the session has ended, or its tokens say something else, since it was read.
    """
    if now - session.last_issued_at <= MAX_LEEWAY:
        return True
    moved = shown.used_at(session, now)
    if not as_read(session, now).update(**moved):
        return False
    _update(session, moved)
    return True


@sensitive_variables()
def another_access_token(session: UserSession, now: datetime | None = None) -> AccessToken:
    """
    Return another access token of a session that is live, and leave its refresh token as it is. At most one query.

    Raises:
        RevokedTokenError: if the session has ended, or its tokens say something else, since it was read.
        ConfigurationError, UnavailableError: as for refresh().
    """
    with outage_is_unavailable():
        now = now or timezone.now()
        access = issue(session, now)
        if not _note_use(session, now):
            raise RevokedTokenError("the session has ended, or was changed, since it was read")
    return access


def _update(session: UserSession, moved: Mapping[str, Any]) -> None:
    """Give a session the values that were written. Those that only the database knows are loaded when they are read."""
    for name, value in moved.items():
        if isinstance(value, Expression):
            del vars(session)[name]
        else:
            vars(session)[name] = value


def _end_misused(session: UserSession, attempt: _Attempt, case: Case) -> RevokedTokenError:
    """End the session of a misused refresh token; return the error to raise after the commit."""
    peer, presented = attempt.peer, attempt.presented
    with atomic():
        found = sharing.misused_by(peer)
        reason = f"{_REASONS[case]}{_by(peer)}"
        if end_session(session.pk, _ended(session), facts=found, reason=reason, now=attempt.moment):
            _update(session, found)
        facts = {"session": session, "presented": presented, "expected": session.counter, "peer": peer}
        send_on_commit(refresh_token_reused, UserSession, **facts)
    return misuse_error(presented, session, case)


def _by(peer: Peer | None) -> str:
    """Return the address of `peer` for a reason, as far as it is known."""
    return "" if peer is None or peer.ip_address is None else f" by {peer.ip_address}"


# End


@sensitive_variables()
def end(raw: str, *, reason: str = "logout", now: datetime | None = None) -> UUID | None:
    """
    End the session of a refresh token or an access token; an expired token is accepted too.

    Returns:
        The session's id, even if the session had ended before; None if the token is not one of ours. For a token of
        another package that is still accepted, the id is that of the session that it may be exchanged for.

    Raises:
        UnavailableError: if the database, or the keys, can't be read.
    """
    require_record(reason, now=now)
    with outage_is_unavailable():
        sid, session = _session_of(raw)
        if sid is None:
            return end_former(raw, reason=reason, now=now)
        if session is None or session.revoked_at is None:
            end_session(sid, None if session is None else _ended(session), reason=reason, now=now)
    return sid


@sensitive_variables()
def session_id_of(raw: str) -> UUID | None:
    """Return the id of the session of a token, even an expired or revoked one; None if the token is not ours."""
    return _session_of(raw)[0]


@sensitive_variables()
def _session_of(raw: str) -> tuple[UUID | None, UserSession | None]:
    """Return the id of the session of a token, and the session itself if it is read, for a refresh token."""
    try:
        handle, _ = refresh_tokens.unsign(raw)
    except MalformedTokenError:
        with suppress(InvalidTokenError):
            return subjects.parse_sid(verification.identify_only(raw).sid), None
        return None, None
    session = UserSession.objects.select_related("user").filter(handle=handle).first()
    return None if session is None else session.pk, session


def _ended(session: UserSession) -> Ended:
    return Ended(user_id_of(session.user), session.last_issued_at)


def _date_anew(session_pk: Any, counter: int) -> None:
    """Let the grace period begin now: the rotation is dated when it began to be written, and then had to wait."""
    rotated = UserSession.objects.filter(pk=session_pk, counter=counter)
    rotated.update(rotated_at=refresh_tokens.database_time())
