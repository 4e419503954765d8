"""The signed feed, as another server reads it: with the published keys and no other knowledge of ours."""

from datetime import datetime, timedelta, timezone
from itertools import count
from math import ceil
from uuid import UUID

import jwt
import pytest

from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings, lifetimes
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import InvalidTokenError
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation import revoke_all, revoke_session, revoke_sessions, revoke_token, revoke_user
from jwt_auth.revocation.feed import pieces
from jwt_auth.revocation.record import Table
from jwt_auth.revocation.window import REACH
from jwt_auth.verification import identify_only, verify
from tests.support.clients import PASSWORD
from tests.support.clocks import NOW
from tests.support.entry_points import assert_refused_everywhere
from tests.support.keys import pem
from tests.support.outages import outage

FEED = "/auth/.well-known/revocations"


@pytest.fixture(autouse=True)
def _public_keys(jwt_settings, ec_key):
    jwt_settings(ISSUER="https://one.example.com", ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))


@pytest.fixture(autouse=True)
def _database_time_stands(monkeypatch):
    """For those who ask it, the clock of the database stands still, as the machine's does. Rows get the real time."""
    facts, moments = Table.facts, []

    def as_at_first(table, since, newest):
        found = facts(table, since, newest)
        moments.append(found.now)
        return found._replace(now=moments[0])

    monkeypatch.setattr(Table, "facts", as_at_first)


def read(client, after=None):
    """Return the claims of a piece, verified with the published keys alone."""
    raw = client.get(FEED, {} if after is None else {"after": after}).content.decode()
    keys = {key["kid"]: jwt.PyJWK(key) for key in client.get("/auth/.well-known/jwks.json").json()["keys"]}
    header = jwt.get_unverified_header(raw)
    assert header == {"alg": "ES256", "kid": header["kid"], "typ": "revocations+jwt"}
    # The test has a clock of its own, which PyJWT does not know.
    options = {"verify_exp": False, "verify_iat": False}
    return jwt.decode(raw, keys[header["kid"]], algorithms=["ES256"], options=options)


def listed(client, after=None):
    """Return the revocations of a piece by scope and subject."""
    return {(event["scope"], event["subject"]): event.get("cutoff") for event in read(client, after)["events"]}


def walk(client, after=None):
    """Return the pieces from `after` to the end, which must come."""
    found = [read(client, after)]
    while found[-1]["more"]:
        found.append(read(client, found[-1]["next"]))
        assert len(found) < 100
    return found


def listed_by(found):
    return {(event["scope"], event["subject"]): event.get("cutoff") for each in found for event in each["events"]}


def record(scope, subject="", *, created=NOW, life=None, **values):
    """Create an event as it would be in the table."""
    expires_at = None if life is None else created + life
    return RevocationEvent.objects.create(
        scope=scope, subject=subject, created_at=created, expires_at=expires_at, **values
    )


def test_a_server_without_revocations_says_so_for_a_minute(client, db, clock):
    answer = client.get(FEED)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/revocations+jwt")
    now = int(NOW.timestamp())
    piece = read(client)
    assert read(client, piece["next"])["after"] == piece.pop("next")
    about = {"iss": "https://one.example.com", "iat": now, "exp": now + 60}
    assert piece == {**about, "after": None, "more": False, "events": []}


