"""How often the endpoints may be called, and their answers when the cache can't count."""

import threading
from time import monotonic
from unittest import mock

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from rest_framework.exceptions import ParseError

from jwt_auth.exceptions import UnavailableError
from jwt_auth.throttling import CountingCache
from jwt_auth.views.parsers import StrictJSONParser
from tests.support.api_clients import register
from tests.support.clients import PASSWORD


class BrokenCache(BaseCache):
    """A cache whose server is down."""

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, *args, **kwargs):
        raise ConnectionError("the cache is down")

    set = add = touch = delete = clear = get


class ReadOnlyCache(BrokenCache):
    """A cache that can be read but not written."""

    def get(self, key, default=None, version=None):
        return default


class SilentCache(ReadOnlyCache):
    """A cache that hides its errors: an entry seems to be absent, and nothing is stored."""

    def set(self, *args, **kwargs):
        return None

    def add(self, *args, **kwargs):
        return False

    touch = add


class SimpleCache(SilentCache):
    """The same, in a class that lacks what some classes lack."""

    touch = BaseCache.touch


class HalfCache(LocMemCache):
    """A cache whose primary, or whose replica for reads, is down. It hides that, as SilentCache does."""

    is_readable = is_writable = True

    def get(self, key, default=None, version=None):
        return super().get(key, default, version) if self.is_readable else default

    def set(self, *args, **kwargs):
        return super().set(*args, **kwargs) if self.is_writable else None

    def add(self, *args, **kwargs):
        return super().add(*args, **kwargs) if self.is_writable else False

    def delete(self, *args, **kwargs):
        return super().delete(*args, **kwargs) if self.is_writable else False

    def touch(self, *args, **kwargs):
        return super().touch(*args, **kwargs) if self.is_writable else False


class FullCache(HalfCache):
    """A cache without memory for a new entry, which hides that."""

    def delete(self, *args, **kwargs):
        return LocMemCache.delete(self, *args, **kwargs)

    def touch(self, *args, **kwargs):
        return LocMemCache.touch(self, *args, **kwargs)


class FrozenCache(BrokenCache):
    """A cache whose server does not answer."""

    frozen = threading.Event()
    asked = 0

    def get(self, *args, **kwargs):
        FrozenCache.asked += 1
        self.frozen.wait(60)

    set = add = touch = delete = clear = get


@pytest.fixture
def throttle_rates(settings):
    def change(**rates):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}

    return change


def fail(client, user, address="192.0.2.1", name=None):
    body = {user.USERNAME_FIELD: name or user.get_username(), "password": "wrong"}
    return client.send("login/", body, REMOTE_ADDR=address)


def succeed(client, user, address="192.0.2.1"):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    return client.send("login/", body, REMOTE_ADDR=address).status_code


# Sign-ins


def test_the_eleventh_sign_in_of_a_minute_has_to_wait(client, user, clock):
    for _ in range(10):
        assert succeed(client, user) == 200
    clock.shift(20)
    refused = fail(client, user)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert refused["Retry-After"] == "40"
    assert refused["Cache-Control"] == "no-store"
    clock.shift(41)
    assert succeed(client, user) == 200


def test_each_address_has_a_budget_of_its_own(client, user, clock):
    for _ in range(10):
        succeed(client, user, "192.0.2.1")
    assert succeed(client, user, "192.0.2.1") == 429
    assert succeed(client, user, "192.0.2.2") == 200


def test_an_ipv6_network_of_64_bits_has_one_budget(client, user, clock):
    for number in range(10):
        succeed(client, user, f"2001:db8::{number + 1}")
    assert succeed(client, user, "2001:db8::ffff") == 429
    assert succeed(client, user, "2001:db8:0:1::1") == 200


def test_a_forwarded_header_buys_no_budget(client, user, clock):
    for number in range(10):
        client.defaults["HTTP_X_FORWARDED_FOR"] = f"198.51.100.{number}"
        assert succeed(client, user) == 200
    assert succeed(client, user) == 429


def test_the_rate_is_a_setting(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="2/min")
    assert [succeed(client, user) for _ in range(3)] == [200, 200, 429]


def test_failures_for_one_name_from_one_address_run_out(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="2/s")
    for _ in range(6):
        clock.shift(1.1)
        assert fail(client, user).status_code == 401
    clock.shift(1.1)
    assert succeed(client, user) == 429
    assert succeed(client, user, "192.0.2.2") == 200
    clock.shift(60)
    assert succeed(client, user) == 200


def test_sign_ins_that_succeed_use_up_no_failures(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="2/s")
    for _ in range(10):
        clock.shift(1.1)
        assert succeed(client, user) == 200


