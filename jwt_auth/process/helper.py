"""
A circuit breaker for an auxiliary server, such as a cache. If the server hangs, requests must not hang with it.

    the helper                            a call
    -----------------------------------   ---------------------------------------------------------------------
    has answered, or was never asked      is made, and waited for LIMIT at most
    has failed, less than a pause ago     fails at once
    has failed a pause ago, or longer     one call is made; the others fail at once, until it succeeds, or for
                                          another pause

So at the beginning of an outage each request waits once, and after that one request for each pause. Another thread
makes the call, because not every client has a time limit; see `workers`. If a call is given up, that thread still waits
for its answer. Each such thread makes the pause longer by PAUSE, until it has got an answer or an error: a server that
hangs for days must not fill the process with threads.
"""

from collections.abc import Callable
from concurrent.futures import Future, TimeoutError as FutureTimeoutError
from threading import Lock
from typing import Any, TypeVar

from jwt_auth.process import workers
from jwt_auth.process.blocking import about_to_block
from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset

T = TypeVar("T")

LIMIT = 0.5  # seconds for which a call is waited for
PAUSE = 5.0  # seconds
LONGEST_PAUSE = 60.0  # seconds


class HelperError(Exception):
    """Raised when a helper fails, or does not answer in time. Its text is for the log."""


class CircuitOpenError(HelperError):
    """Raised when a helper is not asked, because it failed a moment ago."""


class Helper:
    """
    Makes the calls to one server, and decides which of them are made.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = seconds) -> None:
        self._clock = clock
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Start again, as after a fork: threads that don't exist here may wait for answers, or hold the lock."""
        self._lock = Lock()  # held only while the state changes, and never during a call
        self._failure: Exception | None = None
        self._left_alone_at = 0.0  # when the helper failed, or was last tried
        self._hanging = 0  # the number of calls that were given up and have not ended

    def call(self, work: Callable[[], T]) -> T:
        """
        Return the result of `work`, which asks the helper and is run by another thread.

        Raises:
            HelperError: if it raises an error, takes too long, or is not run because the helper failed a moment ago.
            WouldBlockError: on an event loop, if `work` would be run.
        """
        if self._failure is None:
            about_to_block()
        else:
            self._take_the_try()
        try:
            result = self._result_of(work)
        except Exception as error:
            self.fail(error)
            raise HelperError(repr(error)) from error
        self._failure = None
        return result

    def fail(self, error: Exception) -> None:
        """Leave the helper alone for a while, because of an error that a call or the caller met."""
        with self._lock:
            self._failure, self._left_alone_at = error, self._clock()

    def _take_the_try(self) -> None:
        """Raise CircuitOpenError, unless the pause is over and no other thread has begun to try."""
        with self._lock:
            now = self._clock()
            if now < self._left_alone_at + min(PAUSE * (1 + self._hanging), LONGEST_PAUSE):
                raise CircuitOpenError(f"left alone after {self._failure!r}")
            about_to_block()
            self._left_alone_at = now

    def _result_of(self, work: Callable[[], T]) -> T:
        future = workers.start(work)
        try:
            return workers.result_of(future, LIMIT)
        except FutureTimeoutError:
            if not future.done():
                with self._lock:
                    self._hanging += 1
                future.add_done_callback(self._end_hanging)
            raise

    def _end_hanging(self, future: "Future[Any]") -> None:
        with self._lock:
            self._hanging -= 1


_all: "ForkReset[Helper]" = ForkReset(Helper.forget)
