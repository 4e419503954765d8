"""
An account has one budget of failures, however many names and spellings lead to it, and no answer tells that two names
do. The budgets of a name are in test_login_throttles.py.
"""

import copy
import pickle

import pytest
from django.contrib.auth import get_user_model, hashers
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.signals import user_login_failed

from jwt_auth.exceptions import InvalidCredentialsError
from tests.support.clients import PASSWORD
from tests.support.guessing import addresses, attempt
from tests.support.queries import Queries


def letters(name):
    """Return what the natural key and the backend of these tests compare: the letters before the @."""
    return "".join(mark for mark in name.partition("@")[0] if mark.isalpha())


def holder(name):
    users = get_user_model()._default_manager.all()
    return next((user for user in users if letters(user.get_username()) == letters(name)), None)


class ByLetters(BaseBackend):
    def authenticate(self, request, username=None, password=None):
        user = holder(username)
        return user if user and user.check_password(password) else None


class Directory(BaseBackend):
    """Compares passwords itself."""

    heard: list[str] = []

    def authenticate(self, request, username=None, password=None):
        self.heard.append(password)
        return holder(username) if password == PASSWORD else None


class Careless(BaseBackend):
    """Keeps the user for all sign-ins, pickles it, and checks the password of a copy as well."""

    kept: list[bytes] = []

    def authenticate(self, request, username=None, password=None):
        if not self.kept:
            self.kept.append(pickle.dumps(holder(username)))
        user = pickle.loads(self.kept[0])
        other = copy.copy(user)
        other.set_password("other")
        assert not other.check_password(PASSWORD)
        return user if user.check_password(password) else None


class ByEmail(BaseBackend):
    def authenticate(self, request, username=None, password=None):
        user = get_user_model()._default_manager.filter(email=username).first()
        return user if user and user.check_password(password) else None


def by_natural_key(self, name):
    user = holder(name)
    if user is None:
        raise self.model.DoesNotExist
    return user


@pytest.fixture(params=["natural key", "backend", "both"])
def aliases(request, monkeypatch, settings, jwt_settings):
    """
    Names with other digits and punctuation lead to the same account, in each way that Django has.

    The budgets: 3 failures a minute from an address, 10 from all addresses.
    """
    jwt_settings(LOGIN_THROTTLE="1/s")
    if request.param != "backend":
        manager = type(get_user_model()._default_manager)
        monkeypatch.setattr(manager, "get_by_natural_key", by_natural_key, raising=False)
    if request.param != "natural key":
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.ByLetters"]


@pytest.mark.usefixtures("aliases")
def test_failures_by_any_names_close_the_account_for_all_of_them(client, user, make_user, clock):
    bob, world = make_user("bob"), addresses()
    for number in range(10):
        assert attempt(client, f"alice.{number}", address=next(world)) == 401
    for name in (user.get_username(), "alice.0", "alice.999"):
        assert attempt(client, name, PASSWORD, address=next(world)) == 401
    assert attempt(client, bob.get_username(), PASSWORD, address=next(world)) == 200
    clock.shift(61)
    assert attempt(client, "alice.999", PASSWORD, address=next(world)) == 200


@pytest.mark.usefixtures("aliases")
def test_failures_from_one_address_close_it_for_that_address_alone(client, user, clock):
    for number in range(12):  # more than all addresses together may send
        assert attempt(client, f"alice.{number}") == 401
        clock.shift(1.1)
    assert attempt(client, "alice.999", PASSWORD) == 401
    assert attempt(client, "alice.999", PASSWORD, address="192.0.2.2") == 200


@pytest.mark.usefixtures("aliases")
@pytest.mark.parametrize("exists", [True, False])
def test_no_answer_tells_that_two_names_lead_to_one_account(client, make_user, clock, exists):
    """The control is a name that nobody has: its answers are the same, in the same order."""
    make_user("alice" if exists else "carol")
    world = addresses()
    answers = [attempt(client, "alice.1", address=next(world)) for _ in range(11)]
    answers += [attempt(client, "alice.2", address=next(world)) for _ in range(11)]
    assert answers == ([401] * 10 + [429]) * 2


@pytest.mark.usefixtures("aliases")
def test_what_is_refused_is_like_a_wrong_password_and_the_log_says_why(client, user, clock, log):
    world = addresses()
    for number in range(10):
        attempt(client, f"alice.{number}", address=next(world))
    body = {user.USERNAME_FIELD: "alice.998"}
    wrong = client.send("login/", {**body, "password": "wrong"}, REMOTE_ADDR=next(world))
    right = client.send("login/", {**body, "password": PASSWORD}, REMOTE_ADDR=next(world))
    assert right.status_code == 401
    assert right.content == wrong.content
    assert right.headers == wrong.headers
    assert ["none is compared" in entry.reason for entry in log()[-3:]] == [False, True, True]
    assert InvalidCredentialsError.code == right.json()["code"]


@pytest.mark.usefixtures("aliases")
def test_the_failures_of_an_account_that_is_closed_do_not_keep_it_closed(client, user, clock):
    world = addresses()
    for number in range(20):
        clock.shift(1)
        attempt(client, f"alice.{number}", address=next(world))
    clock.shift(51)
    assert attempt(client, "alice.998", PASSWORD, address=next(world)) == 200


