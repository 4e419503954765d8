"""The revocations of an issuer that are remembered: for how long, and how many of them."""

from datetime import timedelta

import pytest

from jwt_auth.claims import Claims
from jwt_auth.issuers.remote import refusals
from jwt_auth.issuers.remote.refusals import FeedError, Refusals
from jwt_auth.revocation.memory.denylist import Entry
from jwt_auth.revocation.verdict import WELCOME, latest
from tests.support.clocks import NOW

KEEP, MARGIN = timedelta(seconds=300), timedelta(seconds=60)
NAME = "https://one.example.com"


def entry(scope, subject="", *, seconds=100_000, cutoff=None):
    return Entry(None, scope, subject, cutoff, NOW, NOW + timedelta(seconds=seconds))


def token(**names):
    values = {"iss": NAME, "aud": (), "sub": "alice", "iat": 0, "exp": 0, **names}
    return Claims(**values)


def cutoff_of(known, **names):
    return latest(known.state_of(token(**names)).cutoffs)


@pytest.fixture
def known():
    return Refusals(KEEP, MARGIN, max_entries=3)


ENTRIES = {
    "session": (entry("session", "s"), {"sid": "s"}),
    "token": (entry("token", f"{NAME} t"), {"jti": "t"}),
    "user": (entry("user", "bob", cutoff=NOW), {"sub": "bob"}),
    "client": (entry("client", "c", cutoff=NOW), {"client_id": "c"}),
    "key": (entry("key", f"{NAME} k"), {"kid": "k"}),
    "all": (entry("all", cutoff=NOW), {}),
}


@pytest.mark.parametrize(("one", "names"), ENTRIES.values(), ids=ENTRIES)
def test_no_entry_stays_longer_than_a_token_can_live(known, one, names):
    """The issuer says that it stays for a day; in the year 9999 it would be the same."""
    neutral = known.state_of(token(**names))
    known.add([one], NOW, NOW)
    assert known.state_of(token(**names)) != neutral
    known.add([], NOW, NOW + KEEP + MARGIN - timedelta(seconds=1))
    assert known.state_of(token(**names)) != neutral
    known.add([], NOW, NOW + KEEP + MARGIN + timedelta(seconds=30))
    assert known.state_of(token(**names)) == neutral


def test_an_entry_goes_when_the_issuer_says_so(known):
    known.add([entry("session", "s", seconds=100), entry("session", "other")], NOW, NOW)
    known.add([], NOW, NOW + timedelta(seconds=200))
    assert not known.state_of(token(sid="s")).session_revoked
    assert known.state_of(token(sid="other")).session_revoked


def test_what_each_piece_names_again_stays(known):
    everybody, key = entry("all", cutoff=NOW), entry("key", f"{NAME} k")
    for minute in range(60):
        now = NOW + timedelta(minutes=minute)
        known.add([each._replace(expires_at=now + KEEP) for each in (everybody, key)], now, now)
    assert cutoff_of(known) == NOW
    assert known.state_of(token(kid="k")).key_revoked
    # The issuer's database was restored, and names neither: they are dropped without a restart.
    known.add([], now, now + KEEP + MARGIN + timedelta(seconds=30))
    assert known.state_of(token(kid="k")) is known.state_of(token())
    assert cutoff_of(known) is None


def test_too_many_entries_become_one_cutoff_with_an_end(known):
    known.add([entry("key", f"{NAME} k"), entry("session", "s"), entry("user", "bob", cutoff=NOW)], NOW, NOW)
    assert (cutoff_of(known), len(known)) == (None, 3)  # the control: as many as there may be
    issued_at = NOW + timedelta(seconds=5)
    known.add([entry("session", "s2")], issued_at, NOW + timedelta(seconds=6))
    assert len(known) == 1
    assert known.state_of(token(kid="k")).key_revoked
    assert cutoff_of(known) == issued_at + MARGIN
    # More entries are remembered as before, and the one cutoff expires when the last of the others would have.
    known.add([entry("session", "s3")], issued_at, NOW + timedelta(seconds=200))
    assert known.state_of(token(sid="s3")).session_revoked
    last = NOW + timedelta(seconds=6) + KEEP
    known.add([], issued_at, last + MARGIN - timedelta(microseconds=1))
    assert cutoff_of(known) == issued_at + MARGIN
    known.add([], issued_at, last + MARGIN)
    assert cutoff_of(known) is None
    assert known.state_of(token(sid="s3")).session_revoked


def test_the_one_cutoff_lasts_as_long_as_any_entry_that_it_has_replaced(known):
    known.add([entry("session", str(i), seconds=i + 50) for i in range(4)], NOW, NOW)
    known.add([entry("session", f"more {i}", seconds=40) for i in range(4)], NOW, NOW + timedelta(seconds=10))
    known.add([], NOW, NOW + timedelta(seconds=53) + MARGIN - timedelta(microseconds=1))
    assert cutoff_of(known) is not None
    known.add([], NOW, NOW + timedelta(seconds=53) + MARGIN)
    assert cutoff_of(known) is None


def test_the_one_cutoff_does_not_outlive_what_it_stands_for_however_long_tokens_live():
    known = Refusals(timedelta(days=1), MARGIN, max_entries=3)
    known.add([entry("session", str(i), seconds=300) for i in range(4)], NOW, NOW)
    assert cutoff_of(known) is not None
    known.add([], NOW, NOW + timedelta(hours=1))
    assert cutoff_of(known) is None


def test_the_later_of_two_cutoffs_for_everybody_counts_and_goes_alone(known):
    known.add([entry("session", str(i)) for i in range(4)], NOW, NOW)
    known.add([entry("all", cutoff=NOW - timedelta(days=1))], NOW, NOW + timedelta(seconds=10))
    assert cutoff_of(known) == NOW + MARGIN
    known.add([entry("all", cutoff=NOW - timedelta(days=1))], NOW, NOW + KEEP + MARGIN)
    assert cutoff_of(known) == NOW - timedelta(days=1)


def test_an_issuer_can_revoke_only_so_many_keys(known, monkeypatch):
    monkeypatch.setattr(refusals, "MAX_KEYS", 2)
    known.add([entry("key", f"{NAME} {i}") for i in range(2)], NOW, NOW)
    known.add([entry("key", f"{NAME} 1")], NOW, NOW)
    with pytest.raises(FeedError):
        known.add([entry("key", f"{NAME} 3"), entry("session", "s")], NOW, NOW)
    assert not known.state_of(token(sid="s")).session_revoked
    assert len(known.revoked_keys) == 2


def test_nothing_known_refuses_nothing(known):
    assert known.state_of(token()).cutoffs == WELCOME.cutoffs
    known.add([entry("all")], NOW, NOW)  # without a cutoff it says nothing
    assert cutoff_of(known) is None


def test_a_clock_that_moves_back_does_not_stop_the_dropping(known):
    known.add([], NOW, NOW + timedelta(days=1))
    known.add([entry("session", "s", seconds=1)], NOW, NOW)
    known.add([], NOW, NOW + timedelta(seconds=100))
    assert not known.state_of(token(sid="s")).session_revoked
