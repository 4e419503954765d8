"""
The revocation operations: revoke a token, sessions, users' tokens, or everything.

Each revocation writes its rows and its events in the same transaction; signals are sent after the commit. No operation
can be undone, and a cutoff only moves forward. Transactions join an outer one without a savepoint: a revocation is
committed or rolled back together with the work that it belongs to.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeAlias
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, router, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings, lifetimes
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.models import RevocationEvent, UserSession, user_id_of
from jwt_auth.revocation import cutoff as cutoffs, user_rows
from jwt_auth.revocation.memory import notifications, view
from jwt_auth.revocation.memory.uncommitted import announce
from jwt_auth.revocation.subjects import key_subject, token_subject
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRevocation:
    """The result of `revoke_users`: the number of users, and the number of live sessions that were ended."""

    users_revoked: int
    sessions_revoked: int


# Users in one transaction of `revoke_users`: few enough that other requests don't wait long for the rows, and that
# SQLite, which Django limits to 999 parameters, writes the cutoffs with one query.
BATCH = 300


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
            sub=claims.sub,
            expires_at=claims.expires_at + MAX_LEEWAY,
            reason=reason,
            actor=actor,
            now=now or timezone.now(),
        )
        send_on_commit(token_revoked, RevocationEvent, event=event)


def revoke_session(
    sid: UUID, *, sub: str | None = None, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> bool:
    """
    End one session, and revoke its access and refresh tokens.

    Args:
        sid: the session's id.
        sub: that of the session's user. It saves a query.
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
        event = _write(_session_event(sid, sub or user_rows.subs_of([sid])[sid], reason, actor, now))
        send_on_commit(session_revoked, RevocationEvent, event=event, session_id=sid)
    return True


