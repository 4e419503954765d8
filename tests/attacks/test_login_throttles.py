"""
The limits of password guessing. The defaults: 10 sign-ins a minute from an address; 30 failures an hour for a name from
an address; 100 failures an hour for a name from all addresses.
"""

import pytest
from django.contrib.auth import get_user_model
from rest_framework.settings import api_settings

from tests.support.clients import PASSWORD
from tests.support.guessing import HOUR, addresses, attempt


@pytest.fixture
def name(user):
    return user.get_username()


@pytest.fixture
def num_proxies(settings):
    def change(number):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": number}

    return change


@pytest.fixture
def ten_failures(jwt_settings):
    """10 failures for a name from all addresses: what shares a budget does so whatever its size is."""
    jwt_settings(LOGIN_THROTTLE="1/s")


def fail(client, name, times, clock, address="192.0.2.1"):
    """Fail this often from one address, at a pace that the budget of the address allows."""
    for i in range(times):
        if i and i % 10 == 0:
            clock.shift(61)
        assert attempt(client, name, address=address) == 401, i


def test_an_address_has_ten_sign_ins_a_minute_good_or_bad(client, name, clock):
    for i in range(10):
        assert attempt(client, name, PASSWORD if i % 2 else "wrong") == (200 if i % 2 else 401)
    assert attempt(client, name, PASSWORD) == 429
    assert attempt(client, "somebody-else", PASSWORD) == 429
    assert attempt(client, name, PASSWORD, address="192.0.2.2") == 200
    clock.shift(61)
    assert attempt(client, name, PASSWORD) == 200


def test_a_throttled_answer_says_so_and_when_to_come_back(client, user, name, clock):
    for _ in range(10):
        attempt(client, name)
    response = client.send("login/", {user.USERNAME_FIELD: name, "password": PASSWORD}, REMOTE_ADDR="192.0.2.1")
    assert (response.status_code, response.json()["code"]) == (429, "throttled")
    assert 0 < int(response["Retry-After"]) <= 60


def test_thirty_failures_for_a_name_close_it_to_that_address_alone(client, name, make_user, clock):
    bob = make_user("bob")
    fail(client, name, 30, clock)
    clock.shift(61)
    assert attempt(client, name, PASSWORD) == 429
    assert attempt(client, bob.get_username(), PASSWORD) == 200
    assert attempt(client, name, PASSWORD, address="192.0.2.2") == 200
    clock.shift(HOUR)
    assert attempt(client, name, PASSWORD) == 200


def test_successes_are_no_failures(client, name, clock):
    fail(client, name, 29, clock)
    clock.shift(61)
    for _ in range(5):
        clock.shift(10)
        assert attempt(client, name, PASSWORD) == 200


def test_a_success_does_not_give_the_guesser_a_new_budget(client, name, clock):
    fail(client, name, 20, clock)
    clock.shift(61)
    assert attempt(client, name, PASSWORD) == 200
    clock.shift(61)
    fail(client, name, 10, clock)
    clock.shift(61)
    assert attempt(client, name, PASSWORD) == 429


def test_a_hundred_failures_from_all_over_the_world_close_a_name(client, name, make_user, clock):
    bob, world = make_user("bob"), addresses()
    for _ in range(100):
        assert attempt(client, name, address=next(world)) == 401
    assert attempt(client, name, PASSWORD, address=next(world)) == 429
    assert attempt(client, bob.get_username(), PASSWORD, address=next(world)) == 200
    clock.shift(HOUR + 1)
    assert attempt(client, name, PASSWORD, address=next(world)) == 200


def test_an_unknown_name_is_closed_in_the_same_way(client, user, ten_failures, clock):
    """Otherwise the budget would tell whether the user exists."""
    world = addresses()
    for _ in range(10):
        assert attempt(client, "nobody", address=next(world)) == 401
    assert attempt(client, "nobody", address=next(world)) == 429


SPELLINGS = {
    "capitals": str.upper,
    "spaces around": "  {} ".format,
    "no-break space behind": "{}\u00a0".format,
    "fullwidth letters": lambda name: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in name),
    "mathematical bold": lambda name: name.replace("a", "\U0001d41a"),
    "accent": lambda name: name.replace("e", "\u00e9", 1),
    "combining accent": lambda name: name.replace("e", "e\u0301", 1),
    "zero width space": lambda name: name.replace("l", "l\u200b", 1),
    "soft hyphen": lambda name: name.replace("l", "l\u00ad", 1),
    "sharp s": lambda name: name.replace("ss", "\u00df"),
    "control character": lambda name: name + "\x01",
}


