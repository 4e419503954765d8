"""
The API clients that outlive the revocation of a user.

They are the active clients that act as the user, that the user registered, or that have a usable key which the user
added. A thief who had the user's token may have made any of them. `created_by` says who made a client and a key; it
is the text of an actor, as in the events.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from jwt_auth.models import ClientKey, RegisteredClient

# The most clients, and the most keys of these clients, that are shown at once.
SHOWN, KEYS_SHOWN = 20, 100

# The most users that one query is about: SQLite allows 999 parameters.
USERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """
    An API client that stays.

    Args:
        client: the client, with its user.
        keys: its usable keys, newest first.
    """

    client: RegisteredClient
    keys: Sequence[ClientKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The newest clients that stay, at most `SHOWN`, and the number of all."""

    rows: Sequence[Left] = ()
    total: int = 0

    @property
    def hidden(self) -> int:
        """The number of clients that are not in `rows`."""
        return self.total - len(self.rows)


def page(user_pks: Collection[Any], now: datetime) -> Page:
    """Return the clients that stay when these users are revoked. Three queries, and one if there are none."""
    rows = clients_of(user_pks, now)
    total = rows.count()
    if not total:
        return Page()
    shown = list(rows.select_related("user").order_by("-pk")[:SHOWN])
    keys = list(usable_keys(now).filter(client__in=shown).order_by("-pk")[:KEYS_SHOWN])
    found = [Left(client=client, keys=[key for key in keys if key.client_id == client.pk]) for client in shown]
    return Page(rows=found, total=total)


def summary(user_pks: Sequence[Any], now: datetime) -> Page:
    """
    Return the page for any number of users.

    For more than `USERS` of them only the total is known, and a client counts for each user that it is left of.
    """
    if len(user_pks) <= USERS:
        return page(user_pks, now)
    batches = (user_pks[start : start + USERS] for start in range(0, len(user_pks), USERS))
    return Page(total=sum(count(batch, now).total() for batch in batches))


def clients_of(user_pks: Collection[Any], now: datetime) -> QuerySet[RegisteredClient]:
    """Return the clients that stay when these users, at most some hundred, are revoked."""
    names = [str(pk) for pk in user_pks]
    keyed = usable_keys(now).filter(created_by__in=names).values("client_id")
    linked = Q(user_id__in=user_pks) | Q(created_by__in=names) | Q(pk__in=keyed)
    return RegisteredClient.objects.filter(linked, is_active=True)


def usable_keys(now: datetime) -> QuerySet[ClientKey]:
    """Return the keys that are neither revoked nor expired."""
    return ClientKey.objects.filter(is_usable(now))


def is_usable(now: datetime) -> Q:
    """Return the condition for keys that are neither revoked nor expired."""
    return Q(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


def count(user_pks: Collection[Any], now: datetime) -> Counter[Any]:
    """Return the number of clients that stay when one of these users is revoked, by the user's key. Two queries."""
    pks = {str(pk): pk for pk in user_pks}
    found: Counter[Any] = Counter()
    clients = RegisteredClient.objects.filter(Q(user_id__in=user_pks) | Q(created_by__in=pks), is_active=True)
    for owner, maker, number in clients.order_by().values_list("user_id", "created_by").annotate(Count("pk")):
        for name in {str(owner), maker} & pks.keys():
            found[pks[name]] += number
    keys = usable_keys(now).filter(created_by__in=pks, client__is_active=True).order_by()
    groups = keys.values_list("created_by", "client__user_id", "client__created_by")
    for adder, owner, maker, number in groups.annotate(Count("client", distinct=True)):
        for name in ({adder} & pks.keys()) - {str(owner), maker}:  # the others have been counted
            found[pks[name]] += number
    return found
