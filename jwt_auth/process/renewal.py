"""
A value that a process polls: it is used up to a maximum age, and one thread reads a new one for all others.

    the value is           a request
    --------------------   --------------------------------------------------------------------------------
    fresh                  uses the value
    due                    reads a new one, unless another thread is reading; all others use the known value
    stale, or never read   reads, or waits for the thread that is reading, until PATIENCE after that thread
                           began; if there is no new value then, it gets StaleError

    after a failure        does not read before a pause has passed, which doubles with each failure; until then
                           it uses a due value, and gets StaleError at once if the value is stale

    a call on an event     uses a due value, and has another thread read a new one; if the value is stale, it ends
    loop (`blocking`)      with WouldBlockError, and a thread runs it again, and reads or waits as above

The times of "due" and "stale" count from the start of a reading, not from its end: a change that is made during the
reading may be missing from the value.
No thread waits in the background until the value is due, because a fork would lose it. A forked child inherits the
value, but no lock.

`memory.view`, `keyring.stored`, `issuers.remote.jwks` and `issuers.remote.subscription` are built on it.
"""

from collections.abc import Callable
from typing import NamedTuple

from django.db import connections

from jwt_auth.process import workers
from jwt_auth.process.blocking import WouldBlockError, about_to_block, may_block
from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset
from jwt_auth.process.single_flight import SingleFlight

LONG_AGO = float("-inf")  # a time before all others: a monotonic clock may begin at 0
FAR_FUTURE = float("inf")  # a time that never comes

# Seconds after the start of a reading during which other threads wait for its result. Without this limit each of them
# would wait for the whole timeout of a server that hangs, and soon every thread of the process would.
PATIENCE = 1.0


class StaleError(Exception):
    """
    Raised when the value is too old, or was never read, and can't be read now.

    Its `__cause__` is the last failure, if there was one.
    """


class Lease(NamedTuple):
    """The times after which a value is due, and stale, in seconds from the start of its reading."""

    due_after: float
    stale_after: float = FAR_FUTURE


