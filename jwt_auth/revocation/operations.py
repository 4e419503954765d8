"""
The revocation operations: revoke a token, sessions, users' tokens, or everything.

Each revocation writes its rows and its events in the same transaction; signals are sent after the commit. No operation
can be undone, and a cutoff only moves forward. Transactions join an outer one without a savepoint: a revocation is
committed or rolled back together with the work that it belongs to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router, transaction
from django.db.models import Max
from django.utils import timezone

from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings, lifetimes
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.models import RevocationEvent, UserSession, user_id_of
from jwt_auth.revocation import cutoff as cutoffs, user_rows
from jwt_auth.revocation.memory import notifications, view
from jwt_auth.revocation.memory.uncommitted import announce
from jwt_auth.revocation.subjects import key_subject, token_subject
from jwt_auth.revocation.user_sessions import MANY, Found, mark, mark_by_id, sessions_of, unfinished
from jwt_auth.revocation.verdict import latest
from jwt_auth.signals import all_revoked, send_on_commit, session_revoked, token_revoked, user_revoked

Scope = RevocationEvent.Scope

# The user who revokes, or the name of a program that does; None is the app itself.
Actor: TypeAlias = AbstractBaseUser | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRevocation:
    """The result of `revoke_user`: the cutoff in force, and the number of live sessions that were ended."""

    tokens_valid_after: datetime
    sessions_revoked: int


# Rows without a mark are not locked either: such a session may still be refreshed until the cutoff is committed. The
# event is kept so much longer, for the case that the caller's transaction takes long.
LONG_TRANSACTION = timedelta(hours=1)


def atomic() -> Any:
    """Return the transaction for everything that is written about sessions."""
    return transaction.atomic(using=router.db_for_write(UserSession), savepoint=False)


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
    if claims.iss in get_settings().TRUSTED_ISSUERS:
        raise ValueError(f"issuer {claims.iss!r} has to revoke its tokens itself")
    if claims.jti is None:
        raise ValueError("a token without jti can't be revoked by itself")
    with atomic():
        event = _record(
            Scope.TOKEN,
            token_subject(claims.iss, claims.jti),
            expires_at=claims.expires_at + MAX_LEEWAY,
            reason=reason,
            actor=actor,
            now=now or timezone.now(),
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
    now = now or timezone.now()
    with atomic():
        rows = UserSession.objects.filter(pk=sid, revoked_at=None)
        if not rows.update(revoked_at=now, revoked_reason=reason):
            return False
        event = _write(session_event(sid, reason, actor, now))
        send_on_commit(session_revoked, RevocationEvent, event=event, session_id=sid)
    return True


def revoke_sessions(sids: Iterable[UUID], *, reason: str = "", actor: Actor = None, now: datetime | None = None) -> int:
    """
    End several sessions at once, each with an event and a signal; see `revoke_session`.

    Three queries (SQLite writes the events in hundreds), about a third of a millisecond for each session.

    Returns:
        The number of sessions that were not revoked before.
    """
    now = now or timezone.now()
    with atomic():
        live = [sid for sid, _ in mark_by_id(sids, reason, now)]
        events = [session_event(sid, reason, actor, now) for sid in live]
        write_all(events)
        for sid, event in zip(live, events, strict=True):
            send_on_commit(session_revoked, RevocationEvent, event=event, session_id=sid)
    return len(live)


def revoke_user(
    user: AbstractBaseUser,
    *,
    at: datetime | None = None,
    reason: str = "",
    actor: Actor = None,
    now: datetime | None = None,
) -> UserRevocation:
    """
    Revoke all tokens of sessions that `user` started up to now, and end those sessions.

    Args:
        user: the user.
        at: an aware datetime, earlier than now, to use instead of now. If the user's cutoff is later, it stays.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.

    Raises:
        ValueError: when `at` is in the future, which would lock the user out until then.
    """
    now = now or timezone.now()
    if at is not None and at > now:
        raise ValueError("a cutoff can't be in the future")
    with atomic():
        is_there = user_rows.lock_user(user.pk)
        old, found = cutoffs.read_locked(user.pk), sessions_of([user.pk], now).get(user.pk, Found())
        new = after(now, old, found.newest) if at is None else max(at, old or at)
        if is_there:  # a user who was deleted in the meantime has no cutoff, but the event is recorded all the same
            cutoffs.write(user.pk, new)
        count = _end(user, new, found, reason=reason, actor=actor, now=now)
    return UserRevocation(tokens_valid_after=new, sessions_revoked=count)


def cut_off(user: AbstractBaseUser, at: datetime, count: int, *, reason: str, actor: Actor, now: datetime) -> None:
    """
    End the many sessions that `user` began before `at`. Their rows are not changed.

    Args:
        at: not in the future. If the user's cutoff is later, it stays.
        count: the number of the sessions, for the signal.
    """
    with atomic():
        if user_rows.lock_user(user.pk):
            at = max(at, cutoffs.read_locked(user.pk) or at)
            cutoffs.write(user.pk, at)
        announce_user(user, _write(user_event(user, at, MANY, reason=reason, actor=actor, now=now)), count)


def revoke_all(*, reason: str = "", actor: Actor = None, now: datetime | None = None) -> datetime:
    """
    Revoke all tokens of all sessions that were started up to now. The sessions' rows are not changed.

    Args:
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.

    Returns:
        The global cutoff in force.
    """
    now = now or timezone.now()
    with atomic():
        old = RevocationEvent.objects.filter(scope=Scope.ALL).aggregate(newest=Max("cutoff"))["newest"]
        new = after(now, old, UserSession.objects.aggregate(newest=Max("last_issued_at"))["newest"])
        event = _record(Scope.ALL, "", cutoff=new, expires_at=None, reason=reason, actor=actor, now=now)
        send_on_commit(all_revoked, RevocationEvent, event=event, cutoff=new)
    return new


def deny_key(
    issuer: str, kid: str, *, until: datetime | None, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> RevocationEvent:
    """
    Refuse all tokens that a key has signed, in memory mode and at servers that read the feed.

    Call it in the transaction in which the caller marks the key's row.

    Args:
        until: the time when no verifier can have the key any more; None if that can't be known.
    """
    now = now or timezone.now()
    return _record(Scope.KEY, key_subject(issuer, kid), expires_at=until, reason=reason, actor=actor, now=now)


def deny_client(
    client_id: str, cutoff: datetime | None, *, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> RevocationEvent:
    """
    Refuse the tokens that a client signed before `cutoff`, and have processes that cache its rows read them again.

    Call it in the transaction that changes the rows. For a change that refuses no token by itself, `cutoff` is None.
    """
    now = now or timezone.now()
    facts = {"cutoff": cutoff, "expires_at": _last_expiry(now), "reason": reason, "actor": actor, "now": now}
    return _record(Scope.CLIENT, client_id, **facts)


def record_cutoff(user: AbstractBaseUser, cutoff: datetime, *, now: datetime | None = None) -> None:
    """Do what `revoke_user` does, for a cutoff that has already been saved."""
    now = now or timezone.now()
    with atomic():
        user_rows.lock_user(user.pk)
        found = sessions_of([user.pk], now).get(user.pk, Found())
        # None is live any more that began before the cutoff: the numbers were read after it was saved.
        _end(user, cutoff, replace(found, live=found.unfinished), reason="cutoff saved", actor=None, now=now)


def record_user_deletion(user: AbstractBaseUser, *, now: datetime | None = None) -> None:
    """Record the deletion of `user`, whose sessions are deleted with the row."""
    now = now or timezone.now()
    with atomic():
        # Without the lock, a session that is being started would be inserted after the cascade.
        user_rows.lock_user(user.pk)
        found = sessions_of([user.pk], now).get(user.pk, Found())
        event = _write(user_event(user, after(now, found.newest), found, reason="user deleted", actor=None, now=now))
        announce_user(user, event, found.live)


def _end(user: AbstractBaseUser, cutoff: datetime, found: Found, *, reason: str, actor: Actor, now: datetime) -> int:
    """End the sessions of `user`, whose row is locked, that began before `cutoff`; return their number."""
    rows = unfinished([user.pk], now)
    if found.are_marked:
        count = mark(rows.filter(started_at__lt=cutoff), reason, now)
    elif found.newest is not None and found.newest < cutoff:
        count = found.live
    else:
        count = found.live - rows.filter(started_at__gte=cutoff).count()
    announce_user(user, _write(user_event(user, cutoff, found, reason=reason, actor=actor, now=now)), count)
    return count


def announce_user(user: AbstractBaseUser, event: RevocationEvent, count: int) -> None:
    """Send `user_revoked` for an event that was written, on commit."""
    facts = {"user_id": user.pk, "cutoff": event.cutoff, "sessions_revoked": count}
    send_on_commit(user_revoked, RevocationEvent, event=event, **facts)


def after(now: datetime, *moments: datetime | None) -> datetime:
    """Return a time after all `moments`, and not before `now`, even if the clock of another machine is ahead."""
    last = latest(moments)
    return now if last is None else max(now, last + cutoffs.TICK)


def _last_expiry(now: datetime) -> datetime:
    return now + lifetimes.longest_life()


def session_event(sid: UUID, reason: str, actor: Actor, now: datetime) -> RevocationEvent:
    """Return the event of a session that ends, to be written."""
    return _event(Scope.SESSION, sid.hex, expires_at=_last_expiry(now), reason=reason, actor=actor, now=now)


def user_event(
    user: AbstractBaseUser, cutoff: datetime, found: Found, *, reason: str, actor: Actor, now: datetime
) -> RevocationEvent:
    """Return the event of a user whose sessions are those `found`, to be written."""
    expires_at = _last_expiry(now) + (timedelta(0) if found.are_marked else LONG_TRANSACTION)
    return _event(
        Scope.USER, user_id_of(user), cutoff=cutoff, expires_at=expires_at, reason=reason, actor=actor, now=now
    )


def _event(
    scope: str,
    subject: str,
    *,
    cutoff: datetime | None = None,
    expires_at: datetime | None,
    reason: str,
    actor: Actor,
    now: datetime,
) -> RevocationEvent:
    return RevocationEvent(
        created_at=now,
        scope=scope,
        subject=subject,
        cutoff=cutoff,
        expires_at=expires_at,
        reason=reason,
        actor=name_of(actor),
    )


def name_of(actor: Actor) -> str:
    """Return the text for `actor` in the record."""
    if actor is None or isinstance(actor, str):
        return actor or ""
    return str(actor.pk)


def _record(scope: str, subject: str, **facts: Any) -> RevocationEvent:
    return _write(_event(scope, subject, **facts))


def write_all(events: list[RevocationEvent]) -> None:
    """Write events in the current transaction; processes learn them when it has been committed."""
    RevocationEvent.objects.bulk_create(events)
    announce(events, _after_commit)


def _after_commit(events: Sequence[RevocationEvent]) -> None:
    view.learn(events)
    notifications.notify()


def _write(event: RevocationEvent) -> RevocationEvent:
    event.save(force_insert=True)
    announce([event], _after_commit)
    return event
