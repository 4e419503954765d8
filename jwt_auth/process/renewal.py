"""
A value that one process polls: it may be so old and no older, and one thread asks for all.

    the value is           a request
    --------------------   --------------------------------------------------------------------------------
    fresh                  uses it
    due                    asks for a new one, unless another thread does; all others use what is known
    stale, or not there    asks, or waits for the one that does, until PATIENCE after that one began; if nothing
                           comes of it, gets StaleError

    after a failure        nobody asks before a pause has passed, which doubles from failure to failure; until
                           then a due value is used, and a stale one is StaleError at once

"Due" and "stale" count from the moment at which reading began: the answer may lack what changes while it comes.
There is no thread but those of the requests. A fork inherits the value and no lock.

`memory.view`, `keyring.stored`, `issuers.remote.jwks` and `issuers.remote.subscription` are made of it.
"""

from collections.abc import Callable
from typing import NamedTuple

from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import Instances
from jwt_auth.process.single_flight import SingleFlight

NEVER = float("-inf")  # long ago, by a clock that may begin at 0
ALWAYS = float("inf")

# Seconds after one thread has begun to ask, in which others wait for it. Each of them would wait for the whole
# timeout of a server that hangs, and so would every thread of the process.
PATIENCE = 1.0


class StaleError(Exception):
    """
    Raised when the value is too old, or was never read, and can't be had now.

    Its cause is the last failure, if there was one.
    """


class Lease(NamedTuple):
    """How long a value is good, in seconds from when its reading began."""

    due_after: float
    stale_after: float = ALWAYS


class Renewal:
    """
    Says when a value is read, and by whom. Its owner reads and keeps it.

    Args:
        read: reads and keeps the value; is given the moment by `clock` at which it begins.
        failures: the errors of `read` that are an outage. Others are passed on.
        pauses: seconds after a first failure, and at most, in which nobody reads.
        failed: called with the first failure of an outage.
        recovered: called when the value could be read again.
        clock: seconds that only go forward.
        patience: see PATIENCE.
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
        patience: float = PATIENCE,
    ) -> None:
        self._read_value, self._failures, self._clock, self._patience = read, failures, clock, patience
        self._first_pause, self._longest_pause = pauses
        self._failed, self._recovered = failed, recovered
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Begin anew, as if the value had never been read."""
        self.let_go()
        # When reading of the value began; from when on a request should ask; from when on it must not be used.
        self.read_at = self.due_at = self.stale_at = NEVER
        self.attempts = self.readings = 0  # how often it was tried, and how often it succeeded
        self._expirations = 0
        self._retry_at = NEVER
        self._pause = self._first_pause
        self._failure: Exception | None = None

    def let_go(self) -> None:
        """Hold no lock, as after a fork: it may be held by a thread that does not exist here."""
        self._flight = SingleFlight(self._clock)

    @property
    def was_ever_read(self) -> bool:
        """Whether there is a value at all."""
        return self.readings > 0

    def renew(self) -> None:
        """
        Bring the value up to date, if it is due.

        Raises:
            StaleError: if it can't be used.
        """
        attempts, now = self.attempts, self._clock()
        if now >= self.due_at:
            self._ask(attempts, now, wait=now >= self.stale_at)
            if self._clock() >= self.stale_at:
                raise StaleError("it can't be read") from self._failure

    def read_again(self, attempts: int) -> None:
        """
        Read a value that may be fresh, because something is missing in it, or wait for the thread that does.

        Args:
            attempts: what the attribute was before the value was looked at. If it has changed by now, another
                thread has read since.
        """
        self._ask(attempts, self._clock(), wait=True)

    def read(self) -> None:
        """Read now, whatever other threads do and however fresh the value is. Failures are passed on."""
        self._read(self._clock())

    def fall_due(self) -> None:
        """Have the next request read, unless a pause forbids it: the value may have changed."""
        self._expirations += 1
        self.due_at = NEVER

    def expire(self) -> None:
        """Have the next request read, whatever pause there is: it is known that the value has changed."""
        self.fall_due()
        self._retry_at = NEVER

    def _ask(self, attempts: int, now: float, *, wait: bool) -> None:
        if now < self._retry_at:
            return
        flight = self._flight
        if flight.acquire():
            try:
                if self.attempts == attempts:
                    self._attempt(now)
            finally:
                flight.release()
        elif wait:
            flight.wait(self._patience)

    def _attempt(self, now: float) -> None:
        self.attempts += 1
        try:
            self._read(now)
        except self._failures as error:
            self._fail(error)
            return
        if self._failure is not None and self._recovered is not None:
            self._recovered()
        self._failure, self._pause, self._retry_at = None, self._first_pause, NEVER

    def _read(self, now: float) -> None:
        expirations = self._expirations
        lease = self._read_value(now)
        self.readings += 1
        self.read_at, self.due_at, self.stale_at = now, now + lease.due_after, now + lease.stale_after
        if self._expirations != expirations:  # while it was read: the answer may be from before that
            self.due_at = NEVER

    def _fail(self, error: Exception) -> None:
        if self._failure is None and self._failed is not None:
            self._failed(error)
        self._failure = error
        self._retry_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, self._longest_pause)


_all = Instances(Renewal.let_go)
