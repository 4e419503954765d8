"""
Record when keys were last used, and how many signatures of our own keys were verified: to find keys that nobody needs.

This is for our own keys in the database, and for the keys of API clients. It must not slow down requests. Each process
counts for itself, and writes the uses of a key once a minute at most, after the transaction of a request. It skips rows
that another transaction has locked, and tries again a minute after an outage. The figures are a hint: uses that a
process has not written when it ends or forks are lost, and so may be those of keys beyond the last 4,096.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Generic, TypeVar

from django.db import Error, connections, router, transaction
from django.db.models import F, Model, Q, QuerySet
from django.utils import timezone

from jwt_auth._django.outages import is_outage
from jwt_auth._django.table_sets import current_set
from jwt_auth.conf.settings import MAX_LEEWAY, cached_until_settings_change
from jwt_auth.models import ClientKey, RegisteredClient, SigningKey
from jwt_auth.process.blocking import about_to_block
from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset
from jwt_auth.process.lru import LRUCache

K = TypeVar("K")

WRITE_EVERY = 60.0  # seconds

# Seconds after which a write that was asked for and did not happen, because its transaction was rolled back, is asked
# for again.
_ASK_AGAIN_AFTER = 5.0

_REMEMBERED = 4096  # keys


@dataclass(slots=True)
class _Uses:
    """The uses of one key that are not written yet."""

    write_at: float
    """By a monotonic clock, in seconds."""
    last: datetime
    count: int = 0


class Usage(Generic[K]):
    """
    The uses of the keys of one model, in this process.

    Args:
        model: the model whose database for writes is used.
        write: called with the name of a key, the number of its uses and the time of the last one; returns the number
            of rows it wrote. If that is zero, the uses are kept for the next time.
        counts: whether the number matters, so that the last uses of a key are written even if it is not used again. If
            not, the number is 0, and a request writes no other key than its own, however many there are.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        model: type[Model],
        write: Callable[[K, int, datetime], int],
        *,
        counts: bool,
        clock: Callable[[], float] = seconds,
    ) -> None:
        self._model, self._write, self._counts, self._clock = model, write, counts, clock
        self.forget()
        _known.add(self)

    def forget(self) -> None:
        """Start again from zero, as after a fork: the parent process writes its own uses."""
        self._lock = Lock()
        self._uses: LRUCache[K, _Uses] = LRUCache(_REMEMBERED)
        self._sweep_at = self._clock() + WRITE_EVERY

    def note(self, key: K) -> None:
        """
        Note a use of `key`. No query, unless it is the first one or a minute has passed.

        It raises no error of the database: a token is not refused because its use can't be noted.
        """
        now, moment = self._clock(), timezone.now()
        with self._lock:
            uses = self._uses.get(key)
            if uses is None or now >= uses.write_at:
                about_to_block()
            if uses is None:
                uses = _Uses(write_at=now, last=moment)
                self._uses.put(key, uses)
            uses.last = moment
            if self._counts:
                uses.count += 1
            if now < uses.write_at:
                return
            due = self._due(key, uses, now)
        try:
            # After the transaction of the request: a row written within it would stay locked until its end.
            transaction.on_commit(lambda: self._write_all(due), using=self._alias(), robust=True)
        except Error:  # without a transaction the database is connected to here, and may be down
            with self._lock:
                for each in due.values():
                    each.write_at = now + WRITE_EVERY

    def _due(self, key: K, uses: _Uses, now: float) -> dict[K, _Uses]:
        """Return the uses to write: those of `key`, and once a minute those of keys that are not used any more."""
        due = {key: uses}
        if now >= self._sweep_at:
            self._sweep_at = now + WRITE_EVERY
            due.update((name, each) for name, each in self._uses.items() if each.count and now >= each.write_at)
        for each in due.values():
            each.write_at = now + _ASK_AGAIN_AFTER
        return due

    def _write_all(self, due: dict[K, _Uses]) -> None:
        for key, uses in due.items():
            self._write_one(key, uses)

    def _write_one(self, key: K, uses: _Uses) -> None:
        with self._lock:
            count, uses.count = uses.count, 0
            uses.write_at = self._clock() + WRITE_EVERY
        written = 0
        try:
            with transaction.atomic(using=self._alias()):
                written = self._write(key, count, uses.last)
        except Error as error:
            written = 0  # maybe it was the commit that failed
            if not is_outage(error):  # an outage is reported by the code that needs the database
                raise
        finally:
            if not written:
                with self._lock:
                    uses.count += count

    def _alias(self) -> str:
        return router.db_for_write(self._model)


def note_signing_key(kid: str) -> None:
    """
    Note that a signature of our own key `kid` was verified.

    A cached signature is not verified again, so the figures are not numbers of requests.
    """
    _signing_keys().note(kid)


def note_client_key(key: ClientKey) -> None:
    """Note that a token of a client's `key` was accepted."""
    # Keys of two tenants may have the same numbers. The row is written for the tenant whose request asks for it.
    tables = current_set(router.db_for_write(ClientKey))
    _client_keys().note((tables, key.pk, key.client_id))


@cached_until_settings_change
def _signing_keys() -> Usage[str]:
    return Usage(SigningKey, _write_signing_key, counts=True)


@cached_until_settings_change
def _client_keys() -> Usage[tuple[str, int, int]]:
    return Usage(ClientKey, _write_client_key, counts=False)


def _write_signing_key(kid: str, count: int, now: datetime) -> int:
    rows = _unlocked(SigningKey.objects.filter(kid=kid))
    return rows.update(verified=F("verified") + count, last_used_at=now)


def _write_client_key(key: tuple[str, int, int], _: int, now: datetime) -> int:
    _tables, key_pk, client_pk = key
    # Other processes write too, and one that has just written is enough. Half a minute, because the time of a use and
    # the time of its write differ a little.
    # A time in the future is wrong, and is replaced too.
    half, ahead = timedelta(seconds=WRITE_EVERY / 2), now + MAX_LEEWAY
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - half) | Q(last_used_at__gt=ahead)
    keys = _unlocked(ClientKey.objects.filter(stale, pk=key_pk)).update(last_used_at=now)
    return keys + _unlocked(RegisteredClient.objects.filter(stale, pk=client_pk)).update(last_used_at=now)


def _unlocked(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of `rows` that no other transaction is changing, locked if the database can skip such rows."""
    if not connections[rows.db].features.has_select_for_update_skip_locked:
        return rows
    keys = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
    unlocked: QuerySet[Any] = rows.model._base_manager.using(rows.db).filter(pk__in=keys)
    return unlocked


_known: ForkReset[Usage[Any]] = ForkReset(Usage.forget)
