"""
The revocation operations: revoke a token, sessions, users' tokens, or everything.

Each revocation writes its rows and its events in the same transaction; signals are sent after the commit. No operation
can be undone, and a cutoff only moves forward. Transactions join an outer one without a savepoint: a revocation is
committed or rolled back together with the work that it belongs to.

A cutoff is the time after the last wait for a lock: tokens that are signed during the wait are refused, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Max
from django.utils import timezone

from jwt_auth.claims import Claims, later
from jwt_auth.conf import get_settings
from jwt_auth.conf.arguments import require, require_record
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.conf.user_keys import key_of, user_id_of
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import cutoff as cutoffs, remaining, user_rows, wall_clock
from jwt_auth.revocation.clients import Withdrawal, withdraw_clients
from jwt_auth.revocation.events import Actor, atomic, last_expiry, make_event, record_event, write_event, write_events
from jwt_auth.revocation.subjects import token_subject
from jwt_auth.revocation.user_rows import Ended
from jwt_auth.revocation.user_sessions import MANY, Found, mark, mark_by_id, sessions_of, unfinished
from jwt_auth.revocation.verdict import latest
from jwt_auth.signals import all_revoked, send_on_commit, session_revoked, token_revoked, user_revoked

Scope = RevocationEvent.Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRevocation:
    """
    The result of `revoke_user`.

    Args:
        tokens_valid_after: the cutoff in force.
        sessions_revoked: the number of live sessions that were ended.
        clients_left: the number of active API clients that act as the user, that the user registered, or that have a
            key which the user added. They can go on signing tokens.
        clients_disabled: the number of API clients that were disabled, `with_clients`.
        keys_revoked: the number of keys of other API clients that were revoked, `with_clients`.
    """

    tokens_valid_after: datetime
    sessions_revoked: int
    clients_left: int
    clients_disabled: int
    keys_revoked: int


# Rows without a mark are not locked either: such a session may still be refreshed until the cutoff is committed. The
# event is kept so much longer, for the case that the caller's transaction takes long.
LONG_TRANSACTION = timedelta(hours=1)

_SESSION_ID = "the id of a UserSession, such as TokenPair.session_id; sessions.end() accepts a token"


def revoke_token(claims: Claims, *, reason: str = "", actor: Actor = None, now: datetime | None = None) -> None:
    """
    Revoke one access token; its session continues.

    Args:
        claims: of a verified token with a `jti`.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.

    Raises:
        ValueError: when the token has no `jti`, and so can't be told from others, or is another issuer's: the
            denylist is not consulted for such tokens.
    """
    require(claims, "claims", Claims, "those that verification.verify() returns for the token")
    require_record(reason, now=now)
    if claims.iss in get_settings().TRUSTED_ISSUERS:
        raise ValueError(f"issuer {claims.iss!r} has to revoke its tokens itself")
    if claims.jti is None:
        raise ValueError("a token without jti can't be revoked by itself")
    subject, until = token_subject(claims.iss, claims.jti), claims.expires_at + MAX_LEEWAY
    deny_token(subject, sub=claims.sub, until=until, reason=reason, actor=actor, now=now)


def deny_token(
    subject: str, *, until: datetime, sub: str = "", reason: str = "", actor: Actor = None, now: datetime | None = None
) -> None:
    """
    Like `revoke_token`, for the token that the denylist calls `subject`, and that has expired at `until`.

    `sub` is its user, if that is known.
    """
    with atomic():
        event = record_event(
            Scope.TOKEN, subject, sub=sub, expires_at=until, reason=reason, actor=actor, now=now or timezone.now()
        )
        send_on_commit(token_revoked, RevocationEvent, event=event)


def revoke_session(sid: UUID, *, reason: str = "", actor: Actor = None, now: datetime | None = None) -> bool:
    """
    End one session, and revoke its access and refresh tokens.

    Args:
        sid: the session's id.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.

    Returns:
        False if there is no such session, or it was revoked before.
    """
    require(sid, "sid", UUID, _SESSION_ID)
    require_record(reason, now=now)
    return end_session(sid, reason=reason, actor=actor, now=now)


def end_session(
    sid: UUID,
    known: Ended | None = None,
    *,
    facts: Mapping[str, Any] | None = None,
    reason: str = "",
    actor: Actor = None,
    now: datetime | None = None,
) -> bool:
    """
    Like `revoke_session`. If the content of the event is `known`, that saves a query.

    `facts` are other columns of the session, written with its end.
    """
    now = now or timezone.now()
    changes = {**(facts or {}), "revoked_at": now, "revoked_reason": reason}
    with atomic():
        rows = UserSession.objects.filter(pk=sid, revoked_at=None)
        if known is not None and not rows.filter(last_issued_at=known.last_issued_at).update(**changes):
            known = None  # another token was issued since
        if known is None:
            if not rows.update(**changes):
                return False
            known = user_rows.ended([sid])[sid]
        event = write_event(session_event(sid, known, reason, actor, now))
        send_on_commit(session_revoked, RevocationEvent, event=event, session_id=sid)
    return True


def revoke_sessions(sids: Iterable[UUID], *, reason: str = "", actor: Actor = None, now: datetime | None = None) -> int:
    """
    End several sessions at once, each with an event and a signal; see `revoke_session`.

    Four queries (SQLite writes the events in hundreds), about a third of a millisecond for each session.

    Returns:
        The number of sessions that were not revoked before.
    """
    sids = list(sids)
    for sid in sids:
        require(sid, "each of sids", UUID, _SESSION_ID)
    require_record(reason, now=now)
    return end_sessions(sids, reason=reason, actor=actor, now=now)


def end_sessions(
    sids: Iterable[UUID], sub: str | None = None, *, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> int:
    """Like `revoke_sessions`. If all are of one user, whose `sub` is known, that saves a query."""
    now = now or timezone.now()
    with atomic():
        live = mark_by_id(sids, reason, now)
        ended = user_rows.ended(live) if sub is None else {sid: Ended(sub, used_at) for sid, used_at in live.items()}
        events = [session_event(sid, ended[sid], reason, actor, now) for sid in live]
        write_events(events)
        for sid, event in zip(live, events, strict=True):
            send_on_commit(session_revoked, RevocationEvent, event=event, session_id=sid)
    return len(live)


def revoke_user(
    user: AbstractBaseUser,
    *,
    at: datetime | None = None,
    with_clients: bool = False,
    reason: str = "",
    actor: Actor = None,
    now: datetime | None = None,
) -> UserRevocation:
    """
    Revoke all tokens of sessions that `user` started up to now, and end those sessions.

    API clients sign new tokens with their keys: without `with_clients` they stay, and the result has their number.

    Args:
        user: the user.
        at: an aware datetime, earlier than now, to use instead of now. If the user's cutoff is later, it stays.
        with_clients: also disable the API clients that act as the user or that the user registered, permanently, and
            revoke the keys that the user added to other clients.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.

    Raises:
        ValueError: when `at` is in the future, which would lock the user out until then.
    """
    key = key_of(user)
    require_record(reason, at=at, now=now)
    _refuse_future(at, now)
    with atomic():
        is_there = user_rows.lock_user(key)
        now = now or timezone.now()
        old, found = cutoffs.read_locked(key), sessions_of([key], now).get(key, Found())
        new = after(now, old, found.newest) if at is None else max(at, old or at)
        if is_there:  # a user who was deleted in the meantime has no cutoff, but the event is recorded all the same
            cutoffs.write(key, new)
        event, count = _end(user, new, found, reason=reason, actor=actor, now=now)
        withdrawn = withdraw(with_clients, [key], reason, actor, now)
        left = announce_user(user, event, count, now)
    return UserRevocation(
        tokens_valid_after=new,
        sessions_revoked=count,
        clients_left=left,
        clients_disabled=withdrawn.clients_disabled,
        keys_revoked=withdrawn.keys_revoked,
    )


def cut_off(user: AbstractBaseUser, at: datetime, count: int, *, reason: str, actor: Actor, now: datetime) -> None:
    """
    End the many sessions that `user` began before `at`. Their rows are not changed.

    Args:
        at: not in the future. If the user's cutoff is later, it stays.
        count: the number of the sessions, for the signal.
    """
    with atomic():
        if user_rows.lock_user(key_of(user)):
            at = max(at, cutoffs.read_locked(key_of(user)) or at)
            cutoffs.write(key_of(user), at)
        event = write_event(user_event(user, at, MANY, reason=reason, actor=actor, now=now))
        announce_user(user, event, count, now)


def revoke_all(
    *, at: datetime | None = None, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> datetime:
    """
    Revoke all tokens of all sessions that were started up to now. The sessions' rows are not changed.

    Args:
        at: an aware datetime, earlier than now, to use instead of now. If the global cutoff is later, it stays.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.

    Returns:
        The global cutoff in force.

    Raises:
        ValueError: when `at` is in the future, which would lock everybody out until then.
    """
    require_record(reason, at=at, now=now)
    _refuse_future(at, now)
    with atomic():
        old = RevocationEvent.objects.filter(scope=Scope.ALL).aggregate(newest=Max("cutoff"))["newest"]
        # The cutoff is compared with this time alone, and an index finds the latest one.
        newest = UserSession.objects.aggregate(newest=Max("started_at"))["newest"]
        now = now or timezone.now()
        new = after(now, old, newest) if at is None else max(at, old or at)
        event = record_event(Scope.ALL, "", cutoff=new, expires_at=None, reason=reason, actor=actor, now=now)
        send_on_commit(all_revoked, RevocationEvent, event=event, cutoff=new)
    return new


def _refuse_future(at: datetime | None, now: datetime | None) -> None:
    if at is not None and at > (now or timezone.now()):
        raise ValueError("a cutoff can't be in the future")


def record_cutoff(user: AbstractBaseUser, cutoff: datetime, *, now: datetime | None = None) -> None:
    """Like `revoke_user`, for a cutoff that has already been saved."""
    with atomic():
        user_rows.lock_user(key_of(user))
        now = now or timezone.now()
        found = sessions_of([key_of(user)], now).get(key_of(user), Found())
        # No session from before the cutoff is live: the numbers were read after it was saved.
        found = replace(found, live=found.unfinished)
        event, count = _end(user, cutoff, found, reason="cutoff saved", actor=None, now=now)
        announce_user(user, event, count, now)


def record_user_deletion(user: AbstractBaseUser, *, now: datetime | None = None) -> None:
    """Record the deletion of `user`, whose sessions are deleted with the row."""
    with atomic():
        # Without the lock, a session that is being started would be inserted after the cascade.
        user_rows.lock_user(key_of(user))
        now = now or timezone.now()
        found = sessions_of([key_of(user)], now).get(key_of(user), Found())
        new = after(now, found.newest)
        event = write_event(user_event(user, new, found, reason="user deleted", actor=None, now=now))
        # Clients that act as the user are not counted: Django announced their deletion before that of the user.
        announce_user(user, event, found.live, now)


def _end(
    user: AbstractBaseUser, cutoff: datetime, found: Found, *, reason: str, actor: Actor, now: datetime
) -> tuple[RevocationEvent, int]:
    """End the sessions of `user`, whose row is locked, that began before `cutoff`; return the event and the number."""
    rows = unfinished([key_of(user)], now)
    if found.are_marked:
        # Of the rows without a mark, some were refused already: they are from before another cutoff.
        count = min(mark(rows.filter(started_at__lt=cutoff), reason, now), found.live)
    elif found.newest is not None and found.newest < cutoff:
        count = found.live
    else:
        count = found.live - rows.filter(started_at__gte=cutoff).count()
    return write_event(user_event(user, cutoff, found, reason=reason, actor=actor, now=now)), count


def withdraw(with_clients: bool, user_pks: Iterable[Any], reason: str, actor: Actor, now: datetime) -> Withdrawal:
    """End the API clients of users, if that is asked for."""
    if not with_clients:
        return Withdrawal()
    return withdraw_clients(list(user_pks), reason=reason, actor=actor, now=now)


def announce_user(user: AbstractBaseUser, event: RevocationEvent, count: int, now: datetime) -> int:
    """Send `user_revoked` on commit for an event that was written; return the number of API clients that stay."""
    left = remaining.count([key_of(user)], now)[key_of(user)]
    send_user_revoked(user, event, count, left)
    return left


def send_user_revoked(user: AbstractBaseUser, event: RevocationEvent, sessions: int, clients: int) -> None:
    """Send `user_revoked` on commit."""
    facts = {"user_id": key_of(user), "cutoff": event.cutoff, "sessions_revoked": sessions, "clients_left": clients}
    send_on_commit(user_revoked, RevocationEvent, event=event, **facts)


def after(now: datetime, *moments: datetime | None) -> datetime:
    """Return a time after all `moments`, and not before `now`, even if the clock of another machine is ahead."""
    last = latest(moments)
    if last is None:
        return now
    if wall_clock.is_ahead(last, now):  # never bounded: the tokens of that time have to be refused
        wall_clock.warn("a cutoff, or the last use of a session,", last, now)
    return max(now, later(last, cutoffs.TICK))


def session_event(sid: UUID, ended: Ended, reason: str, actor: Actor, now: datetime) -> RevocationEvent:
    """Return a session's event, to be written. Its last token may be from a machine whose clock is ahead."""
    expires_at = last_expiry(max(now, ended.last_issued_at))
    return make_event(Scope.SESSION, sid.hex, sub=ended.sub, expires_at=expires_at, reason=reason, actor=actor, now=now)


def user_event(
    user: AbstractBaseUser, cutoff: datetime, found: Found, *, reason: str, actor: Actor, now: datetime
) -> RevocationEvent:
    """Return the event of a user whose sessions are those `found`, to be written."""
    # From the cutoff, which is later than the last token, even if that is from a machine whose clock is ahead.
    expires_at = last_expiry(max(now, cutoff)) + (timedelta(0) if found.are_marked else LONG_TRANSACTION)
    return make_event(
        Scope.USER, user_id_of(user), cutoff=cutoff, expires_at=expires_at, reason=reason, actor=actor, now=now
    )
