"""
Count how often each of our own keys in the database is used, to show when an old key is no longer needed.

The counts are of verified signatures, not of requests: a cached signature is not verified again, so counting
costs those requests nothing. Each process counts for itself, and writes once a minute, after the transaction of
some request. Counts that a process has not written when it ends are lost: the numbers are a hint.
"""

from collections import Counter
from collections.abc import Callable
from threading import Lock

from django.db import DatabaseError, router, transaction
from django.db.models import F
from django.utils import timezone

from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.models import SigningKey
from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset

WRITE_EVERY = 60.0  # seconds


class Usage:
    """
    The counts of this process that are not written yet.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = seconds) -> None:
        self._clock = clock
        self._write_at = clock() + WRITE_EVERY
        self.forget()
        _known.add(self)

    def forget(self) -> None:
        """Start again from zero, as after a fork: the parent process writes its own counts."""
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def count(self, kid: str) -> None:
        """Count a valid signature of the key `kid`; write the counts if they are due."""
        now = self._clock()
        with self._lock:
            self._counts[kid] += 1
            if now < self._write_at:
                return
            self._write_at = now + WRITE_EVERY
        # After the transaction of the request: a row written within it would stay locked until its end.
        transaction.on_commit(self._write, using=router.db_for_write(SigningKey), robust=True)

    def _write(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        try:
            while counts:
                kid, count = next(iter(counts.items()))
                SigningKey.objects.filter(kid=kid).update(verified=F("verified") + count, last_used_at=timezone.now())
                del counts[kid]
        except DatabaseError:  # tried again in a minute; code that needs the database reports the outage
            with self._lock:
                self._counts += counts


@cached_until_settings_change
def usage() -> Usage:
    """The counts of this process."""
    return Usage()


def count(kid: str) -> None:
    """See Usage.count()."""
    usage().count(kid)


_known = ForkReset(Usage.forget)
