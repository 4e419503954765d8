"""
Revoke many users, or many sessions of one user, with work that hardly grows with the number of sessions.

A user may have any number of sessions. If at most ONE_BY_ONE of them have to end, each gets an event and a signal of
its own. If there are more, a cutoff ends all that began before it, with one event and one signal, `user_revoked`. For
each of the rest, usually one, `end_oldest` sends `session_revoked`. `end_others` sends no signals for the rest, and
writes events only for those that may have an unexpired token.
"""

from collections import ChainMap, Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Q
from django.utils import timezone

from jwt_auth.conf import lifetimes
from jwt_auth.conf.arguments import require_record
from jwt_auth.conf.user_keys import key_of, user_id_of
from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff as cutoffs, remaining
from jwt_auth.revocation.database import live_sessions
from jwt_auth.revocation.events import Actor, atomic, write_events
from jwt_auth.revocation.operations import (
    after,
    cut_off,
    end_sessions,
    send_user_revoked,
    session_event,
    user_event,
    withdraw,
)
from jwt_auth.revocation.user_rows import Ended
from jwt_auth.revocation.user_sessions import Found, mark_by_id, mark_of_many, sessions_of, unfinished

T = TypeVar("T")

# Users in one transaction of `revoke_users`: few enough that other requests don't wait long for the rows, and that
# SQLite, which Django limits to 999 parameters, writes the cutoffs with one query.
BATCH = 300

# Sessions that each get an event and a signal; a sign-in does that while it holds the user's lock.
ONE_BY_ONE = 100

# Sessions in one transaction, if there are more.
ROWS = 1000


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
    require_record(reason, now=now)
    batches = ({key_of(user): user for user in batch} for batch in in_batches(users, BATCH))
    # Each batch has its own time: with the time of the first batch, the events of the last one would expire too soon.
    done = [_revoke_batch(batch, with_clients, reason, actor, now) for batch in batches]
    return BulkRevocation(
        users_revoked=sum(each.users_revoked for each in done),
        sessions_revoked=sum(each.sessions_revoked for each in done),
        clients_left=dict(ChainMap(*(dict(each.clients_left) for each in done))),
        clients_disabled=sum(each.clients_disabled for each in done),
        keys_revoked=sum(each.keys_revoked for each in done),
    )


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield `items`, `size` at a time."""
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch


def _revoke_batch(
    users: dict[Any, AbstractBaseUser], with_clients: bool, reason: str, actor: Actor, now: datetime | None
) -> BulkRevocation:
    with atomic():
        holders = cutoffs.lock_users(users)
        now = now or timezone.now()  # after the lock, as in `revoke_user`
        known = sessions_of(holders, now)
        found = {pk: known.get(pk, Found()) for pk in holders}
        new = {pk: after(now, cutoffs.held_by(holder), found[pk].newest) for pk, holder in holders.items()}
        cutoffs.write_many(new, holders)
        few = unfinished([pk for pk in holders if found[pk].are_marked], now)
        marked = mark_of_many(few, reason, now)
        counts = Counter(
            {pk: min(marked[pk], each.live) if each.are_marked else each.live for pk, each in found.items()}
        )
        facts: dict[str, Any] = {"reason": reason, "actor": actor, "now": now}
        events = {pk: user_event(users[pk], cutoff, found[pk], **facts) for pk, cutoff in new.items()}
        write_events(list(events.values()))
        withdrawn = withdraw(with_clients, new, reason, actor, now)
        left = remaining.count(new, now)
        for pk, event in events.items():
            send_user_revoked(users[pk], event, counts[pk], left[pk])
    return BulkRevocation(
        users_revoked=len(new),
        sessions_revoked=counts.total(),
        clients_left=+left,
        clients_disabled=withdrawn.clients_disabled,
        keys_revoked=withdrawn.keys_revoked,
    )


def end_oldest(user: Any, keep: int, *, reason: str, now: datetime) -> None:
    """
    End the live sessions of `user` that began first, so that `keep` of them stay. The user's row must be locked.

    It ends at most ONE_BY_ONE sessions that began in the same microsecond; the next sign-in ends more.
    """
    begun = live_sessions(user, now).order_by("-started_at", "-pk").values_list("pk", "started_at")
    surplus = list(begun[keep : keep + ONE_BY_ONE + 1])
    if not surplus:
        return
    if len(surplus) <= ONE_BY_ONE:
        end_sessions([pk for pk, _ in surplus], user_id_of(user), reason=reason, now=now)
        return
    # No session that stays began before the newest session that ends.
    latest = min(surplus[0][1], now)
    if count := begun.filter(started_at__lt=latest).count():
        cut_off(user, latest, count, reason=reason, actor=None, now=now)
    rest = [pk for pk, started_at in surplus if started_at >= latest]
    end_sessions(rest, user_id_of(user), reason=reason, now=now)


def end_others(
    user: Any, kept: UUID | None, *, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> None:
    """
    End all live sessions of `user` but the session `kept`.

    If there are many, no cutoff can end those that began later than the one that stays. Their rows are marked without
    signals, ROWS in one transaction.
    """
    now = now or timezone.now()
    current = Q(pk=kept)
    others = live_sessions(user, now).exclude(current).order_by("-started_at", "-pk")
    few = list(others.values_list("pk", flat=True)[: ONE_BY_ONE + 1])
    if len(few) <= ONE_BY_ONE:
        end_sessions(few, user_id_of(user), reason=reason, actor=actor, now=now)
        return
    began = UserSession.objects.filter(current, user_id=key_of(user)).values_list("started_at", flat=True).first()
    boundary = min(began or now, now)
    later = list(others.filter(started_at__gte=boundary).order_by("pk").values_list("pk", flat=True))
    cut_off(user, boundary, others.count(), reason=reason, actor=actor, now=now)
    for batch in in_batches(later, ROWS):
        _end_unannounced(user, batch, reason, actor, now)


def _end_unannounced(user: Any, sids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> None:
    """End sessions without signals, and with events only for those that may have an unexpired token."""
    with atomic():
        # No access token is issued much later than `last_issued_at` says, and it may have been exchanged for a token
        # for another server just before it expired.
        since = now - 2 * lifetimes.longest_life()
        used = {sid: at for sid, at in mark_by_id(sids, reason, now).items() if at > since}
        sub = user_id_of(user)
        write_events([session_event(sid, Ended(sub, at), reason, actor, now) for sid, at in used.items()])
