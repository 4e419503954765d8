"""
Which events were read, by their numbers.

Numbers are handed out before a transaction commits, so what is missing below the newest belongs to
transactions that are still open, or were rolled back. It is asked for again for as long as it could matter.
Pure.
"""

from bisect import bisect_right
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

# More are not asked for one by one: whoever has so many reads all that is young again.
MAX_GAPS = 250

# How many events below the oldest young one are looked behind. Their numbers were given out before its own, but
# not by much, so what is missing between them may belong to transactions that are still open.
LOOK_BACK = 100


class Gap(NamedTuple):
    """Numbers that are missing, without one between them that was read, and until when they matter."""

    first: int
    last: int
    until: float


class Numbers:
    """
    The newest number, and the gaps below it, in ascending order.

    Args:
        patience: for how many seconds a gap is asked for.
    """

    __slots__ = ("_first", "_patience", "crowded", "gaps", "newest")

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._first, self.newest = 1, 0
        self.gaps: list[Gap] = []
        self.crowded = False

    def restart(self, newest: int, young: Iterable[int], first: int, now: float) -> None:
        """Begin with a table of which `young` were read, up to `newest`; all else from `first` on is missing."""
        self._first, self.newest, self.gaps, self.crowded = first, first - 1, [], False
        self.read(young, now)
        self._go_on_to(newest, now)

    def read(self, numbers: Iterable[int], now: float) -> None:
        """Note that these rows were read."""
        for number in sorted(numbers):
            if number > self.newest:
                self._go_on_to(number - 1, now)
                self.newest = number
            else:
                self._fill(number)
        if len(self.gaps) > MAX_GAPS:
            self.crowded = True
            del self.gaps[:-MAX_GAPS]
            self._first = self.gaps[0].first

    def unread(self, numbers: Iterable[int]) -> list[int]:
        """Those of `numbers` of which it is not known that they were read."""
        return [number for number in numbers if not self._first <= number <= self.newest or self._gap_of(number) >= 0]

    def give_up(self, now: float) -> None:
        """Forget the gaps that are so old that every token of their time is dead."""
        self.gaps = [gap for gap in self.gaps if gap.until > now]

    def _go_on_to(self, number: int, now: float) -> None:
        """Go on to `number`, of which nothing was read since the newest."""
        if number > self.newest:
            self.gaps.append(Gap(self.newest + 1, number, now + self._patience))
            self.newest = number

    def _fill(self, number: int) -> None:
        place = self._gap_of(number)
        if place >= 0:
            first, last, until = self.gaps[place]
            parts = Gap(first, number - 1, until), Gap(number + 1, last, until)
            self.gaps[place : place + 1] = [part for part in parts if part.first <= part.last]

    def _gap_of(self, number: int) -> int:
        """The place of the gap that `number` is in; -1 when it is in none."""
        place = bisect_right(self.gaps, number, key=_first_of) - 1
        return place if place >= 0 and number <= self.gaps[place].last else -1


_first_of = attrgetter("first")
