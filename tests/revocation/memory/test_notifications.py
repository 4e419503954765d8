"""Notifications make processes ask sooner, or less often; a lost one makes no token valid again."""

import select
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import transaction

from jwt_auth.conf import lifetimes
from jwt_auth.exceptions import JWTAuthError
from jwt_auth.revocation import revoke_user
from jwt_auth.revocation.memory import notifications, view as memory
from jwt_auth.verification import verify
from tests.support.other_processes import end
from tests.support.outages import outage
from tests.support.queries import Queries
from tests.support.redis_server import redis_server

redis = pytest.importorskip("redis")

PAUSE = threading.Event()


@pytest.fixture(scope="module")
def redis_url():
    with redis_server() as url:
        yield url


class Broken(LocMemCache):
    """A cache whose server is down."""

    def get(self, *arguments, **options):
        raise ConnectionError

    set = add = get


@pytest.fixture
def with_cache(in_memory, settings, redis_url):
    def switch(**cache):
        shared = cache or {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}
        settings.CACHES = {**settings.CACHES, "shared": shared}
        if not cache:
            caches["shared"].clear()
        return in_memory(REVOCATION_CACHE="shared", REVOCATION_MAX_STALENESS=timedelta(seconds=1))

    return switch


@pytest.fixture
def with_push(in_memory, redis_url):
    def switch(url=redis_url):
        return in_memory(REVOCATION_PUSH=url)

    return switch


@contextmanager
def counted():
    """Yield a function that returns the number of the queries for events so far."""
    with Queries() as queries:
        yield lambda: queries.of("jwt_auth_revocationevent")


def is_welcome(pair):
    try:
        verify(pair["access_token"])
    except JWTAuthError:
        return False
    return True


def hears(view):
    """Return whether a message that is on its way arrives."""
    return any(view._push.has_message() or PAUSE.wait(0.01) for _ in range(1000))


# REVOCATION_CACHE


def test_while_the_marker_is_unchanged_the_database_is_asked_every_five_seconds(with_cache, ticks, pair):
    with_cache()
    assert is_welcome(pair)
    ticks.forward(0.8)  # the marker was missing at first
    assert is_welcome(pair)
    with counted() as questions:
        for _ in range(20):
            ticks.forward(0.5)
            assert is_welcome(pair)
    assert questions() == 2


def test_a_wall_clock_that_moves_back_is_noticed_within_the_bound_although_the_marker_is_unchanged(
    with_cache, ticks, client, user, clock
):
    with_cache()
    ended, ahead = client.tokens(user), lifetimes.longest_life() + timedelta(minutes=1)
    end(ended)
    assert not is_welcome(ended)
    clock.shift(ahead)
    living = client.tokens(user)
    for seconds in (61, 0.8):
        ticks.forward(seconds)
        assert is_welcome(living)
    with counted() as questions:
        ticks.forward(0.8)
        assert is_welcome(living)
    assert questions() == 0  # the control: it is trusted now
    clock.shift(-ahead)
    ticks.forward(0.8)
    assert not is_welcome(ended)


def test_a_revocation_changes_the_marker_and_is_known_within_the_bound(with_cache, ticks, pair):
    with_cache()
    for _ in range(3):
        assert is_welcome(pair)
        ticks.forward(0.8)
    end(pair)
    notifications.notify()
    assert not is_welcome(pair)


@pytest.mark.django_db(transaction=True)
def test_the_marker_is_changed_although_a_hook_of_the_project_fails(with_cache, user):
    with_cache()
    marker = notifications.cache_marker()
    marker.value()  # missing at first
    before = marker.value()
    assert marker.value() == before
    with suppress(ZeroDivisionError), transaction.atomic():
        transaction.on_commit(lambda: 1 / 0)
        revoke_user(user)
    assert marker.value() not in (before, None)


def test_a_lost_change_of_the_marker_is_made_up_for_within_five_seconds(with_cache, ticks, pair):
    with_cache()
    for _ in range(3):
        assert is_welcome(pair)
        ticks.forward(0.8)
    end(pair)
    ticks.forward(2.7)
    assert not is_welcome(pair)


@pytest.mark.parametrize("notified", [True, False])
def test_an_emptied_cache_makes_the_database_be_asked(with_cache, ticks, pair, notified):
    """A missing marker does not count as unchanged."""
    with_cache()
    for _ in range(3):
        assert is_welcome(pair)
        ticks.forward(0.8)
    end(pair)
    if notified:
        notifications.notify()
    caches["shared"].clear()
    assert not is_welcome(pair)
    for _ in range(3):
        ticks.forward(0.8)
        assert not is_welcome(pair)


def test_a_cache_that_is_down_notifies_nobody_and_is_no_outage(with_cache, ticks, pair, caplog):
    with_cache(BACKEND="tests.revocation.memory.test_notifications.Broken")
    for _ in range(3):
        assert is_welcome(pair)
        ticks.forward(0.8)
    assert "REVOCATION_CACHE can't be read" in caplog.text
    end(pair)
    notifications.notify()
    assert "was not announced" in caplog.text
    assert not is_welcome(pair)


class Slow(LocMemCache):
    """A cache that takes as long as the clock of the test says, in which something is revoked."""

    def get(self, *arguments, **options):
        self.meanwhile()


