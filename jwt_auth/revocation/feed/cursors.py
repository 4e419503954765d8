"""
A cursor of the feed: the events that its reader has read, in a few numbers, so that no server remembers readers. Pure.

The database hands out an event's number before the transaction commits (see `memory.numbers`). So a cursor has not
only the newest number that was read, but also the gaps below it: numbers that may still be committed. Every process of
the issuer answers a cursor alike, because all of it is about rows of the database.

    a cursor                                     is answered with
    -----------------------------------------    --------------------------------------------------------------------
    names the newest event, as it is in the      the events above it, and those in its gaps
    table
    names an event that the table does not       everything, from the beginning: the table is another one, such as a
    have, or has with other values               restored backup, or the row was cleaned away after its time
    is older than the longest life of a token    everything: that is less than what has expired since
    had more gaps than MAX_GAPS                  the same for RESTART_AFTER seconds, then everything: the oldest gaps
                                                 were dropped, and an event in them may have been committed
"""

from collections.abc import Collection
from typing import NamedTuple

from jwt_auth.revocation.memory.numbers import Gap, Numbers

# The most gaps in one cursor: it is sent in a URL, which servers limit to 4,094 bytes and more.
MAX_GAPS = 100

# Seconds until everything is read again, after gaps had to be dropped.
RESTART_AFTER = 60

# The most characters of a cursor with any numbers, including the HMAC at its end.
MAX_LENGTH = 4000


class Cursor(NamedTuple):
    """
    The events that a reader has read.

    Args:
        newest: the greatest number that was read; 0 if there was none.
        mark: a digest of the event with this number, to recognise the table.
        made_at: the time of the reading, in seconds.
        restart_at: the time from which it is not continued; 0 if there is none.
        gaps: the numbers below `newest` that were not read, in ascending order.
    """

    newest: int
    mark: str
    made_at: int
    restart_at: int = 0
    gaps: tuple[Gap, ...] = ()

    def has_expired(self, now: int, life: int) -> bool:
        """Return whether its reader should start from the beginning."""
        return now >= self.made_at + life or 0 < self.restart_at <= now

    def advance(self, numbers: Collection[int], mark: str, now: int, life: int) -> "Cursor":
        """
        Return the cursor after the events with these `numbers` were read, too.

        Args:
            mark: that of the newest event.
            life: how long a gap is asked for, in seconds; see Numbers.
        """
        known = Numbers(life)
        known.newest, known.gaps = self.newest, list(self.gaps)
        known.read(numbers, now)
        known.give_up(now)
        restart_at = self.restart_at
        if known.crowded or len(known.gaps) > MAX_GAPS:
            restart_at = restart_at or now + RESTART_AFTER
        gaps = tuple(known.gaps[-MAX_GAPS:])
        return Cursor(newest=known.newest, mark=mark, made_at=now, restart_at=restart_at, gaps=gaps)


def write(cursor: Cursor) -> str:
    """Return the cursor as text. Each gap is given by its distance from the one above it, which is short."""
    parts, above = [f"{cursor.newest:x}-{cursor.mark}-{cursor.made_at:x}-{cursor.restart_at:x}"], cursor.newest
    for first, last, until in reversed(cursor.gaps):
        parts.append(f"{above - last:x}-{last - first:x}-{max(int(until) - cursor.made_at, 0):x}")
        above = first
    return "_".join(parts)


def read(text: str) -> Cursor:
    """Return the cursor that `write` wrote. No other text may come here."""
    head, *parts = text.split("_")
    number, mark, made, restart = head.split("-")
    newest, made_at = int(number, 16), int(made, 16)
    gaps: list[Gap] = []
    above = newest
    for part in parts:
        down, size, left = (int(digits, 16) for digits in part.split("-"))
        last = above - down
        above = last - size
        gaps.append(Gap(above, last, made_at + left))
    return Cursor(newest, mark, made_at, int(restart, 16), tuple(reversed(gaps)))
