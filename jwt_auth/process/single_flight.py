"""
A lock for work that one thread does for all others, with a limit on how long they wait.
"""

from collections.abc import Callable
from threading import Lock


class SingleFlight:
    """
    A lock whose waiters give up at a fixed time after the holder began, not after they began to wait.

    If every waiter had a second of its own, an attacker who sends enough requests could make every thread of the
    process wait for a server or a database that hangs.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self.began_at = float("-inf")

    def acquire(self, patience: float = 0) -> bool:
        """
        Take the lock and return True; return False if another thread still has it `patience` seconds after it began.

        If that time has already passed, or `patience` is 0, this does not wait.
        """
        left = max(self.began_at + patience - self._clock(), 0)
        if not self._lock.acquire(timeout=left):
            return False
        self.began_at = self._clock()
        return True

    def release(self) -> None:
        """Release the lock, so that waiters continue."""
        self._lock.release()

    def wait(self, patience: float) -> None:
        """Wait until the thread that has the lock is done, or until `patience` seconds after it began."""
        if self.acquire(patience):
            self.release()
