"""Single-use tokens: the first of all threads, processes and machines is accepted, and no other."""

import hashlib
import subprocess
import sys
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.db import connection, transaction

from jwt_auth._django.caches import helping_cache
from jwt_auth.authentication.replay import burn, shared_cache
from jwt_auth.exceptions import ReplayedTokenError, UnavailableError
from jwt_auth.management.cleaning import MARGIN, expired_used_tokens
from jwt_auth.models import UsedToken
from tests.support.clocks import NOW
from tests.support.outages import outage
from tests.support.redis_server import redis_server

UNTIL = NOW + timedelta(minutes=5)
REDIS = "django.core.cache.backends.redis.RedisCache"
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def redis():
    with redis_server() as url:
        yield url


@pytest.fixture
def in_redis(redis, settings):
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": redis}}
    caches["default"].clear()
    yield redis
    caches["default"].close()


@pytest.fixture(params=["database", "redis"])
def anywhere(request, db):
    if request.param == "redis":
        request.getfixturevalue("in_redis")
    return request.param


def was_new(iss, jti, until=UNTIL, now=NOW):
    try:
        burn(iss, jti, until, now=now)
    except ReplayedTokenError:
        return False
    return True


def test_a_token_is_single_use(anywhere):
    assert [was_new("client_a", "1") for _ in range(3)] == [True, False, False]
    assert was_new("client_a", "2")


def test_each_issuer_has_names_of_its_own(anywhere):
    pairs = [("a", "b c"), ("a b", "c"), ("b", "a c"), ("A", "b c"), ("a", "B c"), ("a", "b c ")]
    assert [was_new(*pair) for pair in pairs] == [True] * 6
    assert [was_new(*pair) for pair in pairs] == [False] * 6


def test_any_name_that_a_token_can_have_will_do(anywhere):
    for jti in ("x" * 255, "\N{SNOWMAN}" * 255, "%s", "' OR 1=1 --", "0"):
        assert (was_new("client_a", jti), was_new("client_a", jti)) == (True, False), jti


# Storage


def test_the_database_remembers_it_until_it_is_dead_on_every_machine(db, clock):
    burn("client_a", "1", UNTIL)
    assert UsedToken.objects.get().expires_at == UNTIL + timedelta(seconds=60)
    assert not expired_used_tokens(UNTIL + timedelta(seconds=60) + MARGIN).exists()
    assert expired_used_tokens(UNTIL + timedelta(seconds=61) + MARGIN).count() == 1


def test_a_row_names_nobody(db):
    burn("client_a", "secret", UNTIL)
    # The same in each release: processes of two releases share the table.
    digest = hashlib.sha256(b"client_a\0secret").digest()
    assert str(UsedToken.objects.get()) == UUID(bytes=digest[:16], version=4).hex


def test_a_cache_remembers_it_as_long(in_redis, db, clock):
    burn("client_a", "1", UNTIL)
    cache = caches["default"]
    (key,) = cache._cache.get_client().keys("*")
    assert 0 < cache._cache.get_client().ttl(key) <= 360
    assert cache._cache.get_client().ttl(key) >= 355
    assert not UsedToken.objects.exists()


@pytest.mark.parametrize(
    "backend", ["locmem.LocMemCache", "dummy.DummyCache", "filebased.FileBasedCache", "db.DatabaseCache"]
)
def test_a_cache_that_can_not_say_who_was_first_is_not_asked(db, settings, tmp_path, backend):
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": str(tmp_path)}}
    assert shared_cache() is None
    assert (was_new("client_a", "1"), was_new("client_a", "1")) == (True, False)
    assert UsedToken.objects.count() == 1


def test_the_database_can_be_chosen_over_a_cache(in_redis, db, jwt_settings):
    assert shared_cache() is helping_cache("default")
    jwt_settings(REPLAY_CACHE=None)
    assert shared_cache() is None


class Failing(BaseCache):
    """A cache whose server is down."""

    def __init__(self, location, params):
        super().__init__(params)

    def add(self, *arguments, **options):
        raise ConnectionError("nobody is there")


