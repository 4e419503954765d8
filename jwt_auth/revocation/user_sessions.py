"""
The sessions of users, for revocations of users: their number, and the marks in their rows.

A user may have any number of sessions, and PostgreSQL needs a second to write 50,000 rows. The cutoff refuses the
sessions with or without a mark, so the rows of a user who has more than MARKED sessions are not written.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Count, F, Max, Q, QuerySet

from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff as cutoffs

MARKED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    The sessions of one user.

    Args:
        newest: the last time when one of them, live or not, was used.
        unfinished: the number of those that are neither revoked nor expired, nor `spared`.
        live: the number of those that are not before the user's cutoff or the global one either.
    """

    newest: datetime | None = None
    unfinished: int = 0
    live: int = 0

    @property
    def are_marked(self) -> bool:
        """True if a revocation of the user marks the rows."""
        return self.unfinished <= MARKED


# The sessions that stay while this code revokes their users; see `spared`.
_spared: ContextVar[frozenset[UUID]] = ContextVar("jwt_auth_spared", default=frozenset())

# Stands for more sessions than a revocation marks.
MANY = Found(unfinished=MARKED + 1)


@contextmanager
def spared(sid: UUID) -> Iterator[None]:
    """
    Leave out the session `sid` when revocations of users in this block mark and count sessions.

    The cutoff refuses it all the same: the caller has to move it, in the same transaction. See sessions/keeping.py.
    """
    token = _spared.set(_spared.get() | {sid})
    try:
        yield
    finally:
        _spared.reset(token)


def sessions_of(user_pks: Iterable[Any], now: datetime) -> dict[Any, Found]:
    """Return the sessions' numbers for each user who has or had sessions, by the user's key. One query."""
    path = cutoffs.path_from("user__")
    not_ended = is_unfinished(now) & _not_spared()
    after_cutoffs = (Q(**{path: None}) | Q(started_at__gte=F(path))) & (
        Q(global_cutoff=None) | Q(started_at__gte=F("global_cutoff"))
    )
    numbers: dict[str, Any] = {
        "newest": Max("last_issued_at"),
        "unfinished": Count("pk", filter=not_ended),
        "live": Count("pk", filter=not_ended & after_cutoffs),
    }
    sessions = UserSession.objects.alias(global_cutoff=cutoffs.global_cutoff())
    of_users = sessions.filter(user_id__in=list(user_pks)).order_by().values("user_id").annotate(**numbers)
    rows = of_users.values_list("user_id", *numbers)
    return {pk: Found(newest=newest, unfinished=number, live=live) for pk, newest, number, live in rows}


def unfinished(user_pks: Iterable[Any], now: datetime) -> QuerySet[UserSession]:
    """Return the sessions of users that are neither revoked nor expired."""
    return UserSession.objects.filter(is_unfinished(now) & _not_spared(), user_id__in=list(user_pks))


def _not_spared() -> Q:
    return ~Q(pk__in=_spared.get()) if _spared.get() else Q()


def is_unfinished(now: datetime) -> Q:
    """Return the condition for sessions that are neither revoked nor expired."""
    return Q(revoked_at=None, expires_at__gt=now, idle_expires_at__gt=now)


def mark(sessions: QuerySet[UserSession], reason: str, now: datetime) -> int:
    """
    Mark `sessions` as revoked, and return their number. One query, or two in MariaDB and MySQL.

    The row of their user is locked. It locks the rows in the order of their keys, as all code does that locks several:
    two transactions that end the same sessions must not wait for each other.
    """
    changes = {"revoked_at": now, "revoked_reason": reason}
    if connections[sessions.db].vendor == "mysql":
        return sum(rows.order_by("pk").update(**changes) for rows in _by_key(sessions))
    return UserSession.objects.filter(pk__in=sessions.order_by("pk").select_for_update().values("pk")).update(**changes)


def mark_of_many(sessions: QuerySet[UserSession], reason: str, now: datetime) -> Counter[Any]:
    """
    Mark sessions of several users as revoked, and return their numbers by the users' keys.

    The rows are locked before they are counted: a session that another transaction ends meanwhile is not counted twice.
    """
    counts: Counter[Any] = Counter()
    for rows in _by_key(sessions) if connections[sessions.db].vendor == "mysql" else (sessions,):
        counts.update(rows.order_by("pk").select_for_update().values_list("user_id", flat=True))
        rows.update(revoked_at=now, revoked_reason=reason)
    return counts


def _by_key(sessions: QuerySet[UserSession]) -> Iterator[QuerySet[UserSession]]:
    """
    Yield querysets that find `sessions` by their keys, MARKED at a time.

    MariaDB and MySQL lock rows as they read them, in the order of an index, even rows that turn out not to match. By
    their keys only these rows are locked, in this order.
    """
    found = list(sessions.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(found), MARKED):
        yield UserSession.objects.filter(pk__in=found[start : start + MARKED], revoked_at=None)


def mark_by_id(sids: Iterable[UUID], reason: str, now: datetime) -> dict[UUID, datetime]:
    """Mark sessions as revoked; return the last use of each that was not revoked before, by its id. Two queries."""
    rows = UserSession.objects.filter(pk__in=list(sids), revoked_at=None)
    # Always in the same order: two transactions that end the same sessions must not wait for each other.
    found = dict(rows.select_for_update().order_by("pk").values_list("pk", "last_issued_at"))
    UserSession.objects.filter(pk__in=list(found)).update(revoked_at=now, revoked_reason=reason)
    return found
