"""
When clients and their keys were last used: to the minute, for whoever looks for what is not needed any more.

It must cost the requests nothing that they would feel: a process writes it once a minute, after the request's
transaction, passes over rows that somebody holds, and goes on when it can't be written.
"""

from datetime import datetime, timedelta

from django.db import connections, router, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.models import ClientKey, RegisteredClient
from jwt_auth.process.lru import LRUCache

EVERY = timedelta(minutes=1)

_REMEMBERED = 4096  # keys


def note_use(key: ClientKey) -> None:
    """Note that a token of `key` let somebody in. No query, unless a minute has passed."""
    now, written = timezone.now(), _written().get(key.pk)
    if written is not None and now - written < EVERY:
        return
    _written().put(key.pk, now)
    # Not a partial(), which has no name for Django to log when it fails.
    transaction.on_commit(lambda: _write(key.pk, key.client_id, now), using=_alias(), robust=True)


@cached_until_settings_change
def _written() -> LRUCache[int, datetime]:
    """When this process last wrote the use of each key, or tried to."""
    return LRUCache(_REMEMBERED)


def _write(key_id: int, client_pk: int, now: datetime) -> None:
    with transaction.atomic(using=_alias()):
        _move(ClientKey.objects.filter(pk=key_id), now)
        _move(RegisteredClient.objects.filter(pk=client_pk), now)


def _move(rows: QuerySet[ClientKey] | QuerySet[RegisteredClient], now: datetime) -> None:
    stale = rows.filter(Q(last_used_at=None) | Q(last_used_at__lte=now - EVERY))
    if connections[_alias()].features.has_select_for_update_skip_locked:
        # Whoever holds a row is changing it, and will be gone in a minute.
        free = list(stale.select_for_update(skip_locked=True).values_list("pk", flat=True))
        stale = rows.filter(pk__in=free)
    stale.update(last_used_at=now)


def _alias() -> str:
    return router.db_for_write(ClientKey)
