"""
The clock that a process uses to wait and to poll. It never goes back, and does not stand still with the machine.

While a machine is suspended, or its virtual machine is paused or moved, the monotonic clock may stand still, and
values that are hours old would count as fresh. So this clock moves ahead by as much as the wall clock has moved beyond
the monotonic one. If somebody sets the wall clock ahead instead, values are only read again too early.
"""

from time import monotonic, time

# Seconds by which the two clocks may differ from one look to the next: a thread may be interrupted between them.
_TOLERANCE = 0.5


class _Suspensions:
    """The seconds for which the monotonic clock stood still."""

    __slots__ = ("_difference", "seconds")

    def __init__(self) -> None:
        self._difference: float | None = None  # of the wall clock and the monotonic clock
        self.seconds = 0.0

    def note(self, difference: float) -> None:
        # Without a lock: if two threads note the same suspension, values are read again too early.
        known = self._difference
        if known is None or difference < known:
            self._difference = difference
        elif difference > known + _TOLERANCE:
            self._difference = difference
            self.seconds += difference - known


_suspensions = _Suspensions()


def seconds() -> float:
    """Return the time of a monotonic clock, in seconds."""
    # The names are looked up at each call: a test that replaces one here changes the time of the whole process.
    now = monotonic()
    _suspensions.note(time() - now)
    return now + _suspensions.seconds
