"""
The revocation operations: revoke a token, sessions, users' tokens, or everything.

Each revocation writes its rows and its events in the same transaction; signals are sent after the commit. No operation
can be undone, and a cutoff only moves forward. Transactions join an outer one without a savepoint: a revocation is
committed or rolled back together with the work that it belongs to.
"""

from collections import ChainMap, Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections
from django.db.models import Max, QuerySet
from django.utils import timezone

from jwt_auth.claims import Claims, later
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.models import RevocationEvent, UserSession, user_id_of
from jwt_auth.revocation import cutoff as cutoffs, remaining, user_rows, wall_clock
from jwt_auth.revocation.clients import Withdrawal, withdraw_clients
from jwt_auth.revocation.events import Actor, atomic, last_expiry, make_event, record_event, write_event, write_events
from jwt_auth.revocation.subjects import token_subject
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRevocation:
    """
    The result of `revoke_users`: the sums of what `UserRevocation` counts.

    Args:
        users_revoked: the number of users.
        clients_left: the number of API clients that stay, by the primary key of the user; only users with some.
    """

    users_revoked: int
    sessions_revoked: int
    clients_left: Mapping[Any, int]
    clients_disabled: int
    keys_revoked: int


# Users in one transaction of `revoke_users`: few enough that other requests don't wait long for the rows, and that
# SQLite, which Django limits to 999 parameters, writes the cutoffs with one query.
BATCH = 300


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
    subject, until = token_subject(claims.iss, claims.jti), claims.expires_at + MAX_LEEWAY
    deny_token(subject, until=until, reason=reason, actor=actor, now=now)


