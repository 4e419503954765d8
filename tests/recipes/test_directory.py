"""A directory such as LDAP: its backend asks another server, and makes the user at the first sign-in."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend
from django.urls import include, path

from tests.support.answers import assert_error
from tests.support.clients import PASSWORD
from tests.support.guessing import addresses
from tests.support.recipes import end_others, make_the_tour

urlpatterns = [path("auth/", include("jwt_auth.urls"))]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]

# The directory: the password of each name.
ENTRIES = {}


class DirectoryBackend(BaseBackend):
    """As that of django-auth-ldap, it compares no hash, and knows what its server answers to a bind."""

    def authenticate(self, request, username=None, password=None, **kwargs):
        if ENTRIES.get(username) != password:
            return None
        user, is_new = get_user_model().objects.get_or_create(username=username)
        if is_new:
            user.set_unusable_password()
            user.save()
        return user

    def get_user(self, user_id):
        return get_user_model().objects.filter(pk=user_id).first()


@pytest.fixture(autouse=True)
def _directory(settings, monkeypatch):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.DirectoryBackend"]
    monkeypatch.setitem(ENTRIES, "alice", PASSWORD)


def sign_in(client, password=PASSWORD, **extra):
    return client.send("login/", {"username": "alice", "password": password}, **extra)


def the_user():
    return get_user_model().objects.get()


def test_the_first_sign_in_makes_the_user(client):
    assert_error(sign_in(client, "wrong"), 401, "invalid_credentials")
    assert not get_user_model().objects.exists()
    answer = sign_in(client)
    make_the_tour(client, answer, the_user())
    make_the_tour(client, sign_in(client), the_user())


def test_a_new_password_in_the_directory_ends_no_session_and_a_deactivation_here_does(client, monkeypatch):
    own, other = sign_in(client).json(), sign_in(client).json()
    monkeypatch.setitem(ENTRIES, "alice", "another")
    assert_error(sign_in(client), 401, "invalid_credentials")
    end_others(client, own, other)
    user = the_user()
    user.is_active = False
    user.save()
    assert client.is_dead(own)
    assert_error(sign_in(client, "another"), 401, "invalid_credentials")


def test_wrong_guesses_close_the_name_before_the_directory_does(client, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    world = addresses()
    assert sign_in(client, REMOTE_ADDR=next(world)).status_code == 200
    guesses = [sign_in(client, "wrong", REMOTE_ADDR=next(world)).status_code for _ in range(11)]
    assert guesses == [401] * 10 + [429]
    assert sign_in(client, REMOTE_ADDR=next(world)).status_code == 429
