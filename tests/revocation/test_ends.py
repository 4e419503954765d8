"""A revocation holds until the last token has expired: in memory, and at servers that read the feed."""

from datetime import datetime, timedelta, timezone as dt_timezone

import pytest
from django.db import connection
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth.claims import Claims
from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.exceptions import RevokedTokenError, TokenError
from jwt_auth.issuers.remote.fetching import Fetched
from jwt_auth.issuers.remote.refusals import Refusals
from jwt_auth.issuers.remote.subscription import Subscription, feed_source
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import bulk, revoke_session, revoke_sessions, revoke_user, revoke_users
from jwt_auth.revocation.bulk import end_others
from jwt_auth.revocation.feed import pieces
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.memory.denylist import Denylist, Entry
from jwt_auth.revocation.verdict import verdict
from jwt_auth.verification import identify_only, verify
from tests.support.feeds import OwnKey
from tests.support.keys import pem
from tests.support.queries import Queries
from tests.support.rows import begin

NAME = "https://one.example.com"
FEED = "/auth/.well-known/revocations"
NOON, MINUTE = datetime(2026, 5, 17, 12, tzinfo=dt_timezone.utc), timedelta(minutes=1)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def is_refused(raw, **options):
    try:
        verify(raw, **options)
    except TokenError:
        return True
    return False


# In memory


@pytest.mark.parametrize("seconds", [10, 300])
def test_a_run_over_many_users_may_take_long(make_user, clock, jwt_settings, monkeypatch, seconds):
    jwt_settings(REVOCATION="memory")
    monkeypatch.setattr(bulk, "BATCH", 1)
    first, last = make_user("ann"), make_user("bea")
    pair = sessions.start(last)

    def one_by_one():
        nonlocal pair
        yield first
        clock.shift(seconds)
        pair = sessions.refresh(pair.refresh_token)
        yield last

    revoke_users(one_by_one())
    for _ in range(0, pair.expires_in, 20):
        view.forget()
        assert is_refused(pair.access_token)
        clock.shift(20)


@pytest.mark.parametrize("kind", ["user", "session", "sessions"])
def test_the_machine_that_signed_the_tokens_may_be_an_hour_ahead(user, clock, jwt_settings, kind):
    jwt_settings(REVOCATION="memory")
    clock.shift(3600)
    pair = sessions.start(user)
    clock.shift(-3590)
    revoke = {
        "user": lambda: revoke_user(user),
        "session": lambda: revoke_session(pair.session_id),
        "sessions": lambda: revoke_sessions([pair.session_id]),
    }
    revoke[kind]()
    clock.shift(3590)
    view.forget()
    assert is_refused(pair.access_token, ask_database=True)
    assert is_refused(pair.access_token)


def test_a_repeated_refresh_may_issue_a_token_long_after_the_rotation(user, clock, jwt_settings):
    """Its session began after the one that stays, is one of many, and so gets no event if it seems to be unused."""
    jwt_settings(REVOCATION="memory", SESSION_LIMIT=None)
    kept = sessions.start(user)
    clock.shift(1)
    raw = sessions.start(user).refresh_token
    begin(user, bulk.ONE_BY_ONE + 1, timedelta(microseconds=1))
    sessions.refresh(raw, retry_key="k" * 22)
    clock.shift(86_400)
    last = sessions.refresh(raw, retry_key="k" * 22)
    kept = sessions.refresh(kept.refresh_token)
    assert not is_refused(last.access_token)
    end_others(user, kept.session_id)
    for _ in range(0, last.expires_in, 20):
        view.forget()
        assert is_refused(last.access_token)
        clock.shift(20)
    assert not is_refused(sessions.refresh(kept.refresh_token).access_token)


@pytest.mark.parametrize("kind", ["sign-out", "session", "sessions"])
@pytest.mark.parametrize("ahead", [0, 3600])
def test_a_revocation_may_wait_while_its_session_gets_another_token(user, clock, jwt_settings, kind, ahead):
    """A machine issues it whose clock may be ahead."""
    jwt_settings(REVOCATION="memory")
    first, signed = sessions.start(user), []

    def wait(execute, sql, params, many, context):
        if not signed and "SET" in sql and "revoked_at" in sql:
            clock.shift(300 + ahead)
            signed.append(None)
            signed.append(sessions.refresh(first.refresh_token))
            clock.shift(-ahead)
        return execute(sql, params, many, context)

    revoke = {
        "sign-out": lambda: sessions.end(first.refresh_token),
        "session": lambda: revoke_session(first.session_id),
        "sessions": lambda: revoke_sessions([first.session_id]),
    }
    with connection.execute_wrapper(wait):
        assert revoke[kind]()
    clock.shift(ahead)
    for _ in range(0, signed[1].expires_in, 20):
        view.forget()
        assert is_refused(signed[1].access_token)
        clock.shift(20)


