"""
Record when clients and their keys were last used, to the minute, so that unused ones can be found and removed.

It must not slow down requests. A process writes the time once a minute for each key, after the transaction of the
request. It skips rows that another transaction has locked, and ignores errors.
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
    """Note that a token of `key` was accepted. No query, unless a minute has passed."""
    now, written = timezone.now(), _written().get(key.pk)
    if written is not None and now - written < EVERY:
        return
    _written().put(key.pk, now)
    # Not a partial(): Django logs the name of a hook that fails, and a partial() has none.
    transaction.on_commit(lambda: _write(key.pk, key.client_id, now), using=_alias(), robust=True)


@cached_until_settings_change
def _written() -> LRUCache[int, datetime]:
    """Return the time at which this process last wrote, or tried to write, the use of each key, by its primary key."""
    return LRUCache(_REMEMBERED)


def _write(key_id: int, client_pk: int, now: datetime) -> None:
    with transaction.atomic(using=_alias()):
        _move(ClientKey.objects.filter(pk=key_id), now)
        _move(RegisteredClient.objects.filter(pk=client_pk), now)


def _move(rows: QuerySet[ClientKey] | QuerySet[RegisteredClient], now: datetime) -> None:
    stale = rows.filter(Q(last_used_at=None) | Q(last_used_at__lte=now - EVERY))
    if connections[_alias()].features.has_select_for_update_skip_locked:
        # A locked row is being changed by another transaction. It is written in the next minute instead.
        free = list(stale.select_for_update(skip_locked=True).values_list("pk", flat=True))
        stale = rows.filter(pk__in=free)
    stale.update(last_used_at=now)


def _alias() -> str:
    return router.db_for_write(ClientKey)
