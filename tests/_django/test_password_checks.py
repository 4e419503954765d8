"""The method of Django's users that checks a password is replaced. In a sign-in: tests/attacks."""

import asyncio
import copy
import pickle
from inspect import isfunction, signature

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser

from jwt_auth import receivers
from jwt_auth._django.password_checks import hear_password_checks
from tests.support.clients import PASSWORD


@pytest.fixture
def plain():
    class Plain:
        def check_password(self, raw_password, setter=None):
            """Compare."""
            return raw_password == "right"

    return Plain


@pytest.fixture
def hear(plain):
    def hear(instead):
        heard = []

        def before(user):
            heard.append(user)
            return instead

        hear_password_checks([plain], before)
        return plain(), heard

    return hear


def test_django_s_users_check_by_a_method_that_can_be_replaced():
    """A canary: what the module relies on in each supported Django."""
    check = vars(AbstractBaseUser)["check_password"]
    assert isfunction(check)
    assert list(signature(check).parameters) == ["self", "raw_password"]
    assert check.__doc__ == check.__wrapped__.__doc__
    assert isfunction(check.__wrapped__)


@pytest.mark.django_db
def test_django_s_backend_checks_by_the_method(user, monkeypatch):
    monkeypatch.setattr(get_user_model(), "check_password", lambda self, raw_password: raw_password == "another")
    assert ModelBackend().authenticate(None, user.get_username(), "another") == user


def test_each_check_is_heard_and_nothing_else_changes(hear):
    user, heard = hear(instead=None)
    assert user.check_password("right")
    assert user.check_password(raw_password="right")
    assert not user.check_password("wrong")
    assert heard == [user] * 3
    assert user.check_password.__doc__ == "Compare."


def test_another_password_is_checked_instead_however_it_was_passed(hear):
    user, _ = hear(instead="right")
    assert user.check_password("wrong", None)
    assert user.check_password(raw_password="wrong")


def test_the_right_password_is_not_checked_if_another_one_is(hear):
    user, _ = hear(instead="wrong")
    assert not user.check_password("right")


def test_each_class_that_defines_the_method_is_heard_once(plain):
    class Child(plain):
        def check_password(self, *args, **kwargs):
            return super().check_password(*args, **kwargs)

    class Silent(plain):
        pass

    heard = []
    for _ in range(2):
        hear_password_checks([Child, Silent], heard.append)
    users = [Child(), Silent(), plain()]
    assert all(user.check_password("right") for user in users)
    assert heard == [users[0], *users]


def test_what_is_no_plain_method_is_left_alone():
    class Odd:
        check_password = staticmethod(lambda raw_password: raw_password == "right")

    heard = []
    hear_password_checks([Odd], heard.append)
    assert Odd().check_password("right")
    assert heard == []


@pytest.mark.django_db
def test_outside_a_sign_in_users_are_as_django_makes_them(user):
    replaced = vars(AbstractBaseUser)["check_password"]
    receivers.connect()
    assert vars(AbstractBaseUser)["check_password"] is replaced
    other = copy.copy(user)
    other.set_password("other")
    assert [each.check_password(PASSWORD) for each in (user, other)] == [True, False]
    assert pickle.loads(pickle.dumps(user)).check_password(PASSWORD)
    assert not vars(user).keys() & {"check_password"}
    assert asyncio.run(user.acheck_password("wrong")) is False
