"""
The numbers that are told before something is revoked.

They are counted among the newest rows, so that they cost the same however many rows are kept; see `_django.slices`.
"""

from datetime import datetime
from typing import Any

from django.db.models import Q

from jwt_auth._django.slices import Counted, count_among
from jwt_auth.models import RegisteredClient
from jwt_auth.revocation import database


def live_sessions(now: datetime, condition: Q | None = None) -> Counted:
    """Return the number of all live sessions that meet `condition`."""
    rows = database.all_sessions().order_by("-started_at", "-pk")
    return count_among(rows, database.is_live(now) & (condition or Q()), "pk")[0]


def everybody(now: datetime) -> tuple[Counted, Counted]:
    """Return the numbers of all live sessions and of their users."""
    rows = database.all_sessions().order_by("-started_at", "-pk")
    sessions, users = count_among(rows, database.is_live(now), "pk", "user_id")
    return sessions, users


def live_sessions_of(users: Any, now: datetime) -> Counted:
    """Return the number of the live sessions of `users`: a list of keys, or a queryset of them."""
    return count_among(database.all_sessions().filter(user__in=users), database.is_live(now), "pk")[0]


def live_sessions_of_user(user_pk: Any, now: datetime, condition: Q | None = None) -> Counted:
    """Return the number of the live sessions of one user that meet `condition`."""
    rows = database.all_sessions().filter(user=user_pk).order_by("-started_at", "-pk")
    return count_among(rows, database.is_live(now) & (condition or Q()), "pk")[0]


def active_clients() -> Counted:
    """Return the number of all active API clients."""
    return count_among(RegisteredClient.objects.order_by("-pk"), Q(is_active=True), "pk")[0]
