"""Sign-ins of a project's own while their user is revoked, or gets another password."""

from functools import partial
from threading import Event

import pytest
from django.contrib.auth import get_user_model
from django.urls import include, path
from rest_framework import serializers

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.views import LoginView, Pending, SignInView
from tests.support.clients import PASSWORD
from tests.support.races import all_dead, granted, new_client, rounds

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

TRIALS = rounds(200)

checking = Event()


def find(name):
    """Return the user, and say that the check of the credentials has begun."""
    user = get_user_model()._default_manager.get_by_natural_key(name)
    checking.set()
    return user


class NameSerializer(serializers.Serializer):
    name = serializers.CharField()


class Named(SignInView):
    serializer_class = NameSerializer
    name_field = "name"

    def authenticate(self, request, data):
        return find(data["name"])


class Nameless(Named):
    name_field = None


class First(LoginView):
    def authenticate(self, request, data):
        return Pending(super().authenticate(request, data), "second")


class Second(SignInView):
    step = "second"

    def authenticate(self, request, data):
        checking.set()
        return self.ticket.user


urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    *(path(f"in/{view.__name__}/", view.as_view()) for view in (Named, Nameless, First, Second)),
]


def change_password(user):
    fresh = get_user_model().objects.get(pk=user.pk)
    fresh.set_password("another password")
    fresh.save()


def after_the_beginning(operation, user):
    """Wait for the sign-in to be under way: one that begins after a revocation is none of its business."""
    assert checking.wait(10)
    operation(get_user_model().objects.get(pk=user.pk))


@pytest.mark.parametrize("operation", [revoke_user, change_password])
@pytest.mark.parametrize("view", [Named, Nameless, Second])
def test_a_sign_in_of_a_projects_own_leaves_no_usable_token(client, user, at_once, jwt_settings, view, operation):
    jwt_settings(LOGIN_THROTTLE="1000/s")
    statuses = set()
    for _ in range(TRIALS):
        user.set_password(PASSWORD)
        user.save()
        body = {"name": user.get_username()}
        if view is Second:
            credentials = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
            body = {"ticket": client.send("/in/First/", credentials).json()["ticket"]}
        checking.clear()
        sign_in = partial(new_client().send, f"/in/{view.__name__}/", body)
        answer, _ = at_once(sign_in, partial(after_the_beginning, operation, user))
        statuses.add(answer.status_code)
        assert all_dead(client, granted(answer))
    assert statuses <= {200, 401}


def test_a_ticket_that_is_sent_twice_at_once_completes_one_sign_in(client, user, at_once, jwt_settings):
    jwt_settings(LOGIN_THROTTLE="1000/s")
    for trial in range(rounds(50)):
        credentials = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
        body = {"ticket": client.send("/in/First/", credentials).json()["ticket"]}
        answers = at_once(*(partial(new_client().send, "/in/Second/", body) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
        assert UserSession.objects.count() == trial + 1


def test_of_reauthentications_of_one_session_at_once_one_replaces_it(client, user, at_once, jwt_settings):
    jwt_settings(LOGIN_THROTTLE="1000/s")
    for _ in range(rounds(20)):
        pair = client.tokens(user)
        clients = [client.bearer(pair["access_token"]) for _ in range(3)]
        answers = at_once(*(partial(each.send, "reauthenticate/", {"password": PASSWORD}) for each in clients))
        assert [answer.status_code for answer in answers].count(200) == 1
        assert {answer.status_code for answer in answers} == {200, 401}
        assert client.is_dead(pair)