def deny_token(
    subject: str, *, until: datetime, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> None:
    """Do what `revoke_token` does, for the token that the denylist calls `subject`, and that has expired at `until`."""
    with atomic():
        event = record_event(
            Scope.TOKEN, subject, expires_at=until, reason=reason, actor=actor, now=now or timezone.now()
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
        event = write_event(_session_event(sid, reason, actor, now))
        send_on_commit(session_revoked, RevocationEvent, event=event, session_id=sid)
    return True


def revoke_sessions(sids: Iterable[UUID], *, reason: str = "", actor: Actor = None, now: datetime | None = None) -> int:
    """
    End several sessions at once; see `revoke_session`. Three queries (SQLite writes the events in hundreds).

    Returns:
        The number of sessions that were not revoked before.
    """
    now = now or timezone.now()
    with atomic():
        rows = UserSession.objects.filter(pk__in=list(sids), revoked_at=None)
        # Always in the same order: two transactions that end the same sessions must not wait for each other.
        live = list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
        UserSession.objects.filter(pk__in=live).update(revoked_at=now, revoked_reason=reason)
        events = [_session_event(sid, reason, actor, now) for sid in live]
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
        event = write_event(_user_event(user, new, reason, actor, now))
        withdrawn = _withdraw(with_clients, [user.pk], reason, actor, now)
        left = _announce(event, user.pk, new, count, now)
    return UserRevocation(
        tokens_valid_after=new,
        sessions_revoked=count,
        clients_left=left,
        clients_disabled=withdrawn.clients_disabled,
        keys_revoked=withdrawn.keys_revoked,
    )


def revoke_users(
    users: Iterable[AbstractBaseUser],
    *,
    with_clients: bool = False,
    reason: str = "",
    actor: Actor = None,
    now: datetime | None = None,
) -> BulkRevocation:
    """
    Do `revoke_user` for many users, with one event and one signal for each.

    Up to 300 users share one transaction, and cost as many queries as one user. If a later transaction fails, the
    earlier ones stay committed. Users who no longer exist are skipped.

    Args:
        users: the users, iterated once; a `QuerySet.iterator()` is never in memory as a whole.
        with_clients: as in `revoke_user`.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.
    """
    now = now or timezone.now()
    done = [_revoke_batch(batch, with_clients, reason, actor, now) for batch in _in_batches(users)]
    return BulkRevocation(
        users_revoked=sum(each.users_revoked for each in done),
        sessions_revoked=sum(each.sessions_revoked for each in done),
        clients_left=dict(ChainMap(*(dict(each.clients_left) for each in done))),
        clients_disabled=sum(each.clients_disabled for each in done),
        keys_revoked=sum(each.keys_revoked for each in done),
    )


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
    now = now or timezone.now()
    if at is not None and at > now:
        raise ValueError("a cutoff can't be in the future")
    with atomic():
        old = RevocationEvent.objects.filter(scope=Scope.ALL).aggregate(newest=Max("cutoff"))["newest"]
        new = _next_cutoff(now, old, UserSession.objects.all())
        event = record_event(Scope.ALL, "", cutoff=new, expires_at=None, reason=reason, actor=actor, now=now)
        send_on_commit(all_revoked, RevocationEvent, event=event, cutoff=new)
    return new


def record_cutoff(user: AbstractBaseUser, cutoff: datetime, *, now: datetime | None = None) -> None:
    """Do what `revoke_user` does, for a cutoff that has already been saved."""
    now = now or timezone.now()
    with atomic():
        user_rows.lock_user(user.pk)
        count = _mark_revoked(_unfinished([user.pk], now).filter(started_at__lt=cutoff), "cutoff saved", now)
        event = write_event(_user_event(user, cutoff, "cutoff saved", None, now))
        _announce(event, user.pk, cutoff, count, now)


def record_user_deletion(user: AbstractBaseUser, *, now: datetime | None = None) -> None:
    """Record the deletion of `user`, whose sessions are deleted with the row."""
    now = now or timezone.now()
    with atomic():
        # Without the lock, a session that is being started would be inserted after the cascade.
        user_rows.lock_user(user.pk)
        new = _next_cutoff(now, None, UserSession.objects.filter(user_id=user.pk))
        event = write_event(_user_event(user, new, "user deleted", None, now))
        count = _unfinished([user.pk], now).count()
        # Clients that act as the user are not counted: Django announced their deletion before that of the user.
        _announce(event, user.pk, new, count, now)


def _in_batches(users: Iterable[AbstractBaseUser]) -> Iterator[dict[Any, AbstractBaseUser]]:
    """Yield `users` by their primary keys, BATCH at a time."""
    waiting = iter(users)
    while batch := {user.pk: user for user in islice(waiting, BATCH)}:
        yield batch


def _revoke_batch(
    users: dict[Any, AbstractBaseUser], with_clients: bool, reason: str, actor: Actor, now: datetime
) -> BulkRevocation:
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
        write_events(list(events.values()))
        withdrawn = _withdraw(with_clients, new, reason, actor, now)
        left = remaining.count(new, now)
        for pk, event in events.items():
            _send(event, pk, new[pk], counts[pk], left[pk])
    return BulkRevocation(
        users_revoked=len(new),
        sessions_revoked=counts.total(),
        clients_left=+left,
        clients_disabled=withdrawn.clients_disabled,
        keys_revoked=withdrawn.keys_revoked,
    )


def _withdraw(with_clients: bool, user_pks: Collection[Any], reason: str, actor: Actor, now: datetime) -> Withdrawal:
    if not with_clients:
        return Withdrawal()
    return withdraw_clients(user_pks, reason=reason, actor=actor, now=now)


def _announce(event: RevocationEvent, user_pk: Any, cutoff: datetime, sessions: int, now: datetime) -> int:
    """Send the signal after the commit, and return the number of API clients that stay."""
    left = remaining.count([user_pk], now)[user_pk]
    _send(event, user_pk, cutoff, sessions, left)
    return left


def _send(event: RevocationEvent, user_pk: Any, cutoff: datetime, sessions: int, clients: int) -> None:
    send_on_commit(
        user_revoked,
        RevocationEvent,
        event=event,
        user_id=user_pk,
        cutoff=cutoff,
        sessions_revoked=sessions,
        clients_left=clients,
    )


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
    if after is None:
        return now
    if wall_clock.is_ahead(after, now):  # never bounded: the tokens of that time have to be refused
        wall_clock.warn("a cutoff, or the last use of a session,", after, now)
    return max(now, later(after, cutoffs.TICK))


def _session_event(sid: UUID, reason: str, actor: Actor, now: datetime) -> RevocationEvent:
    return make_event(Scope.SESSION, sid.hex, expires_at=last_expiry(now), reason=reason, actor=actor, now=now)


def _user_event(user: AbstractBaseUser, cutoff: datetime, reason: str, actor: Actor, now: datetime) -> RevocationEvent:
    return make_event(
        Scope.USER,
        user_id_of(user),
        cutoff=cutoff,
        expires_at=last_expiry(now),
        reason=reason,
        actor=actor,
        now=now,
    )
