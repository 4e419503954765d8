"""
The protocol that finds new events, in whatever order they commit. Pure.

The database dates each event (`recorded_at`) when it is written, and shows it when its transaction commits. So new
events appear between those that a reader has taken. Their numbers don't help: sequences cache and skip values, and
assign them before the commit. Therefore a reader asks for a window of the record that reaches back from its last
question, and compares how many events it has, and the sum of their numbers, with what was taken.

    the answer                                    the reader
    ------------------------------------------    ------------------------------------------------------------------
    the same number and sum in the whole window   is done: nothing is new. This is one row of one query
    other ones                                    asks for those of each second, and
    - with few events in those that differ        - takes these seconds, and is done
    - with many                                   - takes all from the first of them on, page by page, and asks again
    the newest event that it knows is not in      begins anew: the table is another one, such as a restored backup.
    the table                                     What it has taken stays
    its last question was LONGEST_PAUSE ago,      begins anew, too: that is less than all events of the time between
    or there was none
    the database's clock went back                asks for a window that reaches back from now

When in doubt, it takes an event once more; so its list must not change when an event is added again.

Why nothing is missed: what the last question did not show was committed after it. So it was written less than REACH
before it, by the clock of the database; or its transaction was open for longer than LONGEST_OPEN, and has set
`recorded_at` of its events again after the commit (`events`). If the process was killed before that, a reader finds
them when it next reads all unexpired events. If the clock of the database is set back, events are dated earlier by as
much: REACH covers small steps, the last row of the table those that the next question notices, and a reader that has
paused extends its window by the pause. If it is set back by more, and ahead again before a reader asks, that reader
finds the events of the time between when it next reads all unexpired ones.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Protocol, TypeAlias

# The longest time for which a transaction may stay open without setting `recorded_at` of its events again.
LONGEST_OPEN = timedelta(seconds=20)

# How far the window reaches back from the last question. The rest is for steps of the database's clock, and for the
# time from a commit until `recorded_at` of its events is set again.
REACH = timedelta(seconds=40)

# How much longer tallies are kept than the next question reaches: for windows that are asked in steps.
_KEPT = timedelta(seconds=20)

# Pauses between two questions up to this are covered by REACH.
_USUAL_PAUSE = timedelta(seconds=30)

LONGEST_PAUSE = timedelta(minutes=10)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# The most seconds that one query asks for.
_MOST_SECONDS = 100

# Sums are made of the last 16 bits of each number: no sum overflows.
MODULUS = 2**16


class Tally(NamedTuple):
    """A number of events, and the sum of their numbers modulo MODULUS."""

    rows: int = 0
    total: int = 0

    def plus(self, number: int) -> "Tally":
        """Return the tally with one more event, which has this number."""
        return Tally(self.rows + 1, self.total + number % MODULUS)


class Position(NamedTuple):
    """The place of an event in the order of the record."""

    recorded_at: datetime
    id: int


class Place(NamedTuple):
    """
    The place of an event in the order in which all unexpired events are read: by their end; at last those without one.
    """

    expires_at: datetime | None
    id: int = 0


class Newest(NamedTuple):
    """The newest event that was taken, to recognise the table."""

    recorded_at: datetime
    id: int
    created_at: datetime  # never changes, and tells apart events of two tables that have the same number


class Facts(NamedTuple):
    """
    The answer to a question.

    Args:
        now: the time by the clock of the database.
        tally: that of all events since the moment that the question named.
        newest: `created_at` of the event that the question named; None if it is not in the table.
    """

    now: datetime
    tally: Tally
    newest: datetime | None


# An event: a named tuple whose first field is `id` and whose last is `recorded_at`, with `created_at`.
Row: TypeAlias = Any


class Record(Protocol):
    """The record, as `record.Table` reads it."""

    def facts(self, since: datetime, newest: int | None) -> Facts:
        """Return the facts about all events since a moment, and about the event number `newest`."""

    def by_second(self, since: datetime) -> dict[int, Tally]:
        """Return the tally of each second since a moment that has events."""

    def in_seconds(self, seconds: Iterable[int]) -> list[Row]:
        """Return the events of these seconds."""

    def after(self, position: Position, limit: int) -> list[Row]:
        """Return the first events after `position`, in the order of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    The state of a reader.

    Args:
        asked_at: the time of the last question, by the clock of the database; None before the first one.
        taken: the tally of each second that the window reaches, in seconds since the epoch.
        page: where the reader goes on, if it takes a part of the record page by page.
        newest: the newest event that was taken.
        tail: the second from which on all later ones have one tally, if there are too many.
    """

    asked_at: datetime | None = None
    taken: Mapping[int, Tally] = field(default_factory=dict)
    page: Position | None = None
    newest: Newest | None = None
    tail: int | None = None

    def seen(self, rows: Iterable[Row]) -> "Window":
        """Return the window with the newest event of `rows`, which were read by other ways, too."""
        known = [self.newest] if self.newest else []
        newest = max((*known, *(Newest(row.recorded_at, row.id, row.created_at) for row in rows)), default=None)
        return replace(self, newest=newest)

    def asked_in_steps_of(self, step: timedelta, most: int) -> "Window":
        """
        Return the window as of the start of a step of time, so that readers of the same events have the same one.

        Args:
            most: the seconds with a tally of their own. If a clock was far ahead, there are any number in the future.
        """
        moment = self.asked_at or _EPOCH
        asked_at = moment - (moment - _EPOCH) % step
        taken = _since(asked_at, self.taken)
        tail = sorted(taken)[most - 1] if len(taken) > most else self.tail
        return replace(self, asked_at=asked_at, taken=_with_tail(taken, tail), tail=tail)


class Taken(NamedTuple):
    """
    The result of one step.

    Args:
        window: for the next step.
        rows: the events to take.
        is_complete: everything is taken that was committed before the step began, but for what `begins_anew` says.
        begins_anew: all unexpired events have to be read, after this step.
    """

    window: Window
    rows: list[Row]
    is_complete: bool
    begins_anew: bool = False


def content_of(row: Row) -> Any:
    """Return what an event says: neither the number nor the time of recording, which a writer may not know yet."""
    return tuple(row[1:-1])


def step(window: Window, record: Record, expected: datetime, limit: int, skip: Any = ()) -> Taken:
    """
    Take what is new, or the next page of it. Between one and three queries.

    Args:
        expected: the time of the question by the clock of the database, as far as the caller knows.
        limit: the most events that are taken at once.
        skip: the contents of events that are neither taken nor counted, because the reader's own transaction has
            written them, and may be rolled back.
    """
    if window.page is not None:
        return _turn(window, record, window.page, limit, skip)
    if window.asked_at is None or expected - window.asked_at > LONGEST_PAUSE:
        return _begun(record, record.facts(_floor(expected - REACH), None).now)
    since, facts = _ask(window, record, expected)
    if facts.now - window.asked_at > LONGEST_PAUSE or _is_another_table(window, facts):
        return _begun(record, facts.now)
    known = _since(since, window.taken, timedelta(0))
    if facts.tally == _sum(known.values()):
        return Taken(_moved(window, facts.now, known), [], is_complete=True)
    there = record.by_second(since)
    lumped = _with_tail(there, window.tail)
    changed = {second for second, tally in lumped.items() if tally != known.get(second)}
    new = sorted(second for second in there if second in changed or _is_in_tail(second, window.tail, changed))
    kept = {second: known[second] for second in lumped if second in known and second not in changed}
    if len(new) > _MOST_SECONDS or sum(there[second].rows for second in new) > limit:
        first = datetime.fromtimestamp(new[0], timezone.utc)
        kept = {second: tally for second, tally in kept.items() if second < new[0]}
        return _turn(_moved(window, facts.now, kept), record, Position(first, 0), limit, skip)
    rows = _without(record.in_seconds(new), skip) if new else []
    taken = _moved(window, facts.now, _added(kept, rows))
    return Taken(taken.seen(rows), rows, is_complete=True)


def _ask(window: Window, record: Record, expected: datetime) -> tuple[datetime, Facts]:
    """Return the start of the window, and the facts about it."""
    asked_at = window.asked_at or expected
    pause = expected - asked_at
    reach = REACH + pause if pause > _USUAL_PAUSE else REACH
    since = _floor(asked_at - reach)
    number = window.newest.id if window.newest else None
    facts = record.facts(since, number)
    earliest = _floor(facts.now - reach)
    if earliest < since:  # the clock of the database was set back
        return earliest, record.facts(earliest, number)
    return since, facts


def _begun(record: Record, now: datetime) -> Taken:
    # The reader is going to read all unexpired events, and so will have taken those that are there now.
    taken = record.by_second(_floor(now - REACH))
    return Taken(_moved(Window(), now, taken), [], is_complete=True, begins_anew=True)


def _is_another_table(window: Window, facts: Facts) -> bool:
    return window.newest is not None and facts.newest != window.newest.created_at


def _turn(window: Window, record: Record, page: Position, limit: int, skip: Any) -> Taken:
    """Take the next page. After the last one the reader asks again: events may have come before this page."""
    found = record.after(page, limit)
    rows = _without(found, skip)
    last = Position(found[-1].recorded_at, found[-1].id) if len(found) == limit else None
    taken = replace(window, taken=_added(window.taken, rows), page=last)
    return Taken(taken.seen(rows), rows, is_complete=False)


def _moved(window: Window, now: datetime, taken: Mapping[int, Tally]) -> Window:
    """Return the window after a question at `now`: what no later question reaches is dropped."""
    kept = _since(now - _KEPT, taken)
    return replace(window, asked_at=now, taken=kept, page=None, tail=window.tail if window.tail in kept else None)


def _since(asked_at: datetime, taken: Mapping[int, Tally], reach: timedelta = REACH) -> dict[int, Tally]:
    """Return what is reached by the question after one at `asked_at`."""
    oldest = _floor(asked_at - reach).timestamp()
    return {second: tally for second, tally in taken.items() if second >= oldest}


def _with_tail(tallies: Mapping[int, Tally], tail: int | None) -> dict[int, Tally]:
    """Return the tallies with one for all seconds from `tail` on."""
    if tail is None:
        return dict(tallies)
    later = [tally for second, tally in tallies.items() if second >= tail]
    return {
        **{second: tally for second, tally in tallies.items() if second < tail},
        **({tail: _sum(later)} if later else {}),
    }


def _is_in_tail(second: int, tail: int | None, changed: Collection[int]) -> bool:
    return tail is not None and second >= tail and tail in changed


def _added(taken: Mapping[int, Tally], rows: Iterable[Row]) -> dict[int, Tally]:
    added, seconds = dict(taken), _Seconds()
    for row in rows:
        second = seconds[row.recorded_at]
        added[second] = added.get(second, Tally()).plus(row.id)
    return added


class _Seconds(dict[datetime, int]):
    """The second of each time: rows that were written together share theirs."""

    def __missing__(self, moment: datetime) -> int:
        self[moment] = second = int(moment.timestamp())
        return second


def _without(rows: list[Row], skip: Any) -> list[Row]:
    return [row for row in rows if content_of(row) not in skip] if skip else rows


def _sum(tallies: Iterable[Tally]) -> Tally:
    rows = total = 0
    for tally in tallies:
        rows, total = rows + tally.rows, total + tally.total
    return Tally(rows, total)


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