@pytest.mark.usefixtures("aliases")
def test_successes_by_any_names_are_no_failures(client, user, clock):
    for number in range(20):
        clock.shift(1.1)
        assert attempt(client, f"alice.{number}", PASSWORD) == 200


def test_the_usual_sign_in_is_closed_by_the_budget_of_its_name_first(client, user, jwt_settings, clock):
    """So that its owner is told to wait."""
    jwt_settings(LOGIN_THROTTLE="1/s")
    world = addresses()
    for _ in range(10):
        attempt(client, user.get_username(), address=next(world))
    assert attempt(client, user.get_username(), PASSWORD, address=next(world)) == 429


@pytest.mark.usefixtures("aliases")
def test_the_password_of_a_closed_account_is_not_compared(client, user, settings, clock):
    """A right one would be told by the upgrade of an old hash, by the time, and by the signal that is not sent."""
    usual = settings.PASSWORD_HASHERS
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher", *usual]
    old = hashers.make_password(PASSWORD, hasher=hashers.get_hashers()[1].algorithm)
    get_user_model().objects.filter(pk=user.pk).update(password=old)
    world, heard = addresses(), []

    def hear(**kwargs):
        heard.append(kwargs)

    def seen(password):
        heard.clear()
        with Queries() as queries:
            status = attempt(client, "alice.77", password, address=next(world))
        return status, len(queries), len(heard)

    for number in range(10):
        attempt(client, f"alice.{number}", address=next(world))
    user_login_failed.connect(hear)
    closed = [seen("wrong"), seen(PASSWORD)]
    user.refresh_from_db()
    kept = user.password
    clock.shift(61)
    opened = seen(PASSWORD)
    user_login_failed.disconnect(hear)
    user.refresh_from_db()
    assert closed[0] == closed[1]
    assert closed[0][2] == 1
    assert kept == old
    assert (opened[0], opened[2]) == (200, 0)
    assert user.password != old


def test_a_directory_does_not_get_the_password_for_a_closed_account_either(
    client, user, settings, jwt_settings, monkeypatch, clock
):
    jwt_settings(LOGIN_THROTTLE="1/s")
    monkeypatch.setattr(type(get_user_model()._default_manager), "get_by_natural_key", by_natural_key, raising=False)
    monkeypatch.setattr(Directory, "heard", [])
    model_backend = f"{ModelBackend.__module__}.{ModelBackend.__qualname__}"
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Directory", model_backend]
    world = addresses()
    assert attempt(client, "alice.0", PASSWORD, address=next(world)) == 200
    for number in range(10):
        attempt(client, f"alice.{number}", address=next(world))
    assert attempt(client, "alice.77", PASSWORD, address=next(world)) == 401
    assert Directory.heard[0] == PASSWORD
    assert Directory.heard[-1] not in (PASSWORD, "wrong")


def test_what_a_directory_finds_by_another_name_is_hidden_for_a_closed_account(
    client, user, settings, jwt_settings, clock, log
):
    jwt_settings(LOGIN_THROTTLE="1/s")
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Directory", f"{__name__}.ByLetters"]
    world = addresses()
    assert attempt(client, "alice.0", PASSWORD, address=next(world)) == 200
    for number in range(10):
        attempt(client, f"alice.{number}", address=next(world))
    assert attempt(client, "alice.77", PASSWORD, address=next(world)) == 401
    assert "the credentials are right" in log()[-1].reason


def test_a_backend_that_keeps_users_changes_nothing(client, user, settings, jwt_settings, monkeypatch, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    monkeypatch.setattr(Careless, "kept", [])
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Careless"]
    world = addresses()
    assert attempt(client, "alice", PASSWORD, address=next(world)) == 200
    for number in range(10):
        assert attempt(client, f"alice.{number}", address=next(world)) == 401
    assert attempt(client, "alice.77", PASSWORD, address=next(world)) == 401
    clock.shift(61)
    assert attempt(client, "alice.77", PASSWORD, address=next(world)) == 200


@pytest.mark.parametrize("name_is_checked", [False, True])
def test_an_account_whose_password_nobody_checked_stays_open(
    client, user, settings, jwt_settings, clock, name_is_checked
):
    """The name is the account's natural key, but its only backend knows users by their address."""
    jwt_settings(LOGIN_THROTTLE="1/s")
    backends = [f"{ModelBackend.__module__}.{ModelBackend.__qualname__}"] * name_is_checked
    settings.AUTHENTICATION_BACKENDS = [*backends, f"{__name__}.ByEmail"]
    get_user_model().objects.filter(pk=user.pk).update(email="a@example.org")
    name = "alice" if user.USERNAME_FIELD != "email" else "x@example.org"
    world = addresses()
    for _ in range(10):
        attempt(client, name, address=next(world))
    is_closed = name_is_checked and user.USERNAME_FIELD != "email"
    assert attempt(client, "a@example.org", PASSWORD, address=next(world)) == (401 if is_closed else 200)


@pytest.mark.usefixtures("aliases")
def test_ten_failures_under_one_alias_close_the_owner_s_own_name(client, user, clock):
    """The other side of the budget; see docs/decisions/0030-names-and-accounts.md."""
    world = addresses()
    for _ in range(10):
        attempt(client, "alice.1", address=next(world))
    assert attempt(client, user.get_username(), PASSWORD, address=next(world)) == 401