def test_each_operation_is_listed_and_nothing_private(client, make_user, staff, clock):
    alice, bob, carol = (make_user(name) for name in ("alice", "bob", "carol"))
    session = client.tokens(alice)["session"]
    claims = identify_only(client.tokens(bob)["access_token"])
    assert listed(client) == {}
    revoke_session(UUID(session), reason="a secret reason", actor=staff)
    revoke_token(claims, reason="a secret reason", actor=staff)
    cutoff = revoke_user(carol, reason="a secret reason", actor=staff).tokens_valid_after
    everybody = revoke_all(reason="a secret reason", actor=staff)
    assert listed(client) == {
        ("session", UUID(session).hex): None,
        ("token", f"https://one.example.com {claims.jti}"): None,
        ("user", user_id_of(carol)): cutoff.timestamp(),
        ("all", ""): everybody.timestamp(),
    }
    # To the microsecond: a session that began right after the cutoff is valid.
    assert {datetime.fromtimestamp(value, timezone.utc) for value in listed(client).values() if value} == {
        cutoff,
        everybody,
    }
    names = {name for event in read(client)["events"] for name in event}
    assert names == {"scope", "subject", "exp", "cutoff"}
    assert "secret" not in str(read(client))


def test_a_new_password_and_a_deletion_are_listed(client, make_user, clock):
    alice, bob = make_user("alice"), make_user("bob")
    subjects = {("user", user_id_of(alice)), ("user", user_id_of(bob))}
    assert not subjects & set(listed(client))
    alice.set_password(f"{PASSWORD} 2")
    alice.save()
    bob.delete()
    assert subjects <= set(listed(client))


def test_it_is_public_and_looks_at_no_credential(client, db, clock, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert client.get(FEED, HTTP_AUTHORIZATION="Bearer stale").status_code == 200
    assert client.get("/admin/").status_code == 302


def test_it_can_only_be_read(client, db, clock):
    assert client.head(FEED).status_code == 200
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)(FEED).status_code == 405


def test_nobody_else_could_verify_one_that_a_secret_signs(client, db, jwt_settings):
    jwt_settings(ALGORITHM="HS256", SIGNING_KEY=None)
    answer = client.get(FEED)
    assert (answer.status_code, answer.json()["code"], answer["Cache-Control"]) == (404, "not_found", "no-store")


# The lifetime of events


def test_an_event_that_no_unexpired_token_could_match_is_not_listed(client, db, clock):
    life = lifetimes.longest_life()
    record("user", "7", cutoff=NOW, life=life)
    record("session", "s", life=life)
    clock.shift(life.total_seconds() - 21)
    assert set(listed(client)) == {("user", "7"), ("session", "s")}
    clock.shift(42)
    assert listed(client) == {}


def test_events_without_an_end_are_listed_permanently(client, db, clock):
    first = record("all", cutoff=NOW)
    record("all", cutoff=NOW - timedelta(days=2))
    record("key", "https://one.example.com kid1")
    clock.shift(365 * 86400)
    assert listed(client) == {("all", ""): first.cutoff.timestamp(), ("key", "https://one.example.com kid1"): None}
    ends = {event["exp"] for event in read(client)["events"]}
    assert min(ends) > read(client)["exp"] + lifetimes.longest_life().total_seconds() - 60


def test_several_events_of_one_subject_are_listed_once_and_the_latest_cutoff_counts(client, db, clock):
    life = lifetimes.longest_life()
    for seconds in (0, 9, 5):
        record(
            "user", "7", created=NOW - timedelta(seconds=seconds), cutoff=NOW - timedelta(seconds=seconds), life=life
        )
    (event,) = read(client)["events"]
    assert event["cutoff"] == NOW.timestamp()
    assert event["exp"] == int((NOW + life).timestamp()) + 1


def test_an_event_of_other_settings_is_listed_until_our_tokens_expire(client, db, clock):
    record("session", "s", life=timedelta(seconds=1))
    clock.shift(30)
    assert set(listed(client)) == {("session", "s")}


@pytest.mark.parametrize("scope", ["token", "key"])
def test_events_about_tokens_of_others_are_not_listed(client, db, clock, scope):
    life = lifetimes.longest_life()
    record(scope, "https://one.example.com mine", life=life)
    for other in ("https://two.example.com", "https://one.example.com.evil", "client_7"):
        record(scope, f"{other} theirs", life=life)
    assert set(listed(client)) == {(scope, "https://one.example.com mine")}


