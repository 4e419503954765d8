"""
An account has one budget of failures, however many names and spellings lead to it, and no answer tells that two names
do. The budgets of a name are in test_login_throttles.py.
"""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend

from jwt_auth.exceptions import InvalidCredentialsError
from tests.support.clients import PASSWORD
from tests.support.guessing import addresses, attempt


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
    for number in range(3):
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
    assert "too many" in log()[-1].reason
    assert "too many" not in log()[-2].reason
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
