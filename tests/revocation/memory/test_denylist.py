"""The verdicts of a list in memory, from its entries alone."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from django.db import connection

from jwt_auth.claims import Claims
from jwt_auth.revocation.memory.denylist import Denylist, Entry
from jwt_auth.revocation.verdict import latest

NOW = datetime(2026, 5, 17, tzinfo=timezone.utc)
LIFE = timedelta(minutes=7)
CLAIMS = Claims(iss="me", aud=("me",), sub="7", iat=0, exp=1, jti="t", sid="s", client_id="c", auth_time=NOW, kid="k")


TICK = timedelta(microseconds=1)
EMPTY = Denylist().state_of(CLAIMS)
# The entry that refuses CLAIMS in each scope: the subject, and the cutoff if it has one.
REFUSALS = {
    "token": ("me t", None),
    "session": ("s", None),
    "key": ("me k", None),
    "user": ("7", NOW),
    "client": ("c", NOW),
}


def listed(scope, subject, cutoff=None):
    denylist = Denylist()
    denylist.add([Entry(1, scope, subject, cutoff, NOW, NOW)], LIFE)
    return denylist.state_of(CLAIMS)


@pytest.mark.parametrize(("subject", "hit"), [("me t", True), ("other t", False), ("me u", False)])
def test_a_token_is_denied_by_its_issuer_and_name(subject, hit):
    assert listed("token", subject).token_denied == hit


@pytest.mark.parametrize(("subject", "hit"), [("me k", True), ("other k", False), ("me l", False)])
def test_a_key_is_revoked_by_its_issuer_and_name(subject, hit):
    assert listed("key", subject).key_revoked == hit


@pytest.mark.parametrize(("scope", "subject"), [("user", "7"), ("client", "c"), ("all", "")])
def test_a_cutoff_is_one_of_several_levels(scope, subject):
    assert latest(listed(scope, subject, NOW).cutoffs) == NOW


@pytest.mark.parametrize(("scope", "cutoff"), [("key", NOW), ("user", None), ("all", None), ("other", NOW)])
@pytest.mark.parametrize("subject", ["7", "c"])
def test_what_it_does_not_know_changes_nothing(scope, cutoff, subject):
    assert listed(scope, subject, cutoff) == EMPTY


@pytest.mark.parametrize(("scope", "subject"), [("user", "7"), ("client", "c"), ("all", "")])
@pytest.mark.parametrize("order", [1, -1], ids=["older first", "newer first"])
def test_the_newest_cutoff_counts_in_whichever_order_they_come(scope, subject, order):
    denylist = Denylist()
    for cutoff in (NOW - LIFE, NOW)[::order]:
        denylist.add([Entry(1, scope, subject, cutoff, NOW, NOW)], LIFE)
    assert latest(denylist.state_of(CLAIMS).cutoffs) == NOW
    assert denylist.global_cutoff == (NOW if scope == "all" else None)


def test_an_older_cutoff_changes_nothing_and_entries_are_kept_as_long_as_the_longer_of_two_says():
    denylist = Denylist()
    for cutoff in (NOW, NOW - LIFE):
        denylist.add([Entry(1, "user", "7", cutoff, NOW, NOW + 2 * LIFE)], LIFE)
    assert latest(denylist.state_of(CLAIMS).cutoffs) == NOW
    denylist.forget(NOW + LIFE, 100)
    assert len(denylist) == 1


@pytest.mark.parametrize("scope", REFUSALS)
@pytest.mark.parametrize(
    ("expires_at", "kept"), [(None, LIFE), (NOW, LIFE), (NOW + LIFE, LIFE), (NOW + 2 * LIFE, 2 * LIFE)]
)
def test_each_entry_is_forgotten_when_no_living_token_could_fall_to_it(scope, expires_at, kept):
    denylist = Denylist()
    denylist.add([Entry(1, scope, *REFUSALS[scope], NOW, expires_at)], LIFE)
    denylist.forget(NOW + kept - TICK, 100)
    assert (len(denylist), denylist.state_of(CLAIMS) == EMPTY) == (1, False)
    denylist.forget(NOW + kept, 100)
    assert (len(denylist), denylist.state_of(CLAIMS) == EMPTY) == (0, True)


def test_all_that_is_listed_is_counted():
    denylist = Denylist()
    denylist.add([Entry(1, scope, *REFUSALS[scope], NOW, NOW) for scope in REFUSALS], LIFE)
    assert len(denylist) == 5


@pytest.mark.parametrize(("scope", "claim"), [("token", "jti"), ("key", "kid"), ("client", "client_id")])
def test_a_token_that_names_none_is_not_one_that_is_called_none(scope, claim):
    denylist = Denylist()
    subject = "None" if scope == "client" else "me None"
    denylist.add([Entry(1, scope, subject, NOW, NOW, NOW)], LIFE)
    assert denylist.state_of(replace(CLAIMS, **{claim: None})) == EMPTY
    assert denylist.state_of(replace(CLAIMS, **{claim: "None"})) != EMPTY


@pytest.mark.parametrize(("scope", "subject"), [("client", "c"), ("key", "c k"), ("user", "7")])
def test_each_event_that_names_a_client_its_key_or_its_user_leaves_a_mark_of_its_own(scope, subject):
    denylist = Denylist()
    seen = [denylist.marks_of("c", "k", "7")]
    for number in (1, 2):
        entry = Entry(number, scope, subject, NOW + number * TICK, NOW, NOW)
        denylist.add(
            [entry, Entry(9, scope, f"{subject}x", NOW, NOW, NOW), Entry(8, "token", subject, NOW, NOW, NOW)], LIFE
        )
        seen.append(denylist.marks_of("c", "k", "7"))
        denylist.add([entry], LIFE)
        assert denylist.marks_of("c", "k", "7") == seen[-1]
    assert len(set(seen)) == 3
    denylist.forget(NOW + LIFE - TICK, 100)
    assert denylist.marks_of("c", "k", "7") == seen[2]
    denylist.forget(NOW + LIFE, 100)
    assert denylist.marks_of("c", "k", "7") == seen[0]


@pytest.mark.parametrize("scope", REFUSALS)
def test_of_two_lists_either_refuses(scope):
    one = listed(scope, *REFUSALS[scope])
    for together in (one.joined(EMPTY), EMPTY.joined(one)):
        assert (together.token_denied, together.session_revoked, together.key_revoked) == (
            scope == "token",
            scope == "session",
            scope == "key",
        )
        assert latest(together.cutoffs) == REFUSALS[scope][1]


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_has_failed_is_looked_at_before_it_is_asked_again(in_memory, monkeypatch):
    """Outside of requests nothing else checks the connection."""
    view = in_memory()
    looked = []
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: looked.append(1))
    monkeypatch.setattr(connection, "errors_occurred", True)
    view.state_of(CLAIMS)
    assert looked == [1]


def test_of_very_many_events_about_one_client_the_newest_leave_a_mark():
    denylist = Denylist()
    entries = [Entry(number, "client", "c", None, NOW, NOW) for number in range(1000)]
    seen = set()
    for entry in entries:
        denylist.add([entry], LIFE)
        seen.add(denylist.marks_of("c", "k", "7"))
    assert len(seen) == 1000
    assert len(denylist._changes["c"][0]) <= 100
    assert denylist.add(entries[-3:], LIFE) == []
    assert denylist.add([entries[-1]._replace(expires_at=NOW + 2 * LIFE)], LIFE) == []  # nothing is refused by it
    denylist.forget(NOW + LIFE, 100)
    assert "c" in denylist._changes


def test_entries_are_looked_at_some_at_a_time():
    denylist = Denylist()
    denylist.add([Entry(number, "session", f"s{number}", None, NOW, NOW) for number in range(5)], LIFE)
    sizes = []
    for _ in range(4):
        denylist.forget(NOW + LIFE, 2)
        sizes.append(len(denylist))
    assert sizes == [3, 1, 0, 0]
