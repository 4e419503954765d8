"""
No event is missed, whatever is committed when: a model of the database, of those who write to it, and of its readers.

Writers keep transactions open, roll them or their savepoints back, and are killed. Sequences are cached and leave out
numbers. The database's clock is set back and ahead, those of machines differ, and machines are suspended. Tables are
cleaned, truncated, restored, and lost to a replica that lags. All this also happens between two queries of a reader.
"""

import os
from datetime import timedelta
from itertools import count

import pytest
import time_machine
from hypothesis import Phase, settings as hypothesis_settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.revocation.memory import reader as memory_reader
from jwt_auth.revocation.memory.denylist import Entry
from jwt_auth.revocation.memory.reader import READ_ALL_EVERY, Reader
from jwt_auth.revocation.window import LONGEST_OPEN, MODULUS, REACH, Facts, Place, Tally
from tests.support.clocks import NOW, Ticks
from tests.support.selection import THOROUGH

PROFILE = hypothesis_settings(
    max_examples=2000 if THOROUGH else 50,
    stateful_step_count=60,
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,  # the same where a change is accepted
    print_blob=False,
    report_multiple_bugs=False,  # in a group, which is no AssertionError
    phases=[Phase.generate, Phase.shrink] if THOROUGH else [Phase.generate],
)

# The kinds of sequences: the numbers that the three connections get.
SEQUENCES = {
    "in order": lambda: [count(1)] * 3,
    "cached": lambda: [_cached(blocks) for blocks in [count(0)] for _ in range(3)],
    "stepped": lambda: [count(1 + each, 3) for each in range(3)],
}


# What may go wrong besides: a method of `World`, and its arguments.
MISHAPS = {
    **{f"database's clock {by} s": ("set_the_clock_of_the_database", [by]) for by in (-3600, -100, -30, -5, 5, 100)},
    **{f"machine's clock {by} s": ("set_the_clock_of_a_machine", [by]) for by in (-7200, -60, 0, 0, 60, 7200)},
    **{f"suspension of {by} s": ("suspend", [by]) for by in (3, 50, 1000)},
    "cleaning": ("clean", []),
    **{what: ("replace_the_table", [what]) for what in ("back up", "restore", "truncate")},
}


def _cached(blocks):
    while True:
        block = next(blocks)
        yield from range(50 * block + 1, 50 * block + 51)


class Database:
    """A table with rows that are committed, and a clock."""

    def __init__(self, sequences):
        self.now, self.rows = NOW, {}
        self.sequences = SEQUENCES[sequences]()
        self.meanwhile = []  # what happens before the next queries

    def query(self):
        if self.meanwhile:
            self.meanwhile.pop()()
        self.now += timedelta(milliseconds=1)
        return sorted(self.rows.values(), key=_position)

    # What a reader asks

    def facts(self, since, newest):
        rows = self.query()
        there = self.rows.get(newest)
        return Facts(self.now, _tally(_since(rows, since)), there and there.created_at)

    def by_second(self, since):
        tallies = {}
        for row in _since(self.query(), since):
            second = int(row.recorded_at.timestamp())
            tallies[second] = tallies.get(second, Tally()).plus(row.id)
        return tallies

    def in_seconds(self, seconds):
        return [row for row in self.query() if int(row.recorded_at.timestamp()) in seconds]

    def after(self, position, limit):
        return [row for row in self.query() if _position(row) > position][:limit]

    def unexpired(self, place, limit):
        def order(row):
            return Place(row.expires_at, row.id)

        rows = sorted((row for row in self.query() if order(row) > place), key=order)[:limit]
        return rows, order(rows[-1]) if len(rows) == limit else None


def _position(row):
    return row.recorded_at, row.id


def _since(rows, since):
    return [row for row in rows if row.recorded_at >= since]


def _tally(rows):
    return Tally(len(rows), sum(row.id % MODULUS for row in rows))