def revoke_sessions(
    sids: Iterable[UUID], *, sub: str | None = None, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> int:
    """
    End several sessions at once, of one user if `sub` is given; see `revoke_session`. Four queries; three with `sub`.

    Returns:
        The number of sessions that were not revoked before.
    """
    now = now or timezone.now()
    with atomic():
        rows = UserSession.objects.filter(pk__in=list(sids), revoked_at=None)
        # Always in the same order: two transactions that end the same sessions must not wait for each other.
        live = list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
        UserSession.objects.filter(pk__in=live).update(revoked_at=now, revoked_reason=reason)
        users = user_rows.subs_of(live) if sub is None else dict.fromkeys(live, sub)
        events = [_session_event(sid, users[sid], reason, actor, now) for sid in live]
        _write_all(events)
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
        old = cutoffs.read_locked(user.pk)
        if at is None:
            new = _next_cutoff(now, old, UserSession.objects.filter(user_id=user.pk))
        else:
            new = max(at, old or at)
        if is_there:  # a user who was deleted in the meantime has no cutoff, but the event is recorded all the same
            cutoffs.write(user.pk, new)
        count = _mark_revoked(_unfinished([user.pk], now).filter(started_at__lt=new), reason, now)
        event = _write(_user_event(user, new, reason, actor, now))
        send_on_commit(user_revoked, RevocationEvent, event=event, user_id=user.pk, cutoff=new, sessions_revoked=count)
    return UserRevocation(tokens_valid_after=new, sessions_revoked=count)


def revoke_users(
    users: Iterable[AbstractBaseUser], *, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> BulkRevocation:
    """
    Do `revoke_user` for many users, with one event and one signal for each.

    Up to 300 users share one transaction, and cost as many queries as one user. If a later transaction fails, the
    earlier ones stay committed. Users who no longer exist are skipped.

    Args:
        users: the users, iterated once; a `QuerySet.iterator()` is never in memory as a whole.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.
    """
    now = now or timezone.now()
    done = [_revoke_batch(batch, reason, actor, now) for batch in _in_batches(users)]
    return BulkRevocation(
        users_revoked=sum(each.users_revoked for each in done),
        sessions_revoked=sum(each.sessions_revoked for each in done),
    )


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
        new = _next_cutoff(now, old, UserSession.objects.all())
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
        count = _mark_revoked(_unfinished([user.pk], now).filter(started_at__lt=cutoff), "cutoff saved", now)
        event = _write(_user_event(user, cutoff, "cutoff saved", None, now))
        send_on_commit(
            user_revoked, RevocationEvent, event=event, user_id=user.pk, cutoff=cutoff, sessions_revoked=count
        )


def record_user_deletion(user: AbstractBaseUser, *, now: datetime | None = None) -> None:
    """Record the deletion of `user`, whose sessions are deleted with the row."""
    now = now or timezone.now()
    with atomic():
        # Without the lock, a session that is being started would be inserted after the cascade.
        user_rows.lock_user(user.pk)
        new = _next_cutoff(now, None, UserSession.objects.filter(user_id=user.pk))
        event = _write(_user_event(user, new, "user deleted", None, now))
        count = _unfinished([user.pk], now).count()
        send_on_commit(user_revoked, RevocationEvent, event=event, user_id=user.pk, cutoff=new, sessions_revoked=count)


def _in_batches(users: Iterable[AbstractBaseUser]) -> Iterator[dict[Any, AbstractBaseUser]]:
    """Yield `users` by their primary keys, BATCH at a time."""
    waiting = iter(users)
    while batch := {user.pk: user for user in islice(waiting, BATCH)}:
        yield batch


def _revoke_batch(users: dict[Any, AbstractBaseUser], reason: str, actor: Actor, now: datetime) -> BulkRevocation:
    with atomic():
        holders = cutoffs.lock_users(users)
        sessions = UserSession.objects.filter(user_id__in=holders)
        newest = dict(sessions.values_list("user_id").annotate(Max("last_issued_at")))
        new = {pk: _after(now, cutoffs.held_by(holder), newest.get(pk)) for pk, holder in holders.items()}
        cutoffs.write_many(new, holders)
        live = _unfinished(holders, now)
        # Locked before they are counted: a session that another transaction ends meanwhile is not counted twice.
        counts = Counter(live.order_by("pk").select_for_update().values_list("user_id", flat=True))
        live.update(revoked_at=now, revoked_reason=reason)
        events = {pk: _user_event(users[pk], cutoff, reason, actor, now) for pk, cutoff in new.items()}
        _write_all(list(events.values()))
        for pk, event in events.items():
            send_on_commit(
                user_revoked, RevocationEvent, event=event, user_id=pk, cutoff=new[pk], sessions_revoked=counts[pk]
            )
    return BulkRevocation(users_revoked=len(new), sessions_revoked=counts.total())


def _mark_revoked(sessions: QuerySet[UserSession], reason: str, now: datetime) -> int:
    """
    Mark `sessions` as revoked, and return their number. One query.

    It locks the rows in the order of their keys, as all code does that locks several: two transactions that end
    the same sessions must not wait for each other.
    """
    ordered = sessions.order_by("pk")
    # MySQL can't read the table that it updates, but can order an UPDATE.
    if connections[sessions.db].vendor == "mysql":
        return ordered.update(revoked_at=now, revoked_reason=reason)
    rows = UserSession.objects.filter(pk__in=ordered.select_for_update().values("pk"))
    return rows.update(revoked_at=now, revoked_reason=reason)


def _unfinished(user_pks: Iterable[Any], now: datetime) -> QuerySet[UserSession]:
    return UserSession.objects.filter(
        user_id__in=user_pks, revoked_at=None, expires_at__gt=now, idle_expires_at__gt=now
    )


def _next_cutoff(now: datetime, old: datetime | None, sessions: Any) -> datetime:
    """Return a time after the last cutoff, and after every token issued so far, even if a machine's clock is ahead."""
    return _after(now, old, sessions.aggregate(newest=Max("last_issued_at"))["newest"])


def _after(now: datetime, *moments: datetime | None) -> datetime:
    after = latest(moments)
    return now if after is None else max(now, after + cutoffs.TICK)


def _last_expiry(now: datetime) -> datetime:
    return now + lifetimes.longest_life()


def _session_event(sid: UUID, sub: str, reason: str, actor: Actor, now: datetime) -> RevocationEvent:
    return _event(Scope.SESSION, sid.hex, sub=sub, expires_at=_last_expiry(now), reason=reason, actor=actor, now=now)


def _user_event(user: AbstractBaseUser, cutoff: datetime, reason: str, actor: Actor, now: datetime) -> RevocationEvent:
    return _event(
        Scope.USER,
        user_id_of(user),
        cutoff=cutoff,
        expires_at=_last_expiry(now),
        reason=reason,
        actor=actor,
        now=now,
    )


def _event(
    scope: str,
    subject: str,
    *,
    sub: str = "",
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
        sub=sub,
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


def _write_all(events: list[RevocationEvent]) -> None:
    RevocationEvent.objects.bulk_create(events)
    announce(events, _after_commit)


def _after_commit(events: Sequence[RevocationEvent]) -> None:
    view.learn(events)
    notifications.notify()


def _write(event: RevocationEvent) -> RevocationEvent:
    event.save(force_insert=True)
    announce([event], _after_commit)
    return event
