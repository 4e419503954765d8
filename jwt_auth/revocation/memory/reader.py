"""
Fill the denylist of a process: with the new events, and, up to five hundred at a time, with all unexpired ones.

    the reader                                  at each question
    ----------------------------------------    ----------------------------------------------------------------------
    has not read all unexpired events since     takes the new events (`window`), and the next of all unexpired ones, for
    the protocol began                          as long as it may
    has read them, 60 s ago or earlier          takes the new events, and begins to read all unexpired ones again
    has begun to read them again                takes the new events, and the next PIECE of the unexpired ones
    else                                        takes the new events

Reading everything again finds events that the protocol can't find: rows that were restored from a backup, and events
that were committed late by a process that was killed then. The reader has a part of the list only, until all unexpired
events are read, if the protocol begins anew, or if the wall clock moved back, so that tokens count as unexpired whose
entries were dropped.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from django.utils import timezone

from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.keyring import stored
from jwt_auth.models import RevocationEvent
from jwt_auth.process.renewal import LONG_AGO
from jwt_auth.revocation.memory.denylist import Denylist, Entry
from jwt_auth.revocation.record import Table
from jwt_auth.revocation.window import Place, Window, content_of, step

# Seconds from the end of one reading of all unexpired events to the next; at least this many times as long as it took.
READ_ALL_EVERY, _REST = 60.0, 3

# The events of one query: few enough that no other thread has to wait long. With a thousand at the start, Python's
# garbage collector looked through the whole process again and again, 50 ms each time.
PIECE = 500

# Seconds after which a question takes nothing more, if there is more to take.
PATIENCE = 0.02

# The entries that are looked at with each question, to drop those that have expired.
_LOOKED_AT = 2000

# Entries are dropped this long after they have expired, so that small steps of the wall clock don't matter.
_MARGIN = timedelta(minutes=1)

_KEY = RevocationEvent.Scope.KEY


class Reader:
    """
    A denylist, and what was read of the record to fill it.

    Calls of `read` must not overlap; `take` is called in any thread, also meanwhile.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.denylist = Denylist()
        self.additions = 0  # how often entries were added to the list
        # Held only while the list is changed, and never during a query.
        self._adding = Lock()
        # The longest time for which any token can be valid. Each event matters for that long at least.
        self.life = longest_life()
        self._table = Table(Entry)
        self._window = Window()
        self._asked_at = LONG_AGO  # the time of the last question
        # Where the reading of all unexpired events goes on; None between two of them.
        self._place: Place | None = None
        self._has_all = False  # whether one such reading has ended since the protocol began
        self._began_at = self._read_all_at = LONG_AGO
        # The wall-clock time up to which expired entries were dropped.
        self._dropped_until: datetime | None = None

    @property
    def is_reading_all(self) -> bool:
        """True while the reading of all unexpired events is going on."""
        return self._place is not None

    def has_lost_entries(self) -> bool:
        """Return whether the wall clock moved back, so that tokens count as unexpired whose entries were dropped."""
        return self._dropped_until is not None and timezone.now() < self._dropped_until

    def read(self, now: float, own: set[Any]) -> bool:
        """
        Take what is new, and some of all unexpired events if that is due; return whether the list is complete.

        Args:
            own: the contents of events that must not enter the list, because this thread may roll them back.
        """
        until = now + PATIENCE
        if self.has_lost_entries():
            self._begin_anew()
        is_complete = self._read_new(own, until) and self._read_unexpired(now, own, until)
        self._drop()
        return is_complete

    def take(self, entries: Sequence[Entry]) -> None:
        """Add entries to the list."""
        with self._adding:
            added = self.denylist.add(entries, self.life, timezone.now() - _MARGIN)
            self.additions += bool(added)
        if any(entry.scope == _KEY for entry in added):
            stored.expire()  # another key may have become the active one

    def _read_new(self, own: set[Any], until: float) -> bool:
        """Take the new events; return whether these were all."""
        while True:
            now = self._clock()
            answer = step(self._window, self._table, self._expected(now), PIECE, own)
            if answer.begins_anew:
                self._begin_anew()
            # Taken first: if this thread is interrupted in between, they are taken once more.
            self.take(answer.rows)
            self._window, self._asked_at = answer.window, now
            if answer.is_complete or self._clock() >= until:
                return answer.is_complete

    def _begin_anew(self) -> None:
        """Have all unexpired events read, after the next question."""
        self._place, self._has_all, self._dropped_until = None, False, None

    def _expected(self, now: float) -> datetime:
        """Return the time by the clock of the database, as far as it is known."""
        asked_at = self._window.asked_at
        return timezone.now() if asked_at is None else asked_at + timedelta(seconds=now - self._asked_at)

    def _read_unexpired(self, now: float, own: set[Any], until: float) -> bool:
        """Read the next of the unexpired events; return whether all were read since the protocol began."""
        if self._place is None and (not self._has_all or now >= self._read_all_at):
            self._place, self._began_at = self._first_place(), now
        while self._place is not None:
            found, place = self._table.unexpired(self._place, PIECE)
            rows = [row for row in found if content_of(row) not in own] if own else found
            self.take(rows)
            self._window, self._place = self._window.seen(rows), place
            if place is None:
                self._has_all = True
                self._read_all_at = now + max(READ_ALL_EVERY, _REST * (now - self._began_at))
            elif len(found) == PIECE and (self._has_all or self._clock() >= until):
                break
        return self._has_all

    def _first_place(self) -> Place:
        # At first also those that have expired: a process with other settings may have written an event, and then it
        # may matter for longer than it says.
        over = timedelta(0) if self._has_all else self.life
        return Place(timezone.now() - over - _MARGIN)

    def _drop(self) -> None:
        """Drop some of the entries that can't affect an unexpired token any more."""
        moment = timezone.now() - _MARGIN
        with self._adding:
            self.denylist.forget(moment, _LOOKED_AT)
        self._dropped_until = max(moment, self._dropped_until or moment)


def entries_of(events: Sequence[RevocationEvent]) -> list[Entry]:
    """Return events that were just written as entries. Only the database knows when it recorded them."""
    return [Entry(*(getattr(event, name) for name in Entry._fields[:-1])) for event in events]
