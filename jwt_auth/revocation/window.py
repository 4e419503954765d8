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
paused extends its window by the pause.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Protocol, TypeAlias

# The longest time for which a transaction may stay open without setting `recorded_at` of its events again.
LONGEST_OPEN = timedelta(seconds=20)

# How far the window reaches back from the last question. The rest is for steps of the database's clock, and for the
# time from a commit until `recorded_at` of its events is set again.
REACH = timedelta(seconds=40)

# The window ends this long after the time at which the question is expected to be asked: events that were dated by a
# clock far ahead were taken then, and are not counted again and again.
_AHEAD = timedelta(seconds=80)

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


class Span(NamedTuple):
    """A part of the record; both ends are whole seconds."""

    since: datetime
    until: datetime


class Facts(NamedTuple):
    """
    The answer to a question.

    Args:
        now: the time by the clock of the database.
        tally: that of the whole span.
        newest: `recorded_at` of the event that the question named; None if it is not in the table.
    """

    now: datetime
    tally: Tally
    newest: datetime | None


# The time at which an event was recorded, and the event: a tuple whose first item is `id`.
Row: TypeAlias = tuple[datetime, Any]


class Record(Protocol):
    """The record, as `record.Table` reads it."""

    def facts(self, span: Span, newest: int | None) -> Facts:
        """Return the facts about `span`, and about the event number `newest`."""

    def by_second(self, span: Span) -> dict[int, Tally]:
        """Return the tally of each second that has events."""

    def in_seconds(self, seconds: Iterable[int]) -> list[Row]:
        """Return the events of these seconds."""

    def after(self, position: Position, limit: int) -> list[Row]:
        """Return the first events after `position`, in the order of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    What a reader has taken.

    Args:
        asked_at: the time of the last question, by the clock of the database; None before the first one.
        taken: the tally of each second that the window reaches, in seconds since the epoch.
        page: where the reader goes on, if it takes a part of the record page by page.
        newest: the newest event that was taken, to recognise the table: its number and its time, to the microsecond.
    """

    asked_at: datetime | None = None
    taken: Mapping[int, Tally] = field(default_factory=dict)
    page: Position | None = None
    newest: Position | None = None

    def seen(self, rows: Iterable[Row]) -> "Window":
        """Return the window with the newest event of `rows`, which were read by other ways, too."""
        known = [self.newest] if self.newest else []
        newest = max((*known, *(Position(at, row.id) for at, row in rows)), default=None)
        return replace(self, newest=newest)

    def asked_in_steps_of(self, step: timedelta) -> "Window":
        """Return the window as of the start of a step of time, so that readers of the same events have the same one."""
        moment = self.asked_at or _EPOCH
        asked_at = moment - (moment - _EPOCH) % step
        return replace(self, asked_at=asked_at, taken=_since(asked_at, self.taken))


class Answer(NamedTuple):
    """
    What one step has brought.

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


def content_of(row: Any) -> Any:
    """Return what an event says, without its number: the number of one that was just written may be unknown."""
    return tuple(row[1:])


def step(window: Window, record: Record, expected: datetime, limit: int, skip: Any = ()) -> Answer:
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
    span, facts = _ask(window, record, expected)
    if _begins_anew(window, facts):
        # The reader is going to read all unexpired events, and so will have taken those that are there now.
        begun = _moved(Window(), facts.now, record.by_second(span))
        return Answer(begun, [], is_complete=True, begins_anew=True)
    known = {second: tally for second, tally in window.taken.items() if _is_in(second, span)}
    if facts.tally == _sum(known.values()):
        return Answer(_moved(window, facts.now, known), [], is_complete=True)
    there = record.by_second(span)
    new = sorted(second for second, tally in there.items() if tally != known.get(second))
    known = {second: known[second] for second in there if second in known}
    if len(new) > _MOST_SECONDS or sum(there[second].rows for second in new) > limit:
        first = datetime.fromtimestamp(new[0], timezone.utc)
        kept = {second: tally for second, tally in known.items() if second < new[0]}
        return _turn(_moved(window, facts.now, kept), record, Position(first, 0), limit, skip)
    rows = _without(record.in_seconds(new), skip) if new else []
    kept = {second: tally for second, tally in known.items() if second not in new}
    taken = _moved(window, facts.now, _added(kept, rows))
    return Answer(taken.seen(rows), rows, is_complete=True)


def _ask(window: Window, record: Record, expected: datetime) -> tuple[Span, Facts]:
    asked_at = window.asked_at or expected
    pause = expected - asked_at
    reach = REACH + pause if pause > _USUAL_PAUSE else REACH
    span = Span(_floor(asked_at - reach), _floor(max(asked_at, expected) + _AHEAD))
    number = window.newest.id if window.newest else None
    facts = record.facts(span, number)
    fitting = Span(min(span.since, _floor(facts.now - REACH)), max(span.until, _floor(facts.now + _AHEAD)))
    # The caller's clock may differ from the database's, whose clock may also have been set back.
    if fitting.since < span.since or facts.now + REACH > span.until:
        return fitting, record.facts(fitting, number)
    return span, facts


def _begins_anew(window: Window, facts: Facts) -> bool:
    if window.asked_at is None or facts.now - window.asked_at > LONGEST_PAUSE:
        return True
    return window.newest is not None and facts.newest != window.newest.recorded_at


def _turn(window: Window, record: Record, page: Position, limit: int, skip: Any) -> Answer:
    """Take the next page. After the last one the reader asks again: events may have come before this page."""
    found = record.after(page, limit)
    rows = _without(found, skip)
    last = Position(found[-1][0], found[-1][1].id) if len(found) == limit else None
    taken = replace(window, taken=_added(window.taken, rows), page=last)
    return Answer(taken.seen(rows), rows, is_complete=False)


def _moved(window: Window, now: datetime, taken: Mapping[int, Tally]) -> Window:
    """Return the window after a question at `now`: what no later question reaches is dropped."""
    return replace(window, asked_at=now, taken=_since(now - _KEPT, taken), page=None)


def _since(asked_at: datetime, taken: Mapping[int, Tally]) -> dict[int, Tally]:
    """Return what is reached by the question after one at `asked_at`."""
    oldest = _floor(asked_at - REACH).timestamp()
    return {second: tally for second, tally in taken.items() if second >= oldest}


def _added(taken: Mapping[int, Tally], rows: Iterable[Row]) -> dict[int, Tally]:
    added = dict(taken)
    for at, row in rows:
        second = int(at.timestamp())
        added[second] = added.get(second, Tally()).plus(row.id)
    return added


def _without(rows: list[Row], skip: Any) -> list[Row]:
    return [row for row in rows if content_of(row[1]) not in skip] if skip else rows


def _sum(tallies: Iterable[Tally]) -> Tally:
    rows = total = 0
    for tally in tallies:
        rows, total = rows + tally.rows, total + tally.total
    return Tally(rows, total)


def _is_in(second: int, span: Span) -> bool:
    return span.since.timestamp() <= second < span.until.timestamp()


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