def test_a_client_that_was_revoked_is_listed(client, db, clock):
    record("client", "client_7", cutoff=NOW, life=lifetimes.longest_life())
    record("client", "client_8", life=lifetimes.longest_life())  # for example other scopes
    assert listed(client) == {("client", "client_7"): NOW.timestamp()}


def test_an_event_is_listed_until_the_tokens_for_other_servers_expire(client, db, clock, jwt_settings):
    jwt_settings(ACCESS_TOKEN_LIFETIME=timedelta(seconds=30), CLIENT_TOKEN_MAX_LIFETIME=timedelta(seconds=30))
    before = lifetimes.longest_life()
    jwt_settings(SERVICE_AUDIENCES={"two": {"LIFETIME": timedelta(seconds=240)}, "three": {}})
    assert lifetimes.longest_life() - before == timedelta(seconds=210)


# Pieces


_others = count()

# Above all numbers that a sequence hands out in a run: PostgreSQL's goes on where the test before stopped, and knows
# nothing of rows that came with a number of their own.
_RESERVED = 10**9


def commit(number, subject):
    """Commit an event under a number that was handed out before."""
    life = lifetimes.longest_life()
    created_at = NOW + timedelta(microseconds=next(_others))  # of two tables, no two events are the same
    values = {"scope": "session", "subject": subject, "created_at": created_at, "expires_at": NOW + life}
    RevocationEvent.objects.create(pk=_RESERVED + number, **values)


def commit_later(subject):
    """Commit an event that is recorded some seconds after all others."""
    event = record("session", subject, life=lifetimes.longest_life())
    RevocationEvent.objects.filter(pk=event.pk).update(recorded_at=event.recorded_at + timedelta(seconds=5))


def test_a_reader_gets_the_events_that_are_new_to_it(client, db, clock):
    commit(10, "a")
    first = read(client)
    assert (first["after"], first["more"], set(listed_by([first]))) == (None, False, {("session", "a")})
    unchanged = read(client, first["next"])
    assert (unchanged["after"], unchanged["next"], unchanged["events"]) == (first["next"], first["next"], [])
    commit(11, "b")
    second = read(client, first["next"])
    assert second["next"] != first["next"] == second["after"]
    # The first one is read again if it was recorded in the same second.
    assert set(listed_by([second])) | {("session", "a")} == {("session", "a"), ("session", "b")}
    assert ("session", "b") in listed_by([second])
    commit_later("c")
    third = read(client, second["next"])
    assert set(listed_by([third])) == {("session", "c")}  # what was recorded in another second is not read again
    # Another reader, at an earlier position, gets more events: no process remembers its readers.
    assert set(listed(client)) == {("session", "a"), ("session", "b"), ("session", "c")}


def test_an_event_that_commits_late_is_in_the_next_piece(client, db, clock):
    commit(10, "a")
    commit(13, "d")
    first = read(client)
    commit(12, "c")
    second = read(client, first["next"])
    assert ("session", "c") in listed_by([second])
    commit(11, "b")
    commit(14, "e")
    third = read(client, second["next"])
    assert {("session", "b"), ("session", "e")} <= set(listed_by([third]))
    assert read(client, third["next"])["events"] == []
    commit(9, "before the oldest")
    assert ("session", "before the oldest") in listed(client, third["next"])


@pytest.mark.parametrize(
    ("ago", "found"), [(REACH - timedelta(seconds=2), True), (REACH + timedelta(minutes=1), False)]
)
def test_what_the_window_does_not_reach_is_in_the_feed_when_readers_begin_anew(client, db, clock, ago, found):
    commit(10, "a")
    cursor = read(client)["next"]
    late = record("session", "late", life=2 * timedelta(hours=1))
    RevocationEvent.objects.filter(pk=late.pk).update(recorded_at=late.recorded_at - ago)
    piece = read(client, cursor)
    assert (piece["after"] == cursor, ("session", "late") in listed_by([piece])) == (True, found)
    clock.shift(3600)  # longer than a reader may pause
    piece = read(client, piece["next"])
    assert (piece["after"], ("session", "late") in listed_by([piece])) == (None, True)