def test_failures_for_one_name_from_many_addresses_run_out_later(client, user, make_user, jwt_settings, clock):
    other = make_user("bob")
    jwt_settings(LOGIN_THROTTLE="1/s")
    for number in range(10):
        assert fail(client, user, f"192.0.2.{number}").status_code == 401
    assert succeed(client, user, "192.0.2.100") == 429
    assert succeed(client, other, "192.0.2.101") == 200
    clock.shift(61)
    assert succeed(client, user, "192.0.2.100") == 200


def test_spellings_of_one_name_share_a_budget(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    name = user.get_username()
    spellings = [name.upper(), name.title(), f" {name} ", name.replace("a", "\uff41"), f"{name}\t"]
    for number in range(10):
        fail(client, user, f"192.0.2.{number}", spellings[number % len(spellings)])
    assert succeed(client, user, "192.0.2.100") == 429


def test_a_name_sent_as_a_number_is_counted_like_its_text(client, make_user, jwt_settings, clock):
    # Otherwise guesses at "12345" would not be counted if the name is sent as the number 12345.
    user = make_user("12345")
    number = 12345 if user.USERNAME_FIELD == "username" else user.get_username()
    jwt_settings(LOGIN_THROTTLE="1/s")
    for address in range(10):
        assert fail(client, user, f"192.0.2.{address}", number).status_code in (400, 401)
    assert fail(client, user, "192.0.2.100", number).status_code in (400, 429)


def test_spellings_that_the_database_takes_for_one_name_share_a_budget(client, user, jwt_settings, clock):
    name = user.get_username()
    candidates = [name.replace("a", letter, 1) for letter in "\u00e0\u00e1\u00e2\u00e3\u00e4\u00e5\u0101"]
    candidates += [f"al{ignored}{name[2:]}" for ignored in ("\u0300", "\u200b", "\u00ad")]
    same = [spelling for spelling in candidates if type(user).objects.filter(**{user.USERNAME_FIELD: spelling})]
    if not same:
        pytest.skip("this database tells all spellings apart")
    jwt_settings(LOGIN_THROTTLE="1/s")
    for number in range(10):
        fail(client, user, f"192.0.2.{number}", same[number % len(same)])
    assert succeed(client, user, "192.0.2.100") == 429


@pytest.mark.parametrize(
    "spellings", [("Nobody", "nobody"), ("\ufb01n", "fin"), ("Stra\u00dfe", "strasse"), (" x", "x")]
)
@pytest.mark.every_value
def test_spellings_of_a_name_that_nobody_has_share_a_budget(client, user, jwt_settings, clock, spellings):
    jwt_settings(LOGIN_THROTTLE="1/s")
    bodies = [{user.USERNAME_FIELD: spelling, "password": "x"} for spelling in spellings]
    answers = [client.send("login/", bodies[n % 2], REMOTE_ADDR=f"192.0.2.{n}").status_code for n in range(11)]
    assert answers == [401] * 10 + [429]


@pytest.mark.parametrize("method", ["get", "options", "put"])
def test_what_is_no_sign_in_costs_nobody_s_budget(client, user, jwt_settings, clock, method):
    jwt_settings(LOGIN_THROTTLE="1/min")
    assert getattr(client, method)("/auth/login/").status_code in {200, 405}
    assert client.login(user).status_code == 200
    assert client.login(user).status_code == 429


def test_a_rate_of_none_counts_nothing(client, user, settings):
    token = client.tokens(user)["access_token"]
    for rate, last in (("1/min", 429), (None, 200)):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"jwt_auth_verify": rate}}
        assert [client.send("verify/", {"token": token}).status_code for _ in range(2)][1] == last


@pytest.mark.parametrize("name", [None, True, ["alice"], {"a": 1}])
def test_a_name_that_is_no_text_is_a_bad_request_and_counts_for_the_address(client, user, jwt_settings, name, clock):
    jwt_settings(LOGIN_THROTTLE="1/min")
    body = {user.USERNAME_FIELD: name, "password": "x"}
    assert client.send("login/", body).status_code == 400
    assert client.send("login/", body).status_code == 429


# The other endpoints


@pytest.mark.usefixtures("db", "clock")
@pytest.mark.parametrize(
    "case",
    [
        ("jwt_auth_refresh", "refresh/", {"refresh_token": "x"}, 401),
        ("jwt_auth_verify", "verify/", {"token": "x"}, 401),
        ("jwt_auth_revoke", "logout/", {"refresh_token": "x"}, 204),
        ("jwt_auth_revoke", "revoke/", {"token": "x"}, 200),
    ],
)
def test_rates_of_the_other_endpoints_are_those_of_drf_s_setting(client, throttle_rates, case):
    scope, path, body, normal = case
    throttle_rates(**{scope: "2/min"})
    assert [client.send(path, body).status_code for _ in range(3)] == [normal, normal, 429]
    throttle_rates()
    assert client.send(path, body).status_code == normal


