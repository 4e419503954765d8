"""
The rules for a refresh token that is used again, in a model: an owner and a thief act in random orders.

The session is a few numbers. The rules are those of the app, and tests/sessions/test_sharing.py runs them over HTTP.
"""

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from jwt_auth.http.peer import Peer
from jwt_auth.sessions.refresh_tokens import MISUSES, TOLERATED, Case, judge
from jwt_auth.sessions.sharing import FORGIVEN, rotations_in_a_row
from tests.support.clocks import NOW

GRACE = timedelta(seconds=10)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("192.0.2.7", "x"), ("192.0.2.7", "x"), True),
        (("192.0.2.7", "x"), ("192.0.2.200", "x"), True),  # a pool of proxies
        (("192.0.2.7", "x"), ("192.0.3.7", "x"), False),
        (("2001:db8::1", "x"), ("2001:db8::2", "x"), True),  # privacy addresses
        (("2001:db8::1", "x"), ("2001:db8:0:1::1", "x"), False),
        (("192.0.2.7", "x"), ("2001:db8::1", "x"), False),
        (("192.0.2.7", "x"), ("192.0.2.7", "y"), False),
        (("192.0.2.7", "x"), ("192.0.2.7", ""), False),
        (("192.0.2.7", "x"), (None, "x"), True),  # the address is unknown
        (("192.0.2.7", "x"), (None, "y"), False),
        (("192.0.2.7", "x"), (None, ""), False),  # nothing is known, which may be a choice
        ((None, "x"), (None, ""), False),
        ((None, ""), (None, ""), True),
    ],
)
def test_which_peers_may_be_one(one, other, same):
    one, other = (Peer(ip_address=address, user_agent=agent) for address, agent in (one, other))
    assert one.may_be(other) is other.may_be(one) is same


@pytest.mark.parametrize(
    ("counter", "shared_counter", "shared_rotations", "expected"),
    [(1, None, 0, 1), (5, 5, 2, 2), (5, 4, 2, 3), (5, 3, 2, 1)],
)
def test_only_rotations_in_a_row_count(counter, shared_counter, shared_rotations, expected):
    assert rotations_in_a_row(counter, shared_counter, shared_rotations) == expected


class Model:
    """One session, judged by the rules of the app; `judged` may be another rule for comparison."""

    def __init__(self, judged=judge):
        self.judge = judged
        self.newest, self.rotated_at, self.by, self.key = 0, None, Peer(), None
        self.shared_counter, self.shared_rotations = None, 0
        self.is_live, self.announced = True, 0

    def present(self, number, peer, now, key=None):
        """Return the number of the token that the answer has; None for a refusal."""
        if not self.is_live:
            return None
        has_key = key is not None and key == self.key
        age, is_same = None if self.rotated_at is None else now - self.rotated_at, peer.may_be(self.by)
        case = self.judge(number, self.newest, age, GRACE, has_key=has_key, is_same_peer=is_same)
        if case is Case.FRESH:
            self.newest, self.rotated_at, self.by, self.key = self.newest + 1, now, peer, key
        elif case in TOLERATED and not peer.may_be(self.by):
            case = self._share(case)
        self.is_live = case not in MISUSES
        return self.newest if self.is_live else None

    def _share(self, case):
        rotations = rotations_in_a_row(self.newest, self.shared_counter, self.shared_rotations)
        self.announced += self.shared_counter != self.newest
        self.shared_counter, self.shared_rotations = self.newest, rotations
        return case if rotations <= FORGIVEN else Case.SHARED


OWNER = Peer(ip_address="192.0.2.7", user_agent="browser")
THIEF = Peer(ip_address="198.51.100.7", user_agent="browser")
PERIOD = timedelta(seconds=300)
seconds = st.integers(0, 12).map(lambda number: timedelta(seconds=number))