def test_many_events_are_listed_in_pieces_of_limited_size(client, db, clock, monkeypatch):
    monkeypatch.setattr(pieces, "PAGE", 4)
    for number in range(10, 20):
        commit(number, str(number))
    found = walk(client)
    assert [len(each["events"]) for each in found] == [4, 4, 2, 0]  # the last one says that nothing came meanwhile
    assert [each["after"] for each in found] == [None, *(each["next"] for each in found[:3])]
    assert set(listed_by(found)) == {("session", str(number)) for number in range(10, 20)}
    for number in range(20, 24):
        commit(number, str(number))
    rest = walk(client, found[-1]["next"])
    assert set(listed_by(rest)) >= {("session", str(number)) for number in range(20, 24)}


def test_many_events_that_commit_late_at_once_are_listed_in_pieces_too(client, db, clock, monkeypatch):
    monkeypatch.setattr(pieces, "PAGE", 4)
    commit(10, "10")
    commit(30, "30")
    cursor = read(client)["next"]
    for number in range(11, 30):
        commit(number, str(number))
    found = walk(client, cursor)
    assert set(listed_by(found)) >= {("session", str(number)) for number in range(11, 30)}
    assert max(len(each["events"]) for each in found) == 4


def test_what_every_reader_must_know_is_in_each_piece(client, db, clock, monkeypatch):
    monkeypatch.setattr(pieces, "PAGE", 2)
    record("all", cutoff=NOW)
    record("key", "https://one.example.com kid1")
    for number in range(10, 13):
        commit(number, str(number))
    found = walk(client)
    assert len(found) == 3
    for each in (*found, read(client, found[-1]["next"])):
        assert {("all", ""), ("key", "https://one.example.com kid1")} <= set(listed_by([each]))


@pytest.mark.parametrize("seen", ["another event", "no event"])
def test_after_a_restored_backup_readers_start_from_the_beginning(client, db, clock, seen):
    for number in range(10, 14):
        commit(number, str(number))
    cursor = read(client)["next"]
    RevocationEvent.objects.filter(pk__gt=_RESERVED + 11).delete()
    if seen == "another event":
        commit(12, "other 12")
        commit(13, "other 13")
    piece = read(client, cursor)
    assert piece["after"] is None
    assert ("session", "10") in listed_by([piece])
    assert (("session", "other 12") in listed_by([piece])) == (seen == "another event")
    # The control: the same rows again, as after a restart of the database.
    again = read(client, piece["next"])
    assert (again["after"], again["events"]) == (piece["next"], [])


def test_after_a_restored_backup_no_reader_goes_round_in_circles(client, db, clock, monkeypatch):
    """Full pieces of the other table are kept for their slice, and must not be published any more."""
    monkeypatch.setattr(pieces, "PAGE", 4)
    for number in range(10, 18):
        commit(number, str(number))
    cursor = walk(client)[-1]["next"]
    RevocationEvent.objects.filter(pk__gt=_RESERVED + 13).delete()
    for number in range(14, 18):
        commit(number, f"other {number}")
    assert ("session", "other 17") in listed_by(walk(client, cursor))


def test_a_cursor_that_began_an_hour_ago_starts_from_the_beginning(client, db, clock):
    commit(10, "a")
    cursor = read(client)["next"]
    for _ in range(12):
        assert read(client, cursor)["after"] == cursor
        clock.shift(300)
    assert read(client, cursor)["after"] is None


def test_a_cursor_of_a_reader_that_paused_for_long_starts_from_the_beginning(client, db, clock):
    commit(10, "a")
    cursor = read(client)["next"]
    clock.shift(570)
    assert read(client, cursor)["after"] == cursor
    clock.shift(640)
    assert read(client, cursor)["after"] is None