@pytest.mark.usefixtures("db", "clock")
def test_an_exchange_over_budget_is_refused_before_its_body_is_read(client, throttle_rates):
    throttle_rates(jwt_auth_exchange="1/min")
    with mock.patch.object(StrictJSONParser, "parse", side_effect=ParseError) as parse:
        assert [client.send("token/", {"audience": "x"}).status_code for _ in range(3)] == [400, 429, 429]
    assert parse.call_count == 1


@pytest.mark.parametrize("path", ["logout/all/", "revoke/user/", "revoke/global/", "browser/logout/all/"])
def test_endpoints_for_users_are_counted_too(client, staff, throttle_rates, clock, path):
    throttle_rates(jwt_auth_revoke="1/min")
    for expected in ((204, 400), (429,)):
        # With a new session each time: a request may end its session, and the next one would be 401.
        user = client.bearer(client.tokens(staff)["access_token"])
        assert user.send(path).status_code in expected


def test_refreshing_leaves_the_budget_of_signing_out_alone(client, db, throttle_rates, clock):
    throttle_rates(jwt_auth_refresh="1/min", jwt_auth_revoke="1/min")
    assert client.refresh("x").status_code == 401
    assert client.refresh("x").status_code == 429
    assert client.send("logout/", {"refresh_token": "x"}).status_code == 204


# A cache that is down


BROKEN = pytest.mark.parametrize("backend", ["BrokenCache", "ReadOnlyCache", "SilentCache", "SimpleCache"])


@BROKEN
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_nobody_is_let_in_or_signed_out_while_nobody_can_count(client, user, settings, backend, password):
    pair = client.tokens(user)
    body = {user.USERNAME_FIELD: user.get_username(), "password": password}
    working = settings.CACHES
    settings.CACHES = {"default": {"BACKEND": f"tests.test_throttling.{backend}"}}
    answer = client.send("login/", body)
    assert (answer.status_code, answer.json()["detail"]) == (503, "The service is temporarily unavailable. Try again.")
    assert answer["Retry-After"] == "1"
    assert "WWW-Authenticate" not in answer
    # Requests without a throttle go on, and nobody was signed out.
    assert client.get_me(pair["access_token"]).status_code == 200
    settings.CACHES = working
    assert client.refresh(pair["refresh_token"]).status_code == 200


@pytest.mark.parametrize("backend", ["HalfCache", "FullCache"])
@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("broken", ["is_readable", "is_writable"])
def test_a_cache_of_which_one_half_does_nothing_gives_no_unlimited_guesses(
    client, user, settings, clock, monkeypatch, backend, before, broken
):
    """Reads that find nothing seem to be the first ones, and writes that do nothing leave the count as it was."""
    options = {"BACKEND": f"tests.test_throttling.{backend}", "LOCATION": "half"}
    settings.CACHES = {"default": options}
    caches["default"].clear()
    assert {fail(client, user).status_code for _ in range(before)} <= {401}
    monkeypatch.setattr(HalfCache, broken, False)
    answers = [fail(client, user).status_code for _ in range(5)]
    assert answers.count(401) <= 1
    assert answers[-3:] == [503] * 3
    monkeypatch.undo()
    assert fail(client, user).status_code == 401
    caches["default"].clear()


def test_requests_at_once_are_all_counted():
    """Each of them may have found no count yet."""
    key, history = "together", CountingCache()
    history.set(key, [1.0], 60)
    history.set(key, [2.0], 60)
    assert history.get(key, []) == [2.0, 1.0]


def test_a_request_that_others_always_overtake_is_refused(monkeypatch):
    history = CountingCache()
    history.set("overtaken", [1.0], 60)
    monkeypatch.setattr(LocMemCache, "delete", lambda *args, **kwargs: False)
    with pytest.raises(UnavailableError):
        history.set("overtaken", [2.0, 1.0], 60)


@pytest.mark.parametrize("backend", ["dummy.DummyCache", "locmem.LocMemCache"])
def test_a_cache_that_keeps_nothing_on_purpose_counts_nothing(client, user, settings, jwt_settings, backend):
    jwt_settings(LOGIN_THROTTLE="2/min")
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "counts"}}
    assert {succeed(client, user) for _ in range(4)} == ({200} if "Dummy" in backend else {200, 429})