class Renewal:
    """
    Decides when a value is read again, and by which thread. It does not hold the value: `read` stores it.

    Args:
        read: reads and stores the value; called with the time of `clock` at which the reading begins, and returns
            how long the value may be used.
        failures: the errors of `read` that mean an outage. Other errors are passed on.
        pauses: seconds without a reading after the first failure, and the most that the pause may grow to.
        failed: called with the first failure of an outage.
        recovered: called when the value was read again after an outage.
        clock: a monotonic clock, in seconds.
        another_can_read: returns whether another thread can read for a call on an event loop. If not, and if the value
            is due, the call is run again in the thread of its request.
    """

    def __init__(
        self,
        read: Callable[[float], Lease],
        *,
        failures: tuple[type[Exception], ...],
        pauses: tuple[float, float],
        failed: Callable[[Exception], None] | None = None,
        recovered: Callable[[], None] | None = None,
        clock: Callable[[], float] = seconds,
        another_can_read: Callable[[], bool] = lambda: True,
    ) -> None:
        self._read_value, self._failures, self._clock = read, failures, clock
        self._first_pause, self._longest_pause = pauses
        self._failed, self._recovered, self._another_can_read = failed, recovered, another_can_read
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Start again, as if the value had never been read."""
        self.let_go()
        # The start of the last reading; the time from which a request should read again; the time from which the
        # value must not be used.
        self.read_at = self.due_at = self.stale_at = LONG_AGO
        self.attempts = self.readings = 0  # the number of readings that were tried, and that succeeded
        self._expirations = 0  # the number of calls of fall_due()
        self._retry_at = LONG_AGO
        self._pause = self._first_pause
        self._failure: Exception | None = None

    def let_go(self) -> None:
        """Replace the lock, as after a fork: the old one may be held by a thread that does not exist here."""
        self._flight = SingleFlight(self._clock)

    @property
    def was_ever_read(self) -> bool:
        """True if the value was read at least once."""
        return self.readings > 0

    def renew(self, *, wait: bool = True) -> None:
        """
        Read the value again, if it is due.

        Args:
            wait: whether to wait for another thread that reads, if the value is stale.

        Raises:
            StaleError: if the value is still stale afterwards.
            WouldBlockError: on an event loop, if the value is stale and no pause is on.
        """
        attempts, now = self.attempts, self._clock()
        if now >= self.due_at:
            # Only a value that must not be used is worth waiting for.
            has_read = self._ask(attempts, now, wait=wait and now >= self.stale_at)
            # A thread that has read the value itself may use it, however long that took: it is no older than the
            # request. For all others the clock is asked again, because the value may have become stale meanwhile.
            if not has_read and self._clock() >= self.stale_at:
                raise StaleError("it can't be read") from self._failure

    def read_again(self, attempts: int) -> None:
        """
        Read the value although it may be fresh, because something is missing from it; or wait for another reading.

        During a pause it does neither. A failure is not raised: the caller searches the value again in any case.

        Args:
            attempts: `self.attempts` as it was before the caller searched the value. If it has changed since, another
                thread has read in between, and this one does not.
        """
        self._ask(attempts, self._clock(), wait=True)

    def read(self) -> None:
        """Read now, even if other threads are reading or the value is fresh. Failures are passed on."""
        about_to_block()
        self._read(self._clock())

    def fall_due(self) -> None:
        """Have the next request read, unless a pause is on: the value may have changed."""
        self._expirations += 1
        self.due_at = LONG_AGO

    def expire(self) -> None:
        """Have the next request read, even during a pause: the value has certainly changed."""
        self.fall_due()
        self._retry_at = LONG_AGO

    def _ask(self, attempts: int, now: float, *, wait: bool) -> bool:
        """Read, wait, or do neither; return whether this thread has read the value."""
        if now < self._retry_at:
            return False
        flight = self._flight
        if not may_block():
            if wait or not self._another_can_read():
                raise WouldBlockError
            self._have_another_read(flight, attempts)
        elif flight.acquire():
            try:
                # If the number has changed, another thread has read between the caller's look and the lock.
                return self.attempts == attempts and self._attempt(now)
            finally:
                flight.release()
        elif wait:
            flight.wait(PATIENCE)
        return False

    def _have_another_read(self, flight: SingleFlight, attempts: int) -> None:
        """Have another thread read, unless one is reading already."""
        if not flight.acquire():
            return

        def read() -> None:
            try:
                if self.attempts == attempts:
                    self._attempt(self._clock())
            except Exception as error:  # noqa: BLE001  # no caller is there to get it
                self._fail(error)
            finally:
                flight.release()
                # Whatever CONN_MAX_AGE says: no request ends in this thread, so nothing else would ever close them.
                connections.close_all()

        try:
            workers.start(read)
        except (RuntimeError, MemoryError):  # no thread can be started: the one of the request reads
            flight.release()
            raise WouldBlockError from None

    def _attempt(self, now: float) -> bool:
        self.attempts += 1
        try:
            self._read(now)
        except self._failures as error:
            self._fail(error)
            return False
        if self._failure is not None and self._recovered is not None:
            self._recovered()
        self._failure, self._pause, self._retry_at = None, self._first_pause, LONG_AGO
        return True

    def _read(self, now: float) -> None:
        expirations = self._expirations
        lease = self._read_value(now)
        self.readings += 1
        self.read_at, self.due_at, self.stale_at = now, now + lease.due_after, now + lease.stale_after
        # fall_due() was called during the reading: the value may be from before that change.
        if self._expirations != expirations:
            self.due_at = LONG_AGO

    def _fail(self, error: Exception) -> None:
        if self._failure is None and self._failed is not None:
            self._failed(error)
        self._failure = error
        # From now, not from the start: a reading that ran into a timeout must be followed by a pause, too.
        self._retry_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, self._longest_pause)


_all = ForkReset(Renewal.let_go)