def test_expired_events_are_ignored(client, db, clock):
    life = lifetimes.longest_life()
    record("session", "old", created=NOW - 3 * life, life=life)
    record("token", "client_7 of another", life=life)
    record("session", "new", life=life)
    piece = read(client)
    assert set(listed_by([piece])) == {("session", "new")}
    assert read(client, piece["next"])["events"] == []


@pytest.mark.parametrize("after", ["", "x", "A", "1.2_3", f"{'0' * 4000}0", "1 2", "\u0661"])
def test_a_text_that_can_be_no_cursor_is_refused(client, db, clock, after, django_assert_num_queries):
    is_possible = after == "1.2_3"
    with django_assert_num_queries(4 if is_possible else 0):
        answer = client.get(FEED, {"after": after})
    assert answer.status_code == (200 if is_possible else 400)
    if not is_possible:
        assert (answer.json()["code"], answer["Cache-Control"]) == ("invalid_request", "no-store")


def test_with_a_cursor_that_somebody_else_wrote_a_reader_starts_from_the_beginning(client, db, clock, settings):
    commit(10, "a")
    cursor = read(client)["next"]
    text, _, hmac = cursor.rpartition(".")
    changed = hmac[:-1] + ("1" if hmac.endswith("0") else "0")
    for other in (text, f"{text}.", f"{text}.{changed}", f"{text}_1.1.1.{hmac}", f".{hmac}"):
        assert read(client, other)["after"] is None
    assert read(client, cursor)["after"] == cursor
    settings.SECRET_KEY = "another secret " * 4
    assert read(client, cursor)["after"] is None


# One user's events


def crowd(user, number, first=0, kind="session"):
    life = lifetimes.longest_life()
    values = {"scope": kind, "created_at": NOW, "expires_at": NOW + life, "sub": user}
    names = (f"{kind} {i}" if kind == "session" else f"https://one.example.com {i}" for i in range(first, number))
    RevocationEvent.objects.bulk_create([RevocationEvent(subject=name, **values) for name in names])


def test_many_sessions_and_tokens_of_one_user_become_one_cutoff_of_this_user(client, db, clock, monkeypatch):
    monkeypatch.setattr(pieces, "MAX_OF_A_USER", 5)
    record("key", "https://one.example.com kid1")
    crowd("7", 5)
    record("session", "of another user", life=lifetimes.longest_life(), sub="8")
    assert len(listed(client)) == 7
    crowd("7", 1, kind="token")
    cutoff = (NOW + get_settings().LEEWAY).timestamp()
    assert listed(client) == {
        ("user", "7"): cutoff,
        ("session", "of another user"): None,
        ("key", "https://one.example.com kid1"): None,
    }


def test_they_are_counted_over_all_pieces(client, db, clock, monkeypatch):
    monkeypatch.setattr(pieces, "MAX_OF_A_USER", 5)
    crowd("7", 5)
    cursor = read(client)["next"]
    for i in range(5, 9):
        crowd("7", i + 1, first=i)
        piece = read(client, cursor)
        assert set(listed_by([piece])) == {("user", "7")}
        cursor = piece["next"]


def test_the_cutoff_ends_with_the_events_that_it_replaces(client, db, clock, monkeypatch):
    monkeypatch.setattr(pieces, "MAX_OF_A_USER", 1)
    life, leeway = lifetimes.longest_life(), get_settings().LEEWAY
    crowd("7", 2)
    assert read(client)["events"] == [
        {
            "scope": "user",
            "subject": "7",
            "cutoff": (NOW + leeway).timestamp(),
            "exp": ceil((NOW + leeway + life).timestamp()),
        }
    ]
    clock.shift((life + leeway).total_seconds() + 21)
    assert listed(client) == {}


