"""
Rotation under stalls, in a model: honest clients stay signed in, and a copied token ends the session.

The stated bounds: a client repeats a refresh, or another tab sends the same token, so that the request reaches the app
within the grace period after the token's first use; and no answer takes longer than that from there to the client.
Within these bounds everything may wait for anything, answers may be lost, and each machine has a clock of its own.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from math import inf

import pytest
from hypothesis import assume, given, settings, strategies as st

from jwt_auth.sessions import refresh_tokens
from jwt_auth.sessions.refresh_tokens import Case, judge
from tests.support.rotations import Protocol, Waits, World
from tests.support.selection import THOROUGH

GRACE = 60
HOURS = 6 * 3600


def judged(presented, seen):
    """The rule of the app: all times are the database's, without the wait since the request arrived."""
    waited = timedelta(seconds=seen.machine - seen.arrived)
    age = None if seen.rotated_at is None else timedelta(seconds=seen.database - seen.rotated_at) - waited
    return judge(presented, seen.counter, age, timedelta(seconds=GRACE))


OURS = Protocol(judge=judged, write=lambda machine, database: database)


def by_the_machines(presented, seen, grace):
    """An earlier rule: each machine's own clock, and the newest token rotates again right after the grace period."""
    rotated_at = seen.rotated_at
    if rotated_at is not None and rotated_at > seen.machine + 10:  # LEEWAY
        rotated_at = None
    in_grace = rotated_at is not None and seen.arrived - rotated_at < grace
    if presented > seen.counter:
        return Case.AHEAD
    if presented == seen.counter:
        return Case.COALESCED if in_grace else Case.FRESH
    return Case.GRACE if presented == seen.counter - 1 and in_grace else Case.REUSED


def earlier(grace):
    return Protocol(judge=partial(by_the_machines, grace=grace), write=lambda machine, database: machine)


class Client:
    """
    Tabs with one storage. A tab repeats its request after a timeout, and listens to its newest request only. It stores
    the token of the answer, unless it is the token that the tab has sent.
    """

    def __init__(self, protocol, stores_all=False):
        self.world, self.held, self.stores_all, self.heard = World(protocol, GRACE), 0, stores_all, set()

    def tab(self, rounds):
        """Yield the waits of one tab: in each round, after a pause, it refreshes with the token that is stored then."""
        for pause, attempts in rounds:
            yield pause
            token, got = self.held, {}
            for number, waits in enumerate(attempts):
                is_last = number + 1 == len(attempts)
                request = self.world.request(token, replace(waits, lost=waits.lost and not is_last), got, number)
                self.world.begin(self.world.now, request)
                timeout = inf if is_last else TIMEOUT
                while number not in got and timeout > 0:
                    yield 0.5
                    timeout -= 0.5
                if number in got:
                    break
            if got[number] is None:
                return
            assert got[number] in (token, token + 1)
            self.heard.add(got[number])
            if got[number] != token or self.stores_all:
                self.held = got[number]

    @property
    def has_heard_all(self):
        """True if each token was in an answer that a tab has listened to."""
        return all(token + 1 in self.heard for token in self.world.first_used)

    def is_signed_out(self, tabs):
        """Return whether the session ends, or will because a token is stored that is not the newest."""
        for rounds in tabs:
            self.world.begin(0, self.tab(rounds))
        self.world.run()
        return self.world.ended_by is not None or self.held != self.world.row.counter


TIMEOUT = 12  # seconds, after which a tab repeats its request

stalls = st.builds(
    Waits,
    queue=st.integers(0, 20),
    before_read=st.integers(0, 8),
    read=st.integers(0, 8),
    before_write=st.integers(0, 8),
    answer=st.integers(0, 20),
    skew=st.sampled_from([0, 3, -3, 20, -20, HOURS, -HOURS]),
    lost=st.booleans(),
)


def in_order(attempts):
    """Keep the requests of one tab in the order in which they are sent: a queue is one."""
    for number, (one, other) in enumerate(pairwise(attempts), 1):
        attempts[number] = replace(other, queue=max(other.queue, one.queue - TIMEOUT))
    return attempts