@pytest.mark.parametrize("kind", ["user", "users"])
def test_so_may_that_of_a_user_which_others_do_not_see_before_its_commit(user, clock, kind):
    sessions.start(user)
    waits = []

    def wait(execute, sql, params, many, context):
        if not waits and "SET" in sql and "revoked_at" in sql:
            waits.append(clock.shift(300))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wait):
        {"user": lambda: revoke_user(user), "users": lambda: revoke_users([user])}[kind]()
    assert RevocationEvent.objects.get().expires_at == timezone.now() + longest_life()
    assert waits


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_cutoffs_the_later_one_counts_until_the_later_end(order):
    claims = Claims(iss="x", aud=(), sub="7", iat=0, exp=0, auth_time=NOON - 20 * MINUTE)
    entries = [
        Entry(1, "user", "7", NOON, NOON, NOON + 5 * MINUTE),
        Entry(2, "user", "7", NOON - 10 * MINUTE, NOON + 4 * MINUTE, NOON + 9 * MINUTE),
    ]
    known = Denylist()
    known.add(entries[::order], timedelta(0))
    known.forget(NOON + 6 * MINUTE, 100)
    assert known.state_of(claims).cutoffs[0] == NOON
    known.forget(NOON + 9 * MINUTE, 100)
    assert not any(known.state_of(claims).cutoffs)


# At servers that read the feed


@pytest.fixture
def refuses(jwt_settings, ec_key, ticks):
    """`refuses(raw)` returns whether a server that reads the feed refuses a token."""
    jwt_settings(ISSUER=NAME, ALGORITHM="ES256", SIGNING_KEY=pem(ec_key), SESSION_LIMIT=None)
    publisher = pieces.Publisher()

    def fetch(source, *, etag, query):
        piece = publisher.publish(query.removeprefix("after=") or None)
        return Fetched(body=None if etag == piece.etag else piece.document.encode(), etag=piece.etag, cache_control="")

    source, age = feed_source("https://one.example.com/feed"), timedelta(seconds=10)
    reader = Subscription(NAME, source, OwnKey(), age, max_lifetime=timedelta(hours=1), clock=ticks, fetch=fetch)

    def judge(raw):
        claims = identify_only(raw)
        ticks.forward(11)
        try:
            verdict(claims, reader.state_of(claims), timezone.now())
        except RevokedTokenError:
            return True
        return False

    return judge


@pytest.mark.parametrize("number", [20, 101])
def test_a_cutoff_may_follow_a_later_one_that_stands_for_many_sessions(user, clock, refuses, number):
    old = sessions.start(user)
    clock.shift(1)
    mine = begin(user, 300, timedelta(microseconds=1))
    clock.shift(1)
    others = UserSession.objects.exclude(pk__in=[old.session_id, mine.session_id])
    revoke_sessions(list(others.values_list("pk", flat=True)[:number]))
    clock.shift(11)
    refuses(old.access_token)
    clock.shift(340)
    old = sessions.refresh(old.refresh_token)
    clock.shift(1)
    end_others(user, mine.session_id)
    assert is_refused(old.access_token, ask_database=True)
    for _ in range(0, old.expires_in - 5, 11):
        assert refuses(old.access_token)
        clock.shift(11)


@pytest.mark.parametrize("number", [20, 101])
def test_many_sessions_may_have_begun_after_a_cutoff_in_the_future(user, clock, refuses, number):
    clock.shift(1800)
    revoke_user(user)
    clock.shift(-1795)
    ended, kept = sessions.start(user), sessions.start(user)
    pattern = UserSession.objects.get(pk=ended.session_id)
    same = {name: getattr(pattern, name) for name in ("idle_expires_at", "expires_at", "auth_hash")}
    times = {"started_at": pattern.started_at, "last_issued_at": pattern.started_at}
    UserSession.objects.bulk_create(UserSession(user=user, **times, **same) for _ in range(number))
    assert not refuses(ended.access_token)
    clock.shift(1)
    revoke_sessions(list(UserSession.objects.exclude(pk=kept.session_id).values_list("pk", flat=True)))
    assert refuses(ended.access_token)


def test_the_cutoff_for_everybody_never_moves_back():
    claims = Claims(iss=NAME, aud=(), sub="7", iat=0, exp=0, auth_time=NOON - 2 * MINUTE)
    known = Refusals(timedelta(minutes=10), MINUTE)
    for ago in (1, 60):
        known.add([Entry(None, "all", "", NOON - ago * MINUTE, NOON, NOON + 9 * MINUTE)], NOON, NOON)
        assert known.state_of(claims).cutoffs == (NOON - MINUTE,)


@pytest.fixture
def public_keys(jwt_settings, ec_settings):
    jwt_settings(**ec_settings, ISSUER=NAME)


@pytest.mark.usefixtures("public_keys")
def test_texts_that_are_no_cursors_are_answered_alike_and_not_kept(client):
    RevocationEvent.objects.bulk_create(
        RevocationEvent(scope="session", subject=f"{n:032x}", sub=str(n), expires_at=timezone.now() + 10 * MINUTE)
        for n in range(600)
    )
    first = client.get(FEED)
    for number in range(200):
        with Queries() as queries:
            answer = client.get(FEED, {"after": f"{number:x}.0"})
        assert (answer.status_code, answer["ETag"], len(queries)) == (200, first["ETag"], 0)


@pytest.mark.usefixtures("public_keys")
def test_keys_of_api_clients_are_not_read_for_the_feed(client):
    for subject in ("client_1 k1", f"{NAME} k2"):
        RevocationEvent.objects.create(scope="key", subject=subject, expires_at=timezone.now() + 10 * MINUTE)
    with Queries() as queries:
        assert client.get(FEED).status_code == 200
    keys = [sql for sql in queries.statements if "'key'" in sql]
    assert keys
    assert all(NAME in sql for sql in keys)
