"""
Refresh tokens: their format, and the rule for a token that was used before.

A refresh token carries a counter `k`; the session's row has the counter `n` of the newest token, and the time at which
that token was created by a rotation. `age` is the time from that rotation until the request arrived.

    case        condition                                       answer
    ---------   ---------------------------------------------   -----------------------------------------
    COALESCED   k == n > 0, age < grace period; from the peer   returns token n again; n stays
                of the rotation, age < twice that
    FRESH       k == n otherwise                                n becomes n + 1; returns token n + 1
    RETRIED     k == n - 1, with the key of the rotation        returns token n; n stays
    GRACE       k == n - 1, age < grace period                  returns token n; n stays
    SHARED      as COALESCED or GRACE, but by another peer,     the session ends: a second peer follows each rotation
                in the third consecutive rotation
    REUSED      k <= n - 1 otherwise                            the session ends: two peers may hold its tokens
    AHEAD       k > n, with a valid signature                   the session ends: a leaked key, or a database
                                                                that was restored to an earlier state
    (refused)   session revoked, expired or before a cutoff,    refused by `verdict` before the case is
                user inactive, or password changed              determined

`retries` has the rule for RETRIED, and `sharing` that for SHARED.

A token of another package that a session was exchanged for counts as k = -1, and its exchange as the rotation to 0: a
session that began so has the case COALESCED with n = 0, too.

The time of a rotation and its age are by the database's clock, which is one for all machines: a machine's wrong clock
neither ends honest sessions nor disables the detection of reuse. The time for which a request has waited since it
arrived is not counted, so a slow database does not make it late. Between the last answer with token n to a client that
holds its predecessor, and the first answer with token n + 1, a whole grace period passes, so an answer that arrives
within it never overwrites a later one.

A token is `<handle>.<counter>.<signature>`. The same row always gives the same token. The server therefore
stores no token, and can return the same successor again if an answer was lost or two requests came at once.
"""

import re
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db.models import Expression
from django.views.decorators.debug import sensitive_variables

from jwt_auth.base_models import DatabaseNow
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import MalformedTokenError, RefreshTokenReusedError, RevokedTokenError
from jwt_auth.http.peer import Peer
from jwt_auth.jose.mistakes import mistake_in
from jwt_auth.jose.tokens import MAX_LENGTH
from jwt_auth.keyring.configured import refresh_keys
from jwt_auth.models import UserSession
from jwt_auth.revocation import database, wall_clock
from jwt_auth.sessions.terms import idle_timeout_of

_OTHER_KEY = "the refresh token's signature is wrong: it was changed, or SECRET_KEY was another one when it was issued"

_REFRESH_TOKEN = re.compile(r"[0-9a-f]{32}\.[0-9]{1,10}\.[A-Za-z0-9_-]{43}")


class Case(Enum):
    """The case of a refresh token whose session is live; the table above has the consequences."""

    FRESH = auto()
    COALESCED = auto()
    RETRIED = auto()
    GRACE = auto()
    SHARED = auto()
    REUSED = auto()
    AHEAD = auto()


# The newest token rotates again after this many grace periods.
QUIET = 2

MISUSES = (Case.SHARED, Case.REUSED, Case.AHEAD)
TOLERATED = (Case.COALESCED, Case.GRACE)


def judge(
    presented: int,
    newest: int,
    age: timedelta | None,
    grace: timedelta,
    *,
    has_key: bool = False,
    is_same_peer: bool = True,
) -> Case:
    """
    Return the case of a refresh token; SHARED is left to `sharing`. Pure.

    Args:
        presented: the counter of the token.
        newest: the counter of the session.
        age: the time from the session's last rotation until the request arrived, which is negative if the request
            arrived first; None if there was no rotation, or its age is unknown.
        grace: the grace period.
        has_key: whether the request has the Idempotency-Key of that rotation.
        is_same_peer: whether the request may be from the peer of that rotation.
    """
    if not grace:
        age = None  # a request that has waited may seem to have arrived before the rotation
    in_grace = age is not None and age < grace
    if presented > newest:
        return Case.AHEAD
    if presented == newest:
        is_quiet = age is not None and age < QUIET * grace and is_same_peer
        return Case.COALESCED if in_grace or is_quiet else Case.FRESH
    if presented == newest - 1 and has_key:
        return Case.RETRIED
    return Case.GRACE if presented == newest - 1 and in_grace else Case.REUSED