def test_a_cache_that_takes_long_does_not_make_the_list_older(with_cache, ticks, pair):
    """The list counts from the query, which comes after the cache has answered."""
    Slow.meanwhile = lambda self: ticks.forward(0.7)
    with_cache(BACKEND="tests.revocation.memory.test_notifications.Slow")
    assert is_welcome(pair)
    with counted() as questions:
        ticks.forward(0.7)
        assert is_welcome(pair)
    assert questions() == 0
    end(pair)
    ticks.forward(0.1)
    assert not is_welcome(pair)  # the control: it is due, as always after three quarters of the bound


class Frozen(LocMemCache):
    """A cache whose server does not answer."""

    frozen, asked = threading.Event(), 0

    def get(self, *arguments, **options):
        Frozen.asked += 1
        self.frozen.wait(60)

    set = add = get


@pytest.mark.usefixtures("impatient")
def test_a_cache_that_hangs_is_waited_for_once_and_neither_requests_nor_revocations_need_it(
    with_cache, ticks, pair, caplog
):
    Frozen.frozen.clear()
    try:
        with_cache(BACKEND="tests.revocation.memory.test_notifications.Frozen")
        for _ in range(6):
            assert is_welcome(pair)
            ticks.forward(0.8)
        end(pair)
        notifications.notify()
        assert "was not announced" in caplog.text
        assert not is_welcome(pair)
        assert Frozen.asked == 1
        assert caplog.text.count("REVOCATION_CACHE can't be read") == 1
    finally:
        Frozen.frozen.set()


def test_after_an_outage_an_unchanged_marker_is_not_believed(with_cache, ticks, pair):
    with_cache()
    for _ in range(3):
        assert is_welcome(pair)
        ticks.forward(0.8)
    ticks.forward(5)
    with outage():
        assert not is_welcome(pair)
    ticks.forward(1)
    with counted() as questions:
        assert is_welcome(pair)
    assert questions() == 1


# REVOCATION_PUSH


def test_a_message_makes_the_next_request_ask(with_push, ticks, pair):
    view = with_push()
    assert is_welcome(pair)
    ticks.forward(0.02)
    assert is_welcome(pair)  # subscribes, and reads what it missed
    end(pair)
    ticks.forward(0.02)
    assert is_welcome(pair)
    notifications.notify()
    select.select([view._push._subscription.connection._sock], [], [], 10)
    ticks.forward(0.005)
    assert is_welcome(pair)  # has looked a moment ago
    ticks.forward(0.006)
    assert not is_welcome(pair)


def test_without_a_message_nothing_is_asked_before_its_time(with_push, ticks, pair):
    with_push()
    for _ in range(2):
        assert is_welcome(pair)
        ticks.forward(0.02)
    with counted() as questions:
        for _ in range(30):
            ticks.forward(0.02)
            assert is_welcome(pair)
    assert questions() == 0
    ticks.forward(0.5)
    end(pair)
    assert not is_welcome(pair)


def test_a_server_that_is_not_there_leaves_the_interval_and_is_tried_again(with_push, ticks, pair, redis_url, caplog):
    view = with_push("unix:///nowhere/redis.sock")
    for _ in range(2):
        assert is_welcome(pair)
        ticks.forward(0.02)
    assert caplog.text.count("REVOCATION_PUSH can't be read") == 1
    end(pair)
    ticks.forward(0.8)
    assert not is_welcome(pair)
    view._push._url = redis_url
    assert not view._push.has_message()  # not yet: it is tried every few seconds
    ticks.forward(10)
    assert view._push.has_message()  # messages in the meantime were missed
    assert not view._push.has_message()


def test_a_connection_that_is_cut_is_made_again(with_push, ticks, pair, redis_url):
    view = with_push()
    assert is_welcome(pair)
    assert view._push.has_message()
    assert redis.Redis.from_url(redis_url).client_kill_filter(_type="pubsub") >= 1  # of earlier tests, too
    view._push.has_message()
    ticks.forward(10)
    view._push.has_message()
    notifications.notify()
    assert hears(view)


def test_one_thread_listens_at_a_time(with_push, ticks, pair):
    view = with_push()
    assert is_welcome(pair)
    with view._push._listening:
        assert not view._push.has_message()
    assert view._push.has_message()


def test_a_fork_subscribes_for_itself(with_push, ticks, pair):
    view = with_push()
    for _ in range(2):
        assert is_welcome(pair)
        ticks.forward(0.02)
    before = view._push
    memory.forget()
    assert view._push is not before


@pytest.mark.django_db(transaction=True)
def test_the_process_that_revokes_notifies_others_after_the_commit(with_push, user, redis_url):
    with_push()
    listener = redis.Redis.from_url(redis_url).pubsub()
    listener.subscribe(notifications.NAME)
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    revoke_user(user)
    assert listener.get_message(timeout=5)["type"] == "message"


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_is_down_fails_no_revocation(with_push, client, pair, user, caplog):
    with_push("redis://127.0.0.1:1/0")
    assert is_welcome(pair)
    revoke_user(user)
    assert client.is_dead(pair)
    assert "was not announced" in caplog.text
