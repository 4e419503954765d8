"""
What one thread does for all.
"""

from collections.abc import Callable
from threading import Lock


class SingleFlight:
    """
    A lock that is waited for only as long as who holds it may still be expected to be done soon.

    Were each to wait for its own second, whoever sends enough requests would have every thread of the process
    waiting for a server or a database that hangs.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self.began_at = float("-inf")

    def acquire(self, patience: float = 0) -> bool:
        """Begin; False when another thread is at it, and was not done `patience` seconds after it began."""
        left = max(self.began_at + patience - self._clock(), 0)
        if not self._lock.acquire(timeout=left):
            return False
        self.began_at = self._clock()
        return True

    def release(self) -> None:
        """Let others go on."""
        self._lock.release()

    def wait(self, patience: float) -> None:
        """Wait for whoever is at it, until `patience` seconds after it began."""
        if self.acquire(patience):
            self.release()