def test_another_cache_can_be_named(db, settings, jwt_settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "used": {"BACKEND": REDIS, "LOCATION": "redis://127.0.0.1:1"},
    }
    jwt_settings(REPLAY_CACHE="used")
    assert shared_cache() is helping_cache("used")


def test_a_cache_that_fails_lets_nobody_in(settings):
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://127.0.0.1:1"}}
    with pytest.raises(UnavailableError, match="cache of used tokens"):
        burn("client_a", "1", UNTIL, now=NOW)


class Silent(Failing):
    """A cache that hides its errors: it has nothing, and stores nothing."""

    def add(self, *arguments, **options):
        return False

    touch = add


def test_a_cache_that_hides_its_errors_says_of_no_token_that_it_was_used(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Silent"}}
    with pytest.raises(UnavailableError, match="does not store anything"):
        burn("client_a", "1", UNTIL, now=NOW)


@pytest.mark.parametrize("backend", ["Silent", "Failing"])
def test_a_request_that_only_revokes_goes_on_while_the_cache_fails_and_its_token_is_a_row(db, settings, backend):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.{backend}"}}
    burn("client_a", "1", UNTIL, now=NOW, only_revokes=True)
    with pytest.raises(ReplayedTokenError):
        burn("client_a", "1", UNTIL, now=NOW, only_revokes=True)
    assert UsedToken.objects.count() == 1


def test_a_request_that_only_revokes_uses_its_token_up_in_a_cache_that_works(in_redis, db):
    """The control."""
    burn("client_a", "1", UNTIL, now=NOW, only_revokes=True)
    assert not was_new("client_a", "1")
    assert not UsedToken.objects.exists()


def test_a_database_that_fails_lets_nobody_in(db):
    with outage(), pytest.raises(UnavailableError):
        burn("client_a", "1", UNTIL)
    assert was_new("client_a", "1")


def test_a_second_use_breaks_no_transaction_of_the_project(db):
    burn("client_a", "1", UNTIL)
    with transaction.atomic():
        assert not was_new("client_a", "1")
        assert UsedToken.objects.count() == 1  # PostgreSQL would refuse this query if the transaction were broken


# Threads and processes


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_of_two_threads_one_is_first(at_once):
    for number in range(20):
        assert sum(at_once(*[lambda n=number: was_new("client_a", f"token {n}")] * 2)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_threads_one_is_first_in_a_cache(at_once, in_redis):
    for number in range(20):
        assert sum(at_once(*[lambda n=number: was_new("client_a", f"token {n}")] * 2)) == 1
    assert not UsedToken.objects.exists()


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_of_two_transactions_the_second_waits_for_the_first(at_once):
    entered, leave = Barrier(2), []

    def first():
        with transaction.atomic():
            burn("client_a", "1", UNTIL)
            entered.wait(60)
            leave.append("first")

    def second():
        entered.wait(60)
        new = was_new("client_a", "1")
        leave.append("second")
        return new

    assert at_once(first, second) == [None, False]
    assert leave == ["first", "second"]


def of_two_processes(cache_url):
    """Let two processes use the same hundred tokens, and return for each process which ones it used first."""
    command = [sys.executable, "-m", "tests.authentication.burner", connection.settings_dict["NAME"], cache_url, "100"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        assert [child.stdout.readline() for child in children] == ["ready\n", "ready\n"]
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        return [child.communicate(timeout=60)[0] for child in children]
    finally:
        for child in children:
            child.kill()


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_of_two_processes_one_is_first():
    one, other = of_two_processes("")
    assert len(one) == 100
    assert all({a, b} == {"0", "1"} for a, b in zip(one, other, strict=True)), (one, other)
    assert UsedToken.objects.count() == 100


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_one_is_first_in_a_cache(in_redis):
    one, other = of_two_processes(in_redis)
    assert len(one) == 100
    assert all({a, b} == {"0", "1"} for a, b in zip(one, other, strict=True)), (one, other)
