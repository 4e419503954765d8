"""
Work that one thread does for all threads that want its result at the same time.

    a thread wants a result, and                 it
    -----------------------------------------    ----------------------------------------------------------------------
    no thread works on it or waits to do so      does the work, when it is its turn
    another thread waits for its turn            shares the result of that thread
    another thread works on it                   does the work next, for all that come until then: a result that was
                                                 begun before the question may lack what the thread has just heard of

One thread works at a time. Another one waits for its turn until the first has worked for `patience` seconds. A thread
that shares a result waits for it at most twice as long. After that, each does the work by itself.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, TimeoutError as FutureTimeoutError
from threading import Lock
from typing import Any, Generic, TypeVar

from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset
from jwt_auth.process.single_flight import SingleFlight

T = TypeVar("T")


class SharedWork(Generic[T]):
    """
    Shares results among threads.

    Args:
        patience: seconds; see above.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, patience: float, *, clock: Callable[[], float] = seconds) -> None:
        self._patience, self._clock = patience, clock
        self.let_go()
        _all.add(self)

    def let_go(self) -> None:
        """Start again, as after a fork: threads that don't exist here may work, or hold the locks."""
        self._turn = SingleFlight(self._clock)
        self._lock = Lock()
        self._waiting: dict[Hashable, Future[T]] = {}  # the results that threads wait to work on

    def result(self, key: Hashable, work: Callable[[], T]) -> T:
        """Return the result of `work`, by this thread or by another one that was asked for the same `key`."""
        mine: Future[T] = Future()
        with self._lock:
            shared = self._waiting.setdefault(key, mine)
        if shared is mine:
            return self._lead(key, mine, work)
        try:
            return shared.result(2 * self._patience)
        except FutureTimeoutError:
            return work()

    def _lead(self, key: Hashable, promise: "Future[T]", work: Callable[[], T]) -> T:
        has_turn = False
        try:
            try:
                has_turn = self._turn.acquire(self._patience)
            finally:
                with self._lock:
                    del self._waiting[key]  # a thread that comes from now on shares the next result
            result = work()
        except BaseException as error:
            promise.set_exception(error)
            raise
        else:
            promise.set_result(result)
            return result
        finally:
            if has_turn:
                self._turn.release()


_all: "ForkReset[SharedWork[Any]]" = ForkReset(SharedWork.let_go)
