"""djoser registers users and resets passwords; its views for tokens are left out, and this app signs users in."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.urls import include, path
from djoser.views import UserViewSet
from rest_framework.response import Response

from jwt_auth import sessions
from tests.support.answers import assert_error
from tests.support.clients import PASSWORD
from tests.support.recipes import end_others, make_the_tour


class Users(UserViewSet):
    def set_password(self, request, *args, **kwargs):
        with sessions.kept(request.auth.session_id) as kept:
            super().set_password(request, *args, **kwargs)
        return Response({"access_token": kept.access_token.raw})


urlpatterns = [
    path("kept/", Users.as_view({"post": "set_password"})),
    path("auth/", include("jwt_auth.urls")),
    path("", include("djoser.urls")),
]

pytestmark = pytest.mark.urls(__name__)

NEW = "another battery staple"


@pytest.fixture
def user(make_user):
    return make_user(email="alice@example.com")


def link_in_mail():
    """Return what the last mail's link names."""
    found = re.search(r"/(?:activate|reset)/([\w=-]+)/([\w-]+)", mail.outbox[-1].body)
    return {"uid": found[1], "token": found[2]}


def test_a_user_who_registers_signs_in_after_the_activation(client, db):
    body = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
    assert client.send("/users/", body).status_code == 201
    bob = get_user_model().objects.get(username="bob")
    assert_error(client.login(bob), 401, "invalid_credentials")
    assert client.send("/users/activation/", link_in_mail()).status_code == 204
    make_the_tour(client, client.login(bob), bob)


def test_a_reset_of_the_password_ends_all_sessions(client, user):
    pairs = [client.tokens(user) for _ in range(2)]
    assert client.send("/users/reset_password/", {"email": user.email}).status_code == 204
    assert not client.is_dead(pairs.pop())
    body = {**link_in_mail(), "new_password": NEW}
    assert client.send("/users/reset_password_confirm/", body).status_code == 204
    assert client.is_dead(pairs[0])
    assert_error(client.login(user), 401, "invalid_credentials")
    make_the_tour(client, client.login(user, NEW), user)


def test_a_new_password_ends_all_sessions_also_the_one_that_sets_it(client, user):
    own, other = client.tokens(user), client.tokens(user)
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert client.bearer(own["access_token"]).send("/users/set_password/", body).status_code == 204
    assert client.is_dead(own)
    assert client.is_dead(other)
    assert client.login(user, NEW).status_code == 200


def test_one_call_keeps_the_session_that_sets_a_new_password(client, user):
    own, other = client.tokens(user), client.tokens(user)
    body = {"current_password": "wrong", "new_password": NEW}
    sender = client.bearer(own["access_token"])
    assert sender.send("/kept/", body).status_code == 400
    assert not client.is_dead(other)
    answer = sender.send("/kept/", {**body, "current_password": PASSWORD})
    assert client.get_me(answer.json()["access_token"]).status_code == 200
    assert client.refresh(own["refresh_token"]).status_code == 200
    assert client.get_me(own["access_token"]).status_code == 401
    assert client.is_dead(other)


def test_a_new_address_ends_all_sessions_until_it_is_confirmed(client, user):
    """With SEND_ACTIVATION_EMAIL, djoser deactivates the user."""
    pair = client.tokens(user)
    change = {"email": "a@example.com"}
    answer = client.bearer(pair["access_token"]).send("/users/me/", change, "patch")
    assert answer.json()["email"] == mail.outbox[-1].to[0] == "a@example.com"
    assert client.is_dead(pair)
    assert_error(client.login(user), 401, "invalid_credentials")
    assert client.send("/users/activation/", link_in_mail()).status_code == 204
    make_the_tour(client, client.login(user), user)
    assert client.is_dead(pair)


def test_a_new_address_that_need_not_be_confirmed_ends_no_session(client, user, settings):
    settings.DJOSER = {**settings.DJOSER, "SEND_ACTIVATION_EMAIL": False}
    pair = client.tokens(user)
    change = {"email": "a@example.com"}
    assert client.bearer(pair["access_token"]).send("/users/me/", change, "patch").json() == {
        "id": user.pk,
        "username": "alice",
        **change,
    }
    assert client.get_me(pair["access_token"]).status_code == 200


def test_another_name_ends_no_session(client, user):
    own, other = client.tokens(user), client.tokens(user)
    body = {"current_password": PASSWORD, "new_username": "alicia"}
    assert client.bearer(own["access_token"]).send("/users/set_username/", body).status_code == 204
    assert client.get_me(own["access_token"]).json()["user"]["username"] == "alicia"
    end_others(client, own, other)


def test_a_user_who_deletes_the_account_is_signed_out(client, user):
    pair = client.tokens(user)
    body = {"current_password": PASSWORD}
    assert client.bearer(pair["access_token"]).send("/users/me/", body, "delete").status_code == 204
    assert client.is_dead(pair)
