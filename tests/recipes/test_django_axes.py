"""django-axes: it locks sign-ins out that fail too often, those with a password and those of a project's own."""

import pytest
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.urls import include, path
from rest_framework import serializers

from jwt_auth.models import UserSession
from jwt_auth.views import LoginView, Pending, SignInView
from tests.support.clients import PASSWORD
from tests.support.recipes import make_the_tour

CODE = "314159"


class PinSerializer(serializers.Serializer):
    username = serializers.CharField()
    pin = serializers.CharField()


class Pin(SignInView):
    """No backend of Django's is called, so the view asks django-axes itself."""

    serializer_class = PinSerializer
    name_field = "username"

    def authenticate(self, request, data):
        if not AxesProxyHandler.is_allowed(request._request, {"username": data["username"]}):
            return None
        user = get_user_model().objects.filter(username=data["username"]).first()
        return user if data["pin"] == CODE else None


class Password(LoginView):
    def authenticate(self, request, data):
        user = super().authenticate(request, data)
        return user and Pending(user, "code")


class CodeSerializer(serializers.Serializer):
    code = serializers.CharField()


class Code(SignInView):
    serializer_class = CodeSerializer
    step = "code"

    def authenticate(self, request, data):
        user = self.ticket.user
        is_allowed = AxesProxyHandler.is_allowed(request._request, {"username": user.get_username()})
        return user if is_allowed and data["code"] == CODE else None


urlpatterns = [
    path("auth/pin/", Pin.as_view()),
    path("auth/password/", Password.as_view()),
    path("auth/code/", Code.as_view()),
    path("auth/", include("jwt_auth.urls")),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def _axes(settings):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    settings.AXES_RESET_ON_SUCCESS = True
    settings.AXES_VERBOSE = False
    settings.AUTHENTICATION_BACKENDS = [
        "axes.backends.AxesStandaloneBackend",
        "django.contrib.auth.backends.ModelBackend",
    ]


def failures():
    return [attempt.failures_since_start for attempt in AccessAttempt.objects.all()]


def test_wrong_passwords_lock_the_sign_in_out_and_are_counted_once(client, user):
    assert [client.login(user, "wrong").status_code for _ in range(2)] == [401, 401]
    assert failures() == [2]
    make_the_tour(client, client.login(user), user)
    assert failures() == []
    assert [client.login(user, "wrong").status_code for _ in range(3)] == [401, 401, 429]
    assert client.login(user).status_code == 429
    AccessAttempt.objects.all().delete()
    assert client.login(user).status_code == 200


def test_wrong_pins_lock_a_sign_in_of_the_projects_own_out(client, user):
    def enter(pin):
        return client.send("pin/", {"username": user.get_username(), "pin": pin})

    assert [enter("0").status_code for _ in range(2)] == [401, 401]
    assert failures() == [2]
    make_the_tour(client, enter(CODE), user)
    assert [enter("0").status_code for _ in range(3)] == [401, 401, 429]
    assert enter(CODE).status_code == 429
    assert UserSession.objects.filter(revoked_at=None).count() == 0
    AccessAttempt.objects.all().delete()
    assert enter(CODE).status_code == 200


def test_wrong_codes_of_a_second_step_lock_the_user_out(client, user):
    def enter(ticket, code):
        return client.send("code/", {"ticket": ticket, "code": code}).status_code

    credentials = {"username": user.get_username(), "password": PASSWORD}
    ticket = client.send("password/", credentials).json()["ticket"]
    assert [enter(ticket, "0") for _ in range(3)] == [401, 401, 429]
    assert enter(ticket, CODE) == 429
    assert client.send("password/", credentials).status_code == 429
    AccessAttempt.objects.all().delete()
    assert enter(ticket, CODE) == 200