@pytest.mark.usefixtures("impatient")
def test_a_cache_that_hangs_is_waited_for_once_and_refreshing_goes_on(client, user, settings, ticks):
    pair = client.tokens(user)
    settings.CACHES = {"default": {"BACKEND": "tests.test_throttling.FrozenCache"}}
    FrozenCache.frozen.clear()
    began, asked = monotonic(), FrozenCache.asked
    try:
        for _ in range(5):
            assert succeed(client, user) == 503
            pair = client.refresh(pair["refresh_token"]).json()
        assert client.get_me(pair["access_token"]).status_code == 200
        assert client.send("logout/", {"refresh_token": pair["refresh_token"]}).status_code == 204
        assert FrozenCache.asked == asked + 1
    finally:
        FrozenCache.frozen.set()
    assert monotonic() - began < 30  # the control: each wait for that cache would take a minute


ENDS = {
    "refresh/": ("post", 200),
    "verify/": ("post", 401),
    "token/": ("post", 401),
    "logout/": ("post", 204),
    "revoke/": ("post", 200),
    "logout/all/": ("post", 204),
    "sessions/": ("delete", 204),
    "sessions/{session}/": ("delete", 204),
    "browser/logout/": ("post", 204),
    "browser/logout/all/": ("post", 204),
    "browser/sessions/": ("delete", 204),
    "revoke/user/": ("post", 200),
    "clients/{client}/": ("delete", 204),
    "clients/{client}/revoke/": ("post", 200),
    "clients/{client}/keys/{kid}/": ("delete", 204),
}


@BROKEN
@pytest.mark.parametrize("path", ENDS)
def test_what_ends_or_renews_a_session_goes_on_while_nobody_can_count(client, staff, settings, log, backend, path):
    pair, api = client.tokens(staff), register(staff)
    names = {"session": pair["session"], "client": api.row.client_id, "kid": api.row.keys.get().kid}
    body = {"refresh_token": pair["refresh_token"], "token": pair["refresh_token"]}
    if path == "revoke/user/":
        body = {"user": str(staff.pk)}
    if "/revoke/" in path:
        body = {}
    settings.CACHES = {"default": {"BACKEND": f"tests.test_throttling.{backend}"}}
    method, status = ENDS[path]
    answer = client.bearer(pair["access_token"]).send(path.format(**names), body, method=method)
    assert answer.status_code == status
    assert "request_uncounted" in [record.event for record in log()]


@pytest.mark.parametrize(
    ("path", "method", "status"), [("clients/", "post", 503), ("clients/", "get", 200), ("introspect/", "post", 400)]
)
def test_new_credentials_wait_until_somebody_can_count_and_reading_does_not(
    client, staff, settings, path, method, status
):
    token = client.tokens(staff)["access_token"]
    settings.CACHES = {"default": {"BACKEND": "tests.test_throttling.BrokenCache"}}
    assert client.bearer(token).send(path, method=method).status_code == status


# Lists and deletions


@pytest.mark.parametrize("prefix", ["", "browser/"])
@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("sessions/", "get", 200),
        ("sessions/", "delete", 204),
        ("sessions/00000000-0000-0000-0000-000000000000/", "delete", 404),
    ],
)
def test_lists_and_deletions_are_counted_per_address(
    client, user, make_user, throttle_rates, clock, prefix, path, method, status
):
    throttle_rates(jwt_auth_sessions="2/min")
    ours = [client.bearer(client.tokens(each)["access_token"]) for each in (user, make_user("bob"))]
    answers = [ours[number % 2].send(prefix + path, method=method).status_code for number in range(3)]
    assert answers == [status, status, 429]
    assert ours[0].send(prefix + path, method=method, REMOTE_ADDR="192.0.2.2").status_code == status
    assert ours[0].options("/auth/" + prefix + path).status_code == 200


def test_what_a_user_changes_is_counted_over_all_addresses_and_for_each_user_apart(
    client, user, make_user, throttle_rates, clock
):
    throttle_rates(jwt_auth_user="3/min")
    mine, bobs = (client.bearer(client.tokens(each)["access_token"]) for each in (user, make_user("bob")))
    for number in range(3):
        assert mine.send("sessions/", method="delete", REMOTE_ADDR=f"192.0.2.{number}").status_code == 204
    for path, method in (("sessions/", "delete"), ("logout/all/", "post"), ("browser/sessions/", "delete")):
        assert mine.send(path, method=method, REMOTE_ADDR="192.0.2.9").status_code == 429
    assert mine.send("sessions/", method="get").status_code == 200
    assert bobs.send("sessions/", method="delete").status_code == 204
    clock.shift(61)
    assert mine.send("sessions/", method="delete").status_code == 204