pauses = st.integers(0, 130) | st.integers(100, 10**5)
rounds_of_a_tab = st.lists(
    st.tuples(pauses, st.lists(stalls, min_size=1, max_size=2).map(in_order)), min_size=1, max_size=3
)
several_tabs = st.lists(rounds_of_a_tab, min_size=1, max_size=3)


@settings(max_examples=1000 if THOROUGH else 100)
@given(several_tabs)
def test_an_honest_client_is_never_signed_out(tabs):
    client = Client(OURS)
    is_signed_out = client.is_signed_out(tabs)
    assume(client.world.in_bounds and client.has_heard_all)
    assert not is_signed_out, client.world.ended_by


def test_the_case_that_is_left():
    """
    Just before the newest token may rotate again, a tab repeats a request; the second one overtakes the first one, and
    still returns the token. Then the first one rotates it, to which nobody listens.
    """
    client = Client(OURS)
    slow, fast = Waits(queue=14), Waits()
    assert client.is_signed_out([[(0, NOW), (106, [slow, fast])]])
    assert client.world.in_bounds
    assert not client.has_heard_all


NOW = [Waits()]
FROZEN = [(0, [Waits(before_write=13, lost=True), Waits(before_read=1)])]

# Each is within the bounds: for each tab, its pauses and the waits of its requests.
FAULTS = {
    "the database is frozen as the row is written": [FROZEN],
    "a queue in front of the app": [[(0, NOW)], [(0, [Waits(queue=13)])]],
    "a longer queue": [[(0, NOW)], [(0, [Waits(queue=59)])]],
    "a clock that is ahead": [[(0, [Waits(skew=20, answer=2)])], [(1, NOW)]],
    "a clock that is behind": [[(0, [Waits(answer=2)])], [(1, [Waits(skew=20)])]],
    "a clock that is hours ahead": [[(0, [Waits(skew=HOURS, answer=2)])], [(1, NOW)]],
    "a clock that is hours behind": [[(0, [Waits(answer=2)])], [(1, [Waits(skew=HOURS)])]],
    "an answer that the next rotation overtakes": [[(0, NOW), (61, NOW)], [(0, [Waits(queue=50, answer=20)])]],
}


@pytest.mark.parametrize("tabs", FAULTS.values(), ids=FAULTS)
def test_the_earlier_rule_signs_out_honest_clients(tabs):
    assert Client(earlier(grace=10)).is_signed_out(tabs)
    client = Client(OURS)
    assert not client.is_signed_out(tabs)
    assert client.world.in_bounds


def test_the_newest_token_may_not_rotate_again_right_after_the_grace_period(monkeypatch):
    """Else an answer that was decided within it can come after that of another tab, which has rotated again."""
    tabs = FAULTS["an answer that the next rotation overtakes"]
    monkeypatch.setattr(refresh_tokens, "QUIET", 1)
    assert Client(OURS).is_signed_out(tabs)


def test_a_client_may_not_store_the_token_that_it_has_sent():
    """When the newest token may rotate again, two tabs get two answers, and the older one may come last."""
    tabs = [[(0, NOW), (119, [Waits(answer=5)]), (300, NOW)], [(121, NOW)]]
    assert Client(OURS, stores_all=True).is_signed_out(tabs)
    assert not Client(OURS).is_signed_out(tabs)


@given(
    st.lists(st.tuples(st.integers(130, 10**4), stalls), min_size=2, max_size=4),
    st.integers(1, 3),
    st.integers(0, 10**4),
    stalls,
)
def test_a_copied_token_that_is_used_after_the_grace_period_ends_the_session(rounds, behind, late, waits):
    """Whatever the clocks of the machines say. The time for which the answer of the read takes is not counted."""
    client = Client(OURS)
    stolen, begin = max(len(rounds) - behind, 0), sum(pause for pause, _ in rounds) + 100 * len(rounds)
    assert not client.is_signed_out([[(pause, [replace(each, lost=False)]) for pause, each in rounds]])
    assert client.world.row.counter == len(rounds)
    client.world.begin(begin + late, client.world.request(stolen, replace(waits, lost=False), {}, 0))
    client.world.run()
    arrived = begin + late + waits.queue
    is_late = arrived - client.world.first_used[stolen] >= GRACE + waits.read
    if is_late or stolen < len(rounds) - 1:
        assert client.world.ended_by is Case.REUSED
