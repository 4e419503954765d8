"""
Counts for the confirmation before a revocation.

They look at the newest rows, or at any for a selection of users, so that they cost the same however many rows are kept;
see `_django.slices`.
"""

from datetime import datetime
from typing import Any

from django.db.models import Q

from jwt_auth._django.slices import Counted, count_any, count_newest
from jwt_auth.models import RegisteredClient, UserSession
from jwt_auth.revocation import database


def live_sessions(now: datetime, condition: Q | None = None) -> Counted:
    """Return the number of all live sessions that meet `condition`."""
    return _count(Q(), database.is_live(now) & (condition or Q()), "pk")[0]


def everybody(now: datetime) -> tuple[Counted, Counted]:
    """Return the numbers of all live sessions and of their users."""
    sessions, users = _count(Q(), database.is_live(now), "pk", "user_id")
    return sessions, users


def live_sessions_of(users: Any, now: datetime) -> Counted:
    """Return the number of the live sessions of `users`: a list of keys, or a queryset of them."""
    return count_any(database.all_sessions().filter(user__in=users), database.is_live(now))


def live_sessions_of_user(user_pk: Any, now: datetime, condition: Q | None = None) -> Counted:
    """Return the number of the live sessions of one user that meet `condition`."""
    return _count(Q(user=user_pk), database.is_live(now) & (condition or Q()), "pk")[0]


def active_clients() -> Counted:
    """Return the number of all active API clients."""
    rows = RegisteredClient.objects.all()
    return count_newest(rows, "pk", Q(is_active=True), "pk", plain=rows)[0]


def _count(about: Q, condition: Q, *fields: str) -> list[Counted]:
    rows, plain = database.all_sessions().filter(about), UserSession.objects.filter(about)
    return count_newest(rows, "started_at", condition, *fields, plain=plain)