class Transaction:
    """An open transaction: its rows, since when, and whether it is told in time when it has been committed."""

    def __init__(self, database, connection):
        self.database, self.connection, self.rows = database, connection, []

    def write(self, subject):
        number = next(self.database.sequences[self.connection])
        now = self.database.now
        self.rows.append(Entry(number, "session", subject, None, now, now + longest_life(), now))


class Machine:
    """A machine with a reader, whose clock differs from the database's."""

    def __init__(self, database, protocol):
        self.ticks, self.skew = Ticks(), timedelta(0)
        self.database = database
        self.reader = protocol(self.ticks)
        self.reader._table = database

    def read(self):
        with time_machine.travel(self.database.now + self.skew, tick=False):
            return self.reader.read(self.ticks.now, set())

    def has(self, subject):
        return subject in self.reader.denylist._sessions


class World(RuleBasedStateMachine):
    """
    Everything that happens.

    `owed` are the events that a reader must know when it says that its list is complete; `owed_later` those that it has
    to know after it has read all unexpired events again.
    """

    protocol = Reader
    dates_anew = True

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(memory_reader, "PIECE", 4)
        self.names = count(1)
        self.database = None

    def teardown(self):
        self.patch.undo()

    def begin(self, sequences):
        self.database = Database(sequences)
        self.machines = [Machine(self.database, self.protocol) for _ in range(2)]
        self.open = [None] * 3
        self.owed, self.owed_later, self.backup = {}, {}, {}
        self.behind = 0  # seconds by which the clock of the database is behind its furthest setting
        self.hidden = set()  # what was committed while it was further behind than readers look back

    @precondition(lambda self: self.database is None)
    @rule(sequences=st.sampled_from(sorted(SEQUENCES)))
    def choose(self, sequences):
        self.begin(sequences)

    # Writers

    @precondition(lambda self: self.database)
    @rule(connection=st.integers(0, 2), rows=st.sampled_from([1, 1, 1, 2, 9]))
    def write(self, connection, rows):
        if self.open[connection] is None:
            self.open[connection] = Transaction(self.database, connection)
        for _ in range(rows):
            self.open[connection].write(f"s{next(self.names)}")

    @precondition(lambda self: self.database)
    @rule(connection=st.integers(0, 2), ending=st.sampled_from(["commit"] * 6 + ["savepoint", "rollback", "kill"]))
    def end(self, connection, ending):
        ended, self.open[connection] = self.open[connection], None
        if ended is None or ending == "rollback":
            return
        rows = ended.rows[: len(ended.rows) // 2] if ending == "savepoint" else ended.rows
        late = [row for row in rows if not timedelta(0) <= self.database.now - row.recorded_at <= LONGEST_OPEN]
        self.database.rows.update({row.id: row for row in rows})
        for row in rows:
            is_lost = ending == "kill" and row in late
            (self.owed_later if is_lost else self.owed)[row.subject] = row
            if self.behind > (REACH - LONGEST_OPEN).total_seconds():
                self.hidden.add(row.subject)
        if ending != "kill" and late and self.dates_anew:
            # The revocation is answered only after this, but others may read in between.
            self.date_anew([row.id for row in rows])

    def date_anew(self, numbers):
        there = self.database.rows
        now = self.database.now
        there.update({number: there[number]._replace(recorded_at=now) for number in numbers if number in there})

    # Time

    @precondition(lambda self: self.database)
    @rule(seconds=st.sampled_from([0.01, 0.3, 0.3, 1, 1, 5, 15, 19, 25, 45, 61, 70, 700]))
    def let_time_pass(self, seconds):
        self.database.now += timedelta(seconds=seconds)
        for machine in self.machines:
            machine.ticks.forward(seconds)

    def set_the_clock_of_the_database(self, seconds):
        # Transactions that are open now would be dated wrongly by an unknown time.
        self.open = [None] * 3
        self.database.now += timedelta(seconds=seconds)
        self.behind = max(self.behind - seconds, 0)
        if seconds > 0:
            # Nobody may have asked in between, and so noticed it.
            self.owed_later.update({name: self.owed.pop(name) for name in self.hidden & self.owed.keys()})
            self.hidden = set()

    def set_the_clock_of_a_machine(self, seconds):
        self.machines[0].skew = timedelta(seconds=seconds)

    def suspend(self, seconds):
        """One machine stands still. Its processes count that by the wall clock, but for half a second."""
        self.database.now += timedelta(seconds=seconds)
        for machine, uncounted in zip(self.machines, (0.5, 0), strict=True):
            machine.ticks.forward(seconds - uncounted)

    # Tables

    @precondition(lambda self: self.database)
    @rule(what=st.sampled_from(sorted(MISHAPS)))
    def happen(self, what):
        method, argument = MISHAPS[what]
        getattr(self, method)(*argument)

    def clean(self):
        limit = self.database.now - timedelta(hours=1)
        kept = {number: row for number, row in self.database.rows.items() if row.recorded_at > limit}
        self.database.rows = kept

    def replace_the_table(self, what):
        if what == "back up":
            self.backup = dict(self.database.rows)
            return
        self.open = [None] * 3
        self.database.rows = dict(self.backup) if what == "restore" else {}
        there = {row.subject for row in self.database.rows.values()}
        self.owed_later.update({subject: row for subject, row in self.owed.items() if subject in there})
        self.owed = {}

    # Readers

    @precondition(lambda self: self.database)
    @rule(which=st.integers(0, 1), meanwhile=st.lists(st.sampled_from(["write", "end", "end 2"]), max_size=3))
    def read(self, which, meanwhile):
        machine = self.machines[which]
        due = self.unexpired(self.owed, machine)
        actions = {"write": lambda: self.write(0, 1), "end": lambda: self.end(0, "commit")}
        actions["end 2"] = lambda: self.end(2, "commit")
        self.database.meanwhile = [actions[each] for each in meanwhile]
        is_complete = machine.read()
        self.database.meanwhile = []
        assert is_complete  # its clock stands still meanwhile, so that it has time for everything
        missed = [subject for subject in due if not machine.has(subject)]
        assert not missed

    @precondition(lambda self: self.database)
    @rule(which=st.integers(0, 1))
    def read_all_again(self, which):
        """As time goes on, all unexpired events are read."""
        reader, now = self.machines[which].reader, self.machines[which].ticks.now
        for _ in range(1000):
            self.let_time_pass(READ_ALL_EVERY + 1)
            self.read(which, [])
            if reader._began_at > now and not reader.is_reading_all:
                break
        due = self.unexpired(self.owed_later, self.machines[which])
        assert [subject for subject in due if not self.machines[which].has(subject)] == []

    def unexpired(self, rows, machine):
        """Return the events that matter to the machine, and are in the table."""
        now = self.database.now + machine.skew
        there = {row.subject for row in self.database.rows.values()}
        return [subject for subject, row in rows.items() if row.expires_at > now and subject in there]


def run(world, settings=PROFILE):
    run_state_machine_as_test(world, settings=settings)


def test_no_event_is_missed():
    run(World)


class ByNumber(Reader):
    """A former protocol: it asks for numbers above the newest."""

    newest = 0

    def _read_new(self, own, until):
        rows = [row for row in self._table.query() if row.id > self.newest]
        self.newest = max((row.id for row in rows), default=self.newest)
        self.take(rows)
        return True


@pytest.mark.parametrize("fault", [{"protocol": ByNumber}, {"dates_anew": False}], ids=["by number", "not dated anew"])
def test_the_model_notices_a_protocol_that_misses_events(fault):
    """It ends with the first example that fails, which is one of the first two hundred nearly always."""
    with pytest.raises(AssertionError):
        run(type("Faulty", (World,), fault), hypothesis_settings(PROFILE, max_examples=5000))