def case_of(
    presented: int,
    session: UserSession,
    *,
    waited: timedelta = timedelta(0),
    retry: UUID | None = None,
    peer: Peer | None = None,
    now: datetime | None = None,
) -> Case:
    """
    Return the case of a refresh token of `session`, which is live and was loaded by `load`, but never SHARED.

    Args:
        presented: the counter of the token.
        waited: the time from the arrival of the request until the session was loaded.
        retry: the digest of the request's Idempotency-Key.
        peer: where the request came from.
        now: to use instead of the database's clock.
    """
    grace = grace_period(session)
    return judge(
        presented,
        session.counter,
        _age(session, now or session.loaded_at, grace, waited),  # type: ignore[attr-defined]  # annotated by `load`
        grace,
        has_key=retry is not None and retry == session.retry_digest,
        is_same_peer=peer is None or peer.may_be(rotated_by(session)),
    )


def grace_period(session: UserSession) -> timedelta:
    """
    Return the grace period: ROTATION_GRACE_PERIOD, or a quarter of the session's idle timeout if that is shorter.

    The newest token does not rotate for QUIET times as long, and only a rotation prolongs the session.
    """
    return min(get_settings().ROTATION_GRACE_PERIOD, idle_timeout_of(session) / 4)


def rotated_by(session: UserSession) -> Peer:
    """Return the peer of the newest rotation of `session`, or of the sign-in."""
    return Peer(ip_address=session.last_ip_address, user_agent=session.last_user_agent)


def _age(session: UserSession, now: datetime, grace: timedelta, waited: timedelta) -> timedelta | None:
    if session.rotated_at is None:
        return None
    age = now - session.rotated_at
    # The database's clock was moved back, or another database took over. Without a bound there would be a grace period
    # until the clock gets there.
    if age <= -grace:
        if wall_clock.is_ahead(session.rotated_at, now):
            wall_clock.warn("the last rotation of a refresh token", session.rotated_at, now)
        return None
    return age - waited


def misuse_error(presented: int, session: UserSession, case: Case) -> RevokedTokenError:
    """Return the error for a case of MISUSES."""
    if case is Case.AHEAD:
        return RevokedTokenError(f"counter {presented} is ahead of {session.counter}")
    if case is Case.SHARED:
        reason = "two peers used the grace period of three consecutive rotations"
        return RefreshTokenReusedError(f"counter {presented}: {reason}")
    return RefreshTokenReusedError(f"counter {presented} was used before, now {session.counter}")


def refuse_misuse(presented: int, session: UserSession, now: datetime | None = None) -> None:
    """
    Raise the error that `refresh` would raise for misuse, but don't end the session. For read-only checks.

    `session` was found by `find`; `now` is used instead of the database's clock.
    """
    case = case_of(presented, session, now=now)
    if case in MISUSES:
        raise misuse_error(presented, session, case)


# Format and signature


def is_shaped_like_a_refresh_token(raw: str) -> bool:
    """Return whether `raw` has the form of a refresh token. The signature is not checked."""
    return _REFRESH_TOKEN.fullmatch(raw) is not None


@sensitive_variables("raw")
def find(raw: str) -> tuple[UserSession | None, int]:
    """
    Return the session of a refresh token, as `load` does, and the token's counter.

    Raises:
        MalformedTokenError: if `raw` is not a refresh token of ours.
    """
    handle, presented = unsign(raw)
    return load(handle), presented


def load(handle: str) -> UserSession | None:
    """Return the session of `handle`, loaded for `database.state_of`, with the database's time as `loaded_at`."""
    return database.find_by_handle(handle, loaded_at=database_time())


def database_time() -> Expression:
    """Return the time by the clock that times rotations, for a query."""
    return DatabaseNow()


def sign(session: UserSession) -> str:
    """Return the newest refresh token of `session`."""
    return _signer().sign(f"{session.handle}.{session.counter}")


@sensitive_variables("raw")
def unsign(raw: str) -> tuple[str, int]:
    """
    Return the handle of the session, and the counter, of a refresh token.

    Raises:
        MalformedTokenError: if `raw` is not a refresh token of ours.
    """
    if not isinstance(raw, str):
        raise TypeError(f"a token is a str, not {type(raw).__name__}")
    if len(raw) > MAX_LENGTH:  # before anybody asks what else is wrong with it
        raise MalformedTokenError(f"longer than {MAX_LENGTH} characters")
    if not _REFRESH_TOKEN.fullmatch(raw):
        raise MalformedTokenError(f"not a refresh token{_mistake_in(raw)}")
    try:
        handle, counter = _signer().unsign(raw).split(".")
    except BadSignature:
        raise MalformedTokenError(_OTHER_KEY) from None
    return handle, int(counter)


def _mistake_in(raw: str) -> str:
    looks_like_a_jws = raw.startswith("eyJ") and raw.count(".") == 2
    return ": it is an access token; refresh_token stands beside it" if looks_like_a_jws else mistake_in(raw)


def _signer() -> Signer:
    key, *fallbacks = refresh_keys()
    return Signer(key=key, fallback_keys=list[bytes | str](fallbacks), salt="jwt_auth.refresh", sep=".")