@pytest.mark.parametrize("respell", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_that_signs_a_user_in_shares_the_users_budget(client, make_user, ten_failures, clock, respell):
    """The database decides which spellings do: MariaDB's collations ignore accents and case."""
    user, world = make_user("alicess"), addresses()
    name, spelling = user.get_username(), respell(user.get_username())
    assert spelling != name
    if attempt(client, spelling, PASSWORD, address=next(world)) != 200:
        pytest.skip("this database does not take the spelling for the name")
    for _ in range(5):
        assert attempt(client, name, address=next(world)) == 401
        assert attempt(client, spelling, address=next(world)) == 401
    assert attempt(client, name, PASSWORD, address=next(world)) == 429
    assert attempt(client, spelling, PASSWORD, address=next(world)) == 429


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("spelling", ["alic\u00e9", "ALICE", "al\u200bice", "alice\u0301", "\uff41lice"])
def test_failures_with_a_spelling_count_for_the_name_if_it_exists_or_not(
    client, make_user, ten_failures, clock, spelling, exists
):
    """Otherwise the budgets would tell whether the user exists, where the database considers both names equal."""
    name = make_user("alice").get_username() if exists else "alice"
    world = addresses()
    for _ in range(10):
        assert attempt(client, name.replace("alice", spelling), address=next(world)) == 401
    assert attempt(client, name, PASSWORD, address=next(world)) == 429
    assert attempt(client, f"{name}2", PASSWORD, address=next(world)) == 401


@pytest.mark.parametrize(
    ("name", "other"),
    [("al\U0001f600ce", "al\U0001f389ce"), ("jess", "jes\u00df"), ("ol", "\u00f8l"), ("ali", "al\u0131")],
)
def test_a_spelling_that_only_the_database_considers_equal_shares_the_account_s_budget(
    client, make_user, clock, name, other
):
    """For a collation all emoji may be one letter: otherwise a guesser would have a budget for each of them."""
    user, world = make_user(name), addresses()
    name, other = user.get_username(), user.get_username().replace(name, other)
    if attempt(client, other, PASSWORD, address=next(world)) != 200:
        pytest.skip("this database does not take the spelling for the name")
    for _ in range(50):
        assert attempt(client, name, address=next(world)) == 401
        assert attempt(client, other, address=next(world)) == 401
    assert attempt(client, name, PASSWORD, address=next(world)) == 401
    assert attempt(client, other, PASSWORD, address=next(world)) == 401
    clock.shift(HOUR + 1)
    assert attempt(client, other, PASSWORD, address=next(world)) == 200


def test_a_name_of_digits_sent_as_a_number_shares_its_budget(client, ten_failures, clock, db):
    model, world = get_user_model(), addresses()
    model._default_manager.create_user(**{model.USERNAME_FIELD: "12345"}, password=PASSWORD)
    if attempt(client, 12345, PASSWORD, address=next(world)) != 200:
        return  # a number is not a name, so nothing is counted
    for _ in range(10):
        assert attempt(client, 12345, address=next(world)) == 401
    assert attempt(client, 12345, PASSWORD, address=next(world)) == 429
    assert attempt(client, "12345", PASSWORD, address=next(world)) == 429


def test_without_num_proxies_x_forwarded_for_changes_nothing(client, name, clock):
    assert api_settings.NUM_PROXIES is None
    for address in (f"203.0.113.{i}" for i in range(10)):
        assert attempt(client, name, HTTP_X_FORWARDED_FOR=address) == 401
    assert attempt(client, name, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.99") == 429


def test_with_one_proxy_the_last_hop_counts_and_what_the_client_wrote_does_not(client, name, clock, num_proxies):
    num_proxies(1)
    for i in range(10):
        assert attempt(client, name, HTTP_X_FORWARDED_FOR=f"203.0.113.{i}, 198.51.100.7") == 401
    assert attempt(client, name, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.99, 198.51.100.7") == 429
    assert attempt(client, name, PASSWORD, HTTP_X_FORWARDED_FOR="198.51.100.7") == 429
    assert attempt(client, name, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.99, 198.51.100.8") == 200


def test_with_two_proxies_the_last_but_one_hop_counts(client, name, clock, num_proxies):
    num_proxies(2)
    for i in range(10):
        assert attempt(client, name, HTTP_X_FORWARDED_FOR=f"203.0.113.{i}, 198.51.100.7, 10.0.0.{i}") == 401
    assert attempt(client, name, PASSWORD, HTTP_X_FORWARDED_FOR="198.51.100.7, 10.0.0.99") == 429
    assert attempt(client, name, PASSWORD, HTTP_X_FORWARDED_FOR="198.51.100.8, 10.0.0.99") == 200


@pytest.mark.parametrize("forwarded", ["", ",", "garbage", "\0", "fe80::1%eth0", "1.2.3.4:80", "x" * 9999, "unknown"])
def test_a_forwarded_address_that_is_none_never_crashes(client, name, clock, num_proxies, forwarded):
    num_proxies(1)
    assert attempt(client, name, PASSWORD, HTTP_X_FORWARDED_FOR=forwarded) == 200


@pytest.mark.parametrize("address", ["", "unix:", "fe80::1%eth0", "::1", "2001:db8::1", "::ffff:192.0.2.9"])
def test_an_odd_address_of_the_peer_never_crashes(client, name, clock, address):
    assert attempt(client, name, PASSWORD, address=address) == 200


def test_an_ipv6_client_can_not_multiply_itself_within_its_network(client, name, clock):
    for i in range(10):
        assert attempt(client, name, address=f"2001:db8:1:2::{i:x}") == 401
    assert attempt(client, name, PASSWORD, address="2001:db8:1:2:ffff::1") == 429
    assert attempt(client, name, PASSWORD, address="2001:db8:1:3::1") == 200


def test_an_ipv4_client_of_a_server_that_listens_on_ipv6_has_its_own_budget(client, name, clock):
    """Such a server sees ::ffff:192.0.2.1; all of IPv4 would be within one /64."""
    for _ in range(10):
        assert attempt(client, name, address="::ffff:192.0.2.1") == 401
    assert attempt(client, name, PASSWORD, address="192.0.2.1") == 429
    assert attempt(client, name, PASSWORD, address="::ffff:192.0.2.2") == 200


PADS = {"spaces": " ", "tabs": "\t", "no-break spaces": "\xa0", "newlines": "\n"}


@pytest.mark.parametrize("pad", PADS.values(), ids=PADS)
@pytest.mark.parametrize("before", [True, False])
def test_a_padded_name_has_the_budget_of_the_name(client, name, jwt_settings, clock, pad, before):
    jwt_settings(LOGIN_THROTTLE="1/s")
    padded, world = (pad * 600 + name if before else name + pad * 600), addresses()
    assert [attempt(client, padded, address=next(world)) for _ in range(11)] == [401] * 10 + [429]
    assert attempt(client, name, PASSWORD, address=next(world)) == 429
    clock.shift(61)
    assert attempt(client, padded, PASSWORD, address=next(world)) == 200


UNREADABLE = {
    "too long": "x" * 513,
    "too long within": "a" + " " * 600 + "b",
    "blank": " " * 600,
    "NUL": "a\0b",
    "number": 5,
    "list": ["alice"],
    "dict": {"a": "b"},
    "null": None,
    "boolean": True,
}


@pytest.mark.parametrize("unreadable", UNREADABLE.values(), ids=UNREADABLE)
def test_a_name_without_a_budget_reaches_no_backend(client, user, monkeypatch, unreadable):
    called = []
    monkeypatch.setattr("jwt_auth.views.users.authenticate", lambda *args: called.append(args))
    body = {user.USERNAME_FIELD: unreadable, "password": PASSWORD}
    assert client.send("login/", body).status_code == 400
    assert called == []
    # The longest name, and its control.
    assert attempt(client, " " * 600 + "x" * 512) == 401
    assert len(called) == 1


def test_a_view_that_reads_another_name_than_the_throttles_signs_nobody_in(client, name, monkeypatch):
    assert attempt(client, name, PASSWORD) == 200
    monkeypatch.setattr("jwt_auth.throttling.read_name", lambda value: None)
    assert attempt(client, name, PASSWORD) == 400