def test_a_later_cutoff_of_the_user_counts(client, db, clock, monkeypatch):
    monkeypatch.setattr(pieces, "MAX_OF_A_USER", 1)
    crowd("7", 2)
    later = NOW + timedelta(seconds=30)
    record("user", "7", created=later, cutoff=later, life=lifetimes.longest_life())
    (event,) = read(client)["events"]
    assert event["cutoff"] == later.timestamp()
    assert event["exp"] == ceil((later + lifetimes.longest_life()).timestamp())


def test_a_user_with_thousands_of_sessions_is_charged_for_them_alone(client, make_user, clock, monkeypatch):
    """All over HTTP: one request ends the sessions of alice, and bob's go on at all servers."""
    monkeypatch.setattr(pieces, "MAX_OF_A_USER", 3)
    alice, bob = make_user("alice"), make_user("bob")
    pairs = [client.tokens(alice) for _ in range(5)]
    ended, _kept = client.tokens(bob), client.tokens(bob)
    assert client.bearer(pairs[0]["access_token"]).delete("/auth/sessions/").status_code == 204
    assert client.bearer(ended["access_token"]).delete(f"/auth/sessions/{ended['session']}/").status_code == 204
    assert set(listed(client)) == {("user", user_id_of(alice)), ("session", UUID(ended["session"]).hex)}


@pytest.mark.parametrize("operation", ["token", "session", "sessions"])
def test_each_operation_says_whom_it_charges(client, make_user, clock, operation):
    alice = make_user("alice")
    pair = client.tokens(alice)
    {
        "token": lambda: revoke_token(identify_only(pair["access_token"])),
        "session": lambda: revoke_session(UUID(pair["session"])),
        "sessions": lambda: revoke_sessions([UUID(pair["session"])]),
    }[operation]()
    assert [event.sub for event in RevocationEvent.objects.all()] == [user_id_of(alice)]


# Conditional requests


def etag_and_status(client, etag):
    answer = client.get(FEED, HTTP_IF_NONE_MATCH=etag)
    return answer["ETag"], answer.status_code


def test_an_unchanged_feed_is_not_sent_again(client, db, clock):
    etag = client.get(FEED)["ETag"]
    answer = client.get(FEED, HTTP_IF_NONE_MATCH=etag)
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
    assert answer["Cache-Control"] == client.get(FEED)["Cache-Control"] == "public, no-cache"
    record("session", "s", life=lifetimes.longest_life())
    assert etag_and_status(client, etag)[1] == 200


def test_unchanged_is_never_said_of_a_feed_that_is_about_to_expire(client, db, clock):
    etag, expires_at, unchanged = None, None, 0
    for _ in range(150):
        answer = client.get(FEED, HTTP_IF_NONE_MATCH=etag or "")
        if answer.status_code == 200:
            etag, expires_at = answer["ETag"], read(client)["exp"]
        else:
            unchanged += 1
        assert expires_at - datetime.now(timezone.utc).timestamp() >= 39
        clock.shift(1)
    assert unchanged == 150 - 9  # 150 seconds lie in eight or nine slices of twenty, here


def test_each_process_names_the_same_content_alike(client, db, clock):
    record("session", "s", life=lifetimes.longest_life())
    record("user", "7", cutoff=NOW, life=lifetimes.longest_life())
    etag = client.get(FEED)["ETag"]
    clock.shift(1)
    pieces.publisher.cache_clear()
    assert etag_and_status(client, etag) == (etag, 304)


def test_another_key_makes_another_document(client, db, clock, jwt_settings, rsa_key):
    etag = client.get(FEED)["ETag"]
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    assert etag_and_status(client, etag)[1] == 200


# Cost and size