@given(
    # For each round: the tabs' delays, whether the answers are lost, and for how long nothing is heard of the owner.
    st.lists(st.tuples(st.lists(seconds, min_size=1, max_size=6), st.booleans(), st.integers(0, 10**6)), max_size=30)
)
def test_an_owner_alone_is_never_signed_out(rounds):
    """On one network: with tabs within the grace period, and lost answers that are asked for again with the key."""
    model, now, held = Model(), NOW, 0
    for number, (delays, lost, pause) in enumerate(rounds):
        key = f"key {number}"
        bursts = [delay for delay in delays if delay < GRACE]
        answers = {model.present(held, OWNER, now + delay, key) for delay in sorted([timedelta(0), *bursts])}
        assert len(answers) == 1
        assert None not in answers
        now += PERIOD + timedelta(seconds=pause)
        if lost:
            answers = {model.present(held, OWNER, now, key)}
            now += PERIOD
        [held] = answers
    assert (model.is_live, model.announced) == (True, 0)


@given(st.lists(st.sampled_from(["nothing", "lost", "moved", "lost and moved"]), max_size=40))
def test_an_owner_who_moves_is_signed_out_only_if_it_goes_on(happenings):
    """Without keys: an answer that is lost while the phone changes networks, in the third rotation in a row."""
    model, now, held, home = Model(), NOW, 0, True
    in_a_row = 0
    for happening in happenings:
        peers = [OWNER, THIEF] if home else [THIEF, OWNER]
        answer = model.present(held, peers[0], now)
        if "lost" in happening:
            answer = model.present(held, peers["moved" in happening], now + timedelta(seconds=5))
        home = home != ("moved" in happening)
        in_a_row = in_a_row + 1 if happening == "lost and moved" else 0
        assert model.is_live == (in_a_row <= FORGIVEN)
        if not model.is_live:
            return
        now, held = now + PERIOD, answer


@given(
    st.lists(
        # For each round of the owner: when the thief comes, relative to that, and with which of the known tokens.
        st.lists(st.tuples(st.integers(-15, 15) | st.integers(-290, 290), st.integers(0, 2)), max_size=3),
        min_size=12,
        max_size=12,
    ),
    st.integers(0, 3),
)
def test_a_thief_from_elsewhere_is_announced_and_shut_out(rounds, stolen_in):
    """The thief may know every moment, past and future, and copies the agent; the owner refreshes in each round."""
    model, held, loot, now = Model(), 0, [], NOW
    won = {OWNER: 0, THIEF: 0}
    for number, visits in enumerate(rounds):
        now += PERIOD * 2
        loot += [held] if number == stolen_in else []
        winners, announced = set(), model.announced
        for offset, index in sorted([*visits, (0, -1)]):
            peer, token = (OWNER, held) if index == -1 else (THIEF, loot[-1 - index] if index < len(loot) else None)
            answer = None if token is None else model.present(token, peer, now + timedelta(seconds=offset))
            if answer is not None:
                winners.add(peer)
                held = answer if peer is OWNER else held
                loot += [answer] if peer is THIEF else []
        won = {peer: count + (peer in winners) for peer, count in won.items()}
        if winners == {OWNER, THIEF}:
            assert model.announced > announced
        if OWNER not in winners:
            assert not model.is_live
            break
    assert won[THIEF] <= FORGIVEN + 1


def test_if_a_predecessor_is_valid_until_its_successor_is_used_a_thief_can_follow():
    """The rule that was rejected: a thief needs only one refresh in each period. The control comes after it."""

    def until_used(number, newest, *arguments, **options):
        return Case.GRACE if number == newest - 1 else judge(number, newest, *arguments, **options)

    assert followed(Model(until_used), thief=OWNER) == 200
    assert followed(Model(), thief=OWNER) == 0
    assert followed(Model(), thief=THIEF) == 0


def followed(model, thief, rounds=200):
    """Return the number of rounds in which a thief gets tokens halfway between the owner's refreshes."""
    now, held, number = NOW, 0, 0
    for number in range(rounds):
        owned = model.present(held, OWNER, now)
        if owned is None or model.present(held, thief, now + PERIOD / 2) is None:
            return number
        held, now = owned, now + PERIOD
    return number + 1
