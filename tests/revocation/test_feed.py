"""The signed feed, as another server reads it: with the published keys and no other knowledge of ours."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from uuid import UUID

import jwt
import pytest
from django.contrib.auth import get_user_model

from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings, lifetimes
from jwt_auth.exceptions import InvalidTokenError
from jwt_auth.models import RevocationEvent, user_id_of
from jwt_auth.process.single_flight import SingleFlight
from jwt_auth.revocation import feed, revoke_all, revoke_session, revoke_token, revoke_user, revoke_users
from jwt_auth.verification import identify_only, verify
from tests.support.clients import PASSWORD
from tests.support.clocks import NOW, Ticks
from tests.support.entry_points import assert_refused_everywhere
from tests.support.keys import pem
from tests.support.outages import outage

FEED = "/auth/.well-known/revocations"


@pytest.fixture(autouse=True)
def _public_keys(jwt_settings, ec_key):
    jwt_settings(ISSUER="https://one.example.com", ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))


def read(client):
    """Return the claims of the feed, verified with the published keys alone."""
    raw = client.get(FEED).content.decode()
    keys = {key["kid"]: jwt.PyJWK(key) for key in client.get("/auth/.well-known/jwks.json").json()["keys"]}
    header = jwt.get_unverified_header(raw)
    assert header == {"alg": "ES256", "kid": header["kid"], "typ": "revocations+jwt"}
    # The test has a clock of its own, which PyJWT does not know.
    options = {"verify_exp": False, "verify_iat": False}
    return jwt.decode(raw, keys[header["kid"]], algorithms=["ES256"], options=options)


def told(client):
    """Return the revocations by scope and subject."""
    return {(event["scope"], event["subject"]): event.get("cutoff") for event in read(client)["events"]}


def record(scope, subject="", *, created=NOW, life=None, cutoff=None):
    """Create an event as it would be in the table."""
    expires_at = None if life is None else created + life
    return RevocationEvent.objects.create(
        scope=scope, subject=subject, created_at=created, expires_at=expires_at, cutoff=cutoff
    )


def test_a_server_without_news_says_so_for_a_minute(client, db, clock):
    answer = client.get(FEED)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/revocations+jwt")
    now = int(NOW.timestamp())
    assert read(client) == {"iss": "https://one.example.com", "iat": now, "exp": now + 60, "events": []}


def test_each_operation_is_told_and_nothing_private(client, make_user, staff, clock):
    alice, bob, carol = (make_user(name) for name in ("alice", "bob", "carol"))
    session = client.tokens(alice)["session"]
    claims = identify_only(client.tokens(bob)["access_token"])
    assert told(client) == {}
    revoke_session(UUID(session), reason="a secret reason", actor=staff)
    revoke_token(claims, reason="a secret reason", actor=staff)
    cutoff = revoke_user(carol, reason="a secret reason", actor=staff).tokens_valid_after
    everybody = revoke_all(reason="a secret reason", actor=staff)
    assert told(client) == {
        ("session", UUID(session).hex): None,
        ("token", f"https://one.example.com {claims.jti}"): None,
        ("user", user_id_of(carol)): cutoff.timestamp(),
        ("all", ""): everybody.timestamp(),
    }
    # To the microsecond: a session that began right after the cutoff is valid.
    assert {datetime.fromtimestamp(value, timezone.utc) for value in told(client).values() if value} == {
        cutoff,
        everybody,
    }
    names = {name for event in read(client)["events"] for name in event}
    assert names == {"scope", "subject", "exp", "cutoff"}
    assert "secret" not in str(read(client))


def test_a_new_password_and_a_deletion_are_told(client, make_user, clock):
    alice, bob = make_user("alice"), make_user("bob")
    subjects = {("user", user_id_of(alice)), ("user", user_id_of(bob))}
    assert not subjects & set(told(client))
    alice.set_password(f"{PASSWORD} 2")
    alice.save()
    bob.delete()
    assert subjects <= set(told(client))


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


# How long events stay


def test_what_no_living_token_could_fall_to_is_not_told(client, db, clock):
    life = lifetimes.longest_life()
    record("user", "7", cutoff=NOW, life=life)
    record("session", "s", life=life)
    clock.shift(life.total_seconds() - 21)
    assert set(told(client)) == {("user", "7"), ("session", "s")}
    clock.shift(42)
    assert told(client) == {}


def test_what_has_no_end_is_told_permanently(client, db, clock):
    first = record("all", cutoff=NOW)
    record("all", cutoff=NOW - timedelta(days=2))
    record("key", "https://one.example.com kid1")
    clock.shift(365 * 86400)
    assert told(client) == {("all", ""): first.cutoff.timestamp(), ("key", "https://one.example.com kid1"): None}
    ends = {event["exp"] for event in read(client)["events"]}
    assert min(ends) > read(client)["exp"] + lifetimes.longest_life().total_seconds() - 60


def test_several_events_of_one_subject_are_told_once_and_the_latest_cutoff_counts(client, db, clock):
    life = lifetimes.longest_life()
    for seconds in (0, 9, 5):
        record(
            "user", "7", created=NOW - timedelta(seconds=seconds), cutoff=NOW - timedelta(seconds=seconds), life=life
        )
    (event,) = read(client)["events"]
    assert event["cutoff"] == NOW.timestamp()
    assert event["exp"] == int((NOW + life).timestamp()) + 1


def test_an_event_of_other_settings_is_told_for_as_long_as_our_tokens_live(client, db, clock):
    record("session", "s", life=timedelta(seconds=1))
    clock.shift(30)
    assert set(told(client)) == {("session", "s")}


@pytest.mark.parametrize("scope", ["token", "key"])
def test_what_is_about_tokens_of_others_is_not_told(client, db, clock, scope):
    life = lifetimes.longest_life()
    record(scope, "https://one.example.com mine", life=life)
    for other in ("https://two.example.com", "https://one.example.com.evil", "client_7"):
        record(scope, f"{other} theirs", life=life)
    assert set(told(client)) == {(scope, "https://one.example.com mine")}


def test_a_client_that_was_revoked_is_told(client, db, clock):
    record("client", "client_7", cutoff=NOW, life=lifetimes.longest_life())
    record("client", "client_8", life=lifetimes.longest_life())  # for example other scopes
    assert told(client) == {("client", "client_7"): NOW.timestamp()}


def test_an_event_is_told_for_as_long_as_the_tokens_for_other_servers_live(client, db, clock, jwt_settings):
    jwt_settings(ACCESS_TOKEN_LIFETIME=timedelta(seconds=30), CLIENT_TOKEN_MAX_LIFETIME=timedelta(seconds=30))
    before = lifetimes.longest_life()
    jwt_settings(SERVICE_AUDIENCES={"two": {"LIFETIME": timedelta(seconds=240)}, "three": {}})
    assert lifetimes.longest_life() - before == timedelta(seconds=210)


def test_an_event_that_commits_late_is_in_the_next_one(client, db, clock):
    record("session", "a", life=lifetimes.longest_life())
    late = record("session", "b", life=lifetimes.longest_life())
    number = late.pk
    late.delete()
    record("session", "c", life=lifetimes.longest_life())
    assert set(told(client)) == {("session", "a"), ("session", "c")}
    values = {"created_at": NOW, "expires_at": NOW + lifetimes.longest_life()}
    RevocationEvent.objects.create(pk=number, scope="session", subject="b", **values)
    assert set(told(client)) == {("session", "a"), ("session", "b"), ("session", "c")}


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
    feed._remembering().cache_clear()
    assert etag_and_status(client, etag) == (etag, 304)


def test_another_key_makes_another_document(client, db, clock, jwt_settings, rsa_key):
    etag = client.get(FEED)["ETag"]
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    assert etag_and_status(client, etag)[1] == 200


# Cost and size


def test_it_costs_one_query_and_two_when_something_is_new(client, db, clock, django_assert_num_queries):
    with django_assert_num_queries(2):
        client.get(FEED)
    for _ in range(2):
        with django_assert_num_queries(1):
            client.get(FEED)
    for number in range(50):
        record("session", str(number), life=lifetimes.longest_life())
    with django_assert_num_queries(2):
        assert len(told(client)) == 50


@pytest.fixture
def slow(monkeypatch):
    """
    Feeds that take long to make: `slow.makes` has their contents; the first is not done before `slow.go_on` is set.
    """
    made = SimpleNamespace(makes=[], arrived=threading.Event(), go_on=threading.Event())

    def make(*content):
        made.makes.append(content)
        made.arrived.set()
        made.go_on.wait(10)
        return content

    monkeypatch.setattr(feed, "_publish", make)
    return made


def test_however_many_ask_at_once_it_is_made_once(slow):
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(feed._made_once, "kid", NOW, 1)
        assert slow.arrived.wait(10)
        others = [pool.submit(feed._made_once, "kid", NOW, 1) for _ in range(7)]
        newer = pool.submit(feed._made_once, "kid", NOW, 2)
        slow.go_on.set()
        assert {found.result(10) for found in (first, *others)} == {("kid", NOW, 1)}
        assert newer.result(10) == ("kid", NOW, 2)  # the control: other content makes another feed
    assert 2 <= len(slow.makes) <= 3  # one feed is remembered; the newer one may come in between


def test_one_that_is_never_done_is_waited_for_once(slow, monkeypatch):
    ticks = Ticks()
    monkeypatch.setattr(feed, "_making", SingleFlight(ticks))
    slow.go_on.set()
    feed._making.acquire()  # as by a thread that does not exist after a fork
    ticks.forward(feed._PATIENCE)
    assert feed._made_once("kid", NOW, 1) == ("kid", NOW, 1)


def test_too_many_events_become_one_cutoff_that_refuses_them_all(client, make_user, clock, monkeypatch):
    users = [make_user(f"user{number}") for number in range(4)]
    monkeypatch.setattr(feed, "MAX_EVENTS", 4)
    record("key", "https://one.example.com kid1")
    revoke_users(get_user_model()._default_manager.filter(pk__in=[user.pk for user in users[:3]]))
    assert len(told(client)) == 4
    clock.shift(3)
    revoke_session(UUID(client.tokens(users[3])["session"]))
    cutoff = (NOW + timedelta(seconds=3) + get_settings().LEEWAY).timestamp()
    assert told(client) == {("all", ""): cutoff, ("key", "https://one.example.com kid1"): None}


def test_too_long_events_become_one_cutoff_too(client, db, clock, monkeypatch):
    record("user", "7" * 255, cutoff=NOW, life=lifetimes.longest_life())
    assert len(told(client)) == 1
    record("user", "8" * 255, cutoff=NOW, life=lifetimes.longest_life())
    monkeypatch.setattr(feed, "MAX_LENGTH", 6000)
    assert set(told(client)) == {("all", "")}


@pytest.mark.thorough
def test_fifty_thousand_events_fit(client, db, clock):
    life = lifetimes.longest_life()
    values = {"scope": "session", "created_at": NOW, "expires_at": NOW + life}
    RevocationEvent.objects.bulk_create(
        (RevocationEvent(subject=f"{number:032x}", **values) for number in range(feed.MAX_EVENTS)), batch_size=5000
    )
    raw = client.get(FEED).content
    assert 2 * 2**20 < len(raw) < feed.MAX_LENGTH
    assert len(read(client)["events"]) == feed.MAX_EVENTS


# What it is not


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