def test_it_costs_two_queries_and_more_when_something_is_new(client, db, clock, django_assert_num_queries):
    with django_assert_num_queries(4):
        cursor = read(client)["next"]
    for _ in range(2):
        with django_assert_num_queries(2):
            assert read(client, cursor)["events"] == []
    record("user", "7", cutoff=NOW, life=lifetimes.longest_life())
    with django_assert_num_queries(4):
        cursor = read(client, cursor)["next"]
    for number in range(50):
        record("session", str(number), life=lifetimes.longest_life(), sub=str(number))
    with django_assert_num_queries(5):
        piece = read(client, cursor)
    assert len(piece["events"]) in (50, 51)  # the first one is read again if it was recorded in the same second


@pytest.fixture
def rows(monkeypatch):
    """The numbers of rows that were read from the table, query by query; without those that are in each piece."""
    numbers, read_rows = [], Table._rows

    def count(table, events):
        found = read_rows(table, events)
        numbers.append(len(found))
        return found

    monkeypatch.setattr(Table, "_rows", count)
    return numbers


def test_a_new_revocation_costs_what_it_weighs_however_many_are_alive(client, db, clock, rows, monkeypatch):
    monkeypatch.setattr(pieces, "PAGE", 10)
    for number in range(100, 195):
        commit(number, str(number))
    cursor = walk(client)[-1]["next"]
    assert sum(rows) == 95
    rows.clear()
    commit_later("new")
    assert len(read(client, cursor)["events"]) == 1
    assert rows == [1]


def test_only_the_newest_cutoff_for_everybody_is_listed(client, db, clock):
    for seconds in (3, 0, 9, 0):
        record("all", cutoff=NOW - timedelta(seconds=seconds))
    record("key", "https://one.example.com kid1")
    assert listed(client) == {("all", ""): NOW.timestamp(), ("key", "https://one.example.com kid1"): None}


def test_a_piece_that_is_full_is_made_once_in_its_slice(client, db, clock, rows, monkeypatch):
    monkeypatch.setattr(pieces, "PAGE", 10)
    for number in range(100, 125):
        commit(number, str(number))
    walk(client)
    first = len(rows)
    rows.clear()
    walk(client)
    assert (first, len(rows)) == (3, 0)  # only the last piece is looked up again: nothing came meanwhile
    commit(99, "late")
    assert ("session", "late") in listed_by(walk(client))
    rows.clear()
    clock.shift(20)
    walk(client)
    assert len(rows) == 3


def test_an_unchanged_piece_is_not_signed_again(client, db, clock, monkeypatch):
    signed = []
    sign = pieces._sign
    monkeypatch.setattr(pieces, "_sign", lambda *content: signed.append(content) or sign(*content))
    cursor = read(client)["next"]
    for _ in range(3):
        read(client, cursor)
    assert len(signed) == 2
    record("user", "7", cutoff=NOW, life=lifetimes.longest_life())
    read(client, cursor)
    assert len(signed) == 3


@pytest.mark.thorough
def test_fifty_thousand_events_fit(client, db, clock):
    values = {"scope": "session", "created_at": NOW, "expires_at": NOW + lifetimes.longest_life()}
    RevocationEvent.objects.bulk_create(
        (RevocationEvent(subject=f"{number:032x}", sub=str(number), **values) for number in range(50_000)),
        batch_size=5000,
    )
    raw = client.get(FEED).content
    assert len(raw) < 2**17
    found, after = set(), None
    while True:
        piece = read(client, after)
        found.update(listed_by([piece]))
        after = piece["next"]
        if not piece["more"]:
            break
    assert len(found) == 50_000


# Outages, and the difference from a token


def test_an_outage_is_no_empty_feed(client, db, clock):
    with outage():
        answer = client.get(FEED)
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "1")
    assert client.get(FEED).status_code == 200


def test_a_feed_is_refused_wherever_a_token_is_expected(client, user, clock):
    raw = client.get(FEED).content.decode()
    assert_refused_everywhere(client, raw)
    with pytest.raises(InvalidTokenError, match="typ is"):
        verify(raw)
    token = client.tokens(user)["access_token"]
    assert isinstance(verify(token).claims, Claims)
