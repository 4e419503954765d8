"""dj-rest-auth resets and changes passwords; its views for tokens are left out, and this app signs users in."""

import re

import pytest
from dj_rest_auth.views import PasswordChangeView, PasswordResetConfirmView, PasswordResetView, UserDetailsView
from django.core import mail
from django.urls import include, path
from django.views.generic import TemplateView

from jwt_auth import sessions
from tests.support.clients import PASSWORD
from tests.support.recipes import end_others, make_the_tour


class KeptPasswordChangeView(PasswordChangeView):
    def post(self, request, *args, **kwargs):
        with sessions.kept(request.auth.session_id) as kept:
            response = super().post(request, *args, **kwargs)
        response.data["access_token"] = kept.access_token.raw
        return response


urlpatterns = [
    path("password/change/kept/", KeptPasswordChangeView.as_view()),
    path("auth/", include("jwt_auth.urls")),
    path("password/reset/", PasswordResetView.as_view()),
    path("password/reset/confirm/", PasswordResetConfirmView.as_view()),
    path("password/change/", PasswordChangeView.as_view()),
    path("user/", UserDetailsView.as_view()),
    # The page of the project that the mail leads to.
    path("reset/<uidb64>/<token>/", TemplateView.as_view(), name="password_reset_confirm"),
]

pytestmark = pytest.mark.urls(__name__)

NEW = {"new_password1": "another battery staple", "new_password2": "another battery staple"}


@pytest.fixture
def user(make_user):
    return make_user(email="alice@example.com")


def test_a_reset_of_the_password_ends_all_sessions(client, user):
    pair = client.tokens(user)
    assert client.send("/password/reset/", {"email": user.email}).status_code == 200
    assert client.get_me(pair["access_token"]).status_code == 200
    uid, token = re.search(r"/reset/(\w+)/([\w-]+)/", mail.outbox[-1].body).groups()
    assert client.send("/password/reset/confirm/", {"uid": uid, "token": token, **NEW}).status_code == 200
    assert client.is_dead(pair)
    make_the_tour(client, client.login(user, NEW["new_password1"]), user)


def test_a_new_password_ends_all_sessions_also_the_one_that_sets_it(client, user):
    own, other = client.tokens(user), client.tokens(user)
    body = {"old_password": PASSWORD, **NEW}
    assert client.bearer(own["access_token"]).send("/password/change/", body).status_code == 200
    assert client.is_dead(own)
    assert client.is_dead(other)
    assert client.login(user, NEW["new_password1"]).status_code == 200


def test_one_call_keeps_the_session_that_sets_a_new_password(client, user):
    own, other = client.tokens(user), client.tokens(user)
    body = {"old_password": "wrong", **NEW}
    sender = client.bearer(own["access_token"])
    assert sender.send("/password/change/kept/", body).status_code == 400
    assert not client.is_dead(other)
    answer = sender.send("/password/change/kept/", {**body, "old_password": PASSWORD})
    assert client.get_me(answer.json()["access_token"]).status_code == 200
    assert client.refresh(own["refresh_token"]).status_code == 200
    assert client.get_me(own["access_token"]).status_code == 401
    assert client.is_dead(other)


def test_another_name_ends_no_session(client, user):
    own, other = client.tokens(user), client.tokens(user)
    answer = client.bearer(own["access_token"]).send("/user/", {"username": "alicia"}, "patch")
    assert answer.json()["username"] == "alicia"
    assert client.get_me(own["access_token"]).json()["user"]["username"] == "alicia"
    end_others(client, own, other)
