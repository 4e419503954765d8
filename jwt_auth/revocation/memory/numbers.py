"""
Keep track of which events were read, by their numbers (primary keys), and of the gaps between them.

The database hands out a number before the transaction commits. So a number that is missing below the newest one belongs
to a transaction that is still open, or to one that was rolled back, and nobody can tell which. A view that asked only
for numbers above the newest one would never see what commits late. Therefore it asks for the gaps again, each time, for
as long as an event in them could matter. Pure.

An example, with a patience of 400 seconds:

    at    step                                               newest    gaps, and until when they are asked for
    ---   -----------------------------------------------    ------    ----------------------------------------------
    0     restart(newest=104, numbers=(100, 101, 104),          104    98-99 (400), 102-103 (400)
                  first=98)
    1     107 is new: 105 and 106 are still missing             107    98-99 (400), 102-103 (400), 105-106 (401)
    2     103 was committed late; what is left of its gap       107    98-99 (400), 102 (400), 105-106 (401)
          keeps its time
    3     106 was committed late                                107    98-99 (400), 102 (400), 105 (401)
    400   give_up(400): 98, 99 and 102 were rolled back, or     107    105 (401)
          can revoke only tokens that have expired by now

At 2 the view asks for the numbers from 107 on, for 98 to 99 and 105 to 106, and for 102.
"""

from bisect import bisect_right
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

# The most gaps that one query asks for. If there are more, all unexpired events are read again instead.
MAX_GAPS = 250

# The number of events before the oldest unexpired one between which gaps are kept. Their numbers were handed out before
# its own, but not long before, so numbers that are missing between them may belong to transactions that are still open.
LOOK_BACK = 100


class Gap(NamedTuple):
    """Consecutive numbers, none of which was read, and the time after which they don't matter any more."""

    first: int
    last: int
    until: float


class Numbers:
    """
    The newest number that was read, and the gaps below it, in ascending order.

    `crowded` is True if there were more gaps than MAX_GAPS, so that the oldest were dropped.

    Args:
        patience: how long a gap is asked for, in seconds. It must be the longest lifetime of a token: an event that
            commits later than that can revoke only tokens that have expired by then.
    """

    __slots__ = ("_first", "_patience", "crowded", "gaps", "newest")

    def __init__(self, patience: float) -> None:
        self._patience = patience
        # Numbers below `_first` belong to no gap, and count as unread: it is not known which of them were read.
        self._first, self.newest = 1, 0
        self.gaps: list[Gap] = []
        self.crowded = False

    def restart(self, newest: int, numbers: Iterable[int], first: int, now: float) -> None:
        """Start again with a table of which `numbers` were read; all others from `first` to `newest` are missing."""
        self._first, self.newest, self.gaps, self.crowded = first, first - 1, [], False
        self.read(numbers, now)
        self._go_on_to(newest, now)

    def read(self, numbers: Iterable[int], now: float) -> None:
        """Note that the rows with these numbers were read."""
        for number in sorted(numbers):
            if number > self.newest:
                self._go_on_to(number - 1, now)
                self.newest = number
            else:
                self._fill(number)
        if len(self.gaps) > MAX_GAPS:
            # The newest gaps are kept, and what is below them counts as unread.
            self.crowded = True
            del self.gaps[:-MAX_GAPS]
            self._first = self.gaps[0].first

    def unread(self, numbers: Iterable[int]) -> list[int]:
        """Return those of `numbers` that are not known to have been read."""
        return [number for number in numbers if not self._first <= number <= self.newest or self._gap_of(number) >= 0]

    def give_up(self, now: float) -> None:
        """Forget the gaps that are so old that every token of their time has expired."""
        self.gaps = [gap for gap in self.gaps if gap.until > now]

    def _go_on_to(self, number: int, now: float) -> None:
        """Make `number` the newest; it and all numbers since the newest one so far become a gap."""
        if number > self.newest:
            self.gaps.append(Gap(self.newest + 1, number, now + self._patience))
            self.newest = number

    def _fill(self, number: int) -> None:
        """Take `number` out of its gap, if it is in one: the gap shrinks, splits in two, or is gone."""
        place = self._gap_of(number)
        if place >= 0:
            first, last, until = self.gaps[place]
            parts = Gap(first, number - 1, until), Gap(number + 1, last, until)
            self.gaps[place : place + 1] = [part for part in parts if part.first <= part.last]

    def _gap_of(self, number: int) -> int:
        """Return the index of the gap that contains `number`; -1 if none does."""
        place = bisect_right(self.gaps, number, key=_first_of) - 1
        return place if place >= 0 and number <= self.gaps[place].last else -1


_first_of = attrgetter("first")
