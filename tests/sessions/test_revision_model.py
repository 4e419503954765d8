"""
The table of sessions/revisions.py in a model: refreshes, updates and ends of a session, in every order of their steps.

A request reads the row and then writes it, on the condition of the table. What its token says must be true at the
moment of its write; if it has nothing to write, at that of its read.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from jwt_auth.sessions.revisions import READS
from tests.support.selection import THOROUGH


@dataclass(frozen=True)
class Row:
    counter: int = 0
    revision: int = 0
    data: str = "first"
    is_live: bool = True


class World:
    def __init__(self):
        self.rows = [Row()]  # the row after each write

    @property
    def row(self):
        return self.rows[-1]

    def write(self, **changes):
        self.rows.append(replace(self.row, **changes))

    def refresh(self, is_conditional=True):
        """Yield between the steps of a refresh; return the data in its token, and the number of the row that counts."""
        for _ in range(READS):
            seen, at = self.row, len(self.rows) - 1
            yield
            if not seen.is_live:
                return None
            if seen.counter:  # another request has rotated: tolerated, and nothing is written
                return seen.data, at
            if (self.row.counter, self.row.is_live) == (seen.counter, True) and (
                self.row.revision == seen.revision or not is_conditional
            ):
                self.write(counter=seen.counter + 1)
                return seen.data, len(self.rows) - 1
        return "unavailable"

    def update(self, data):
        for _ in range(READS):
            seen = self.row
            yield
            if not seen.is_live:
                return None
            if (self.row.revision, self.row.is_live) == (seen.revision, True):
                self.write(data=data, revision=seen.revision + 1)
                return data, len(self.rows) - 1
        return "unavailable"

    def end(self):
        yield
        self.write(is_live=False)


def run(world, requests, order):
    """Let the requests take their steps in `order`, and then the rest; return their results."""
    waiting, results = dict(enumerate(requests)), {}
    for number in [*order, *[number for number in waiting for _ in range(2 * READS)]]:
        if number in waiting:
            try:
                next(waiting[number])
            except StopIteration as done:
                results[number] = done.value
                del waiting[number]
    return results


def are_true(world, results):
    """Return whether each token has the data of the row at the moment that counts for it."""
    tokens = [result for result in results.values() if isinstance(result, tuple)]
    return all(world.rows[at].data == data for data, at in tokens)


ACTIONS = {
    "refresh": lambda world, number: world.refresh(),
    "update": lambda world, number: world.update(f"data {number}"),
    "end": lambda world, number: world.end(),
}


@settings(max_examples=2000 if THOROUGH else 300)
@given(st.lists(st.sampled_from(sorted(ACTIONS)), min_size=2, max_size=5), st.lists(st.integers(0, 4), max_size=20))
def test_a_token_has_the_data_of_the_moment_that_counts(names, order):
    world = World()
    results = run(world, [ACTIONS[name](world, number) for number, name in enumerate(names)], order)
    assert are_true(world, results)
    assert "unavailable" not in results.values()
    updates = [row.data for one, row in pairwise(world.rows) if row.data != one.data]
    assert world.row.data == (updates[-1] if updates else "first")
    assert world.row.counter <= 1
    # Nothing is written after the end.
    assert all(row.data == world.row.data for row in world.rows if not row.is_live)


@pytest.mark.parametrize("is_conditional", [True, False])
def test_without_the_condition_a_rotation_gives_out_former_data(is_conditional):
    world = World()
    refresh_reads_update_writes_refresh_writes = [0, 1, 1, 0]
    requests = [world.refresh(is_conditional), world.update("new")]
    results = run(world, requests, refresh_reads_update_writes_refresh_writes)
    assert are_true(world, results) is is_conditional


def test_a_row_that_changes_all_the_time_is_given_up():
    def changes(world):
        for revision in range(1, READS + 1):
            world.write(revision=revision)
            yield

    world = World()
    assert run(world, [world.refresh(), changes(world)], [0, 1] * READS)[0] == "unavailable"
    assert world.row.counter == 0
