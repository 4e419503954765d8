"""django-otp: the code of an authenticator app is the second step of a sign-in."""

import pytest
from django.urls import include, path
from django_otp import devices_for_user, match_token
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework import serializers

from jwt_auth.views import LoginView, Pending, SignInView
from tests.support.answers import assert_error
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.recipes import end_others, make_the_tour


class Password(LoginView):
    def authenticate(self, request, data):
        user = super().authenticate(request, data)
        has_device = user is not None and any(devices_for_user(user))
        return Pending(user, "totp") if has_device else user


class CodeSerializer(serializers.Serializer):
    code = serializers.CharField()


class Totp(SignInView):
    serializer_class = CodeSerializer
    step = "totp"
    amr = ["otp", "mfa"]

    def authenticate(self, request, data):
        return self.ticket.user if match_token(self.ticket.user, data["code"]) else None


class PasswordAndCodeSerializer(LoginView.serializer_class):
    code = serializers.CharField()


class PasswordAndCode(LoginView):
    serializer_class = PasswordAndCodeSerializer
    amr = ["pwd", "otp", "mfa"]

    def authenticate(self, request, data):
        user = super().authenticate(request, data)
        return user if user is not None and match_token(user, data["code"]) else None


urlpatterns = [
    path("auth/both/", PasswordAndCode.as_view()),
    path("auth/login/", Password.as_view()),
    path("auth/totp/", Totp.as_view()),
    path("auth/browser/login/", Password.for_browsers().as_view()),
    path("auth/browser/totp/", Totp.for_browsers().as_view()),
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def device(user, clock):
    return TOTPDevice.objects.create(user=user, name="phone")


def code_of(device):
    return f"{totp(device.bin_key, t0=device.t0):06}"


def enter(client, answer, code):
    assert answer.status_code == 202, answer.content
    return client.send("totp/", {"ticket": answer.json()["ticket"], "code": code})


def test_a_sign_in_with_a_password_and_an_authenticator_app(client, user, device, clock):
    first = client.login(user)
    assert_error(enter(client, first, "000000"), 401, "invalid_credentials")
    clock.shift(2)  # django-otp refuses all codes for a second after a wrong one
    claims = make_the_tour(client, enter(client, first, code_of(device)), user)
    assert claims["amr"] == ["pwd", "otp", "mfa"]


def test_a_code_is_accepted_once(client, user, device, clock):
    code = code_of(device)
    own = enter(client, client.login(user), code).json()
    assert_error(enter(client, client.login(user), code), 401, "invalid_credentials")
    clock.shift(30)
    other = enter(client, client.login(user), code_of(device)).json()
    end_others(client, own, other)


def test_a_user_without_a_device_needs_no_second_step(client, user):
    assert make_the_tour(client, client.login(user), user)["amr"] == ["pwd"]


def test_in_a_browser_the_last_step_sets_the_cookies(user, device):
    page = Browser()
    assert enter(page, page.login(user), code_of(device)).status_code == 200
    assert page.me().json()["amr"] == ["pwd", "otp", "mfa"]


def test_password_and_code_in_one_request(client, user, device, clock):
    right = {"username": user.get_username(), "password": PASSWORD, "code": code_of(device)}
    mistakes = ({"username": "nobody"}, {"password": "wrong"}, {"code": "000000"})
    wrong = [client.send("both/", {**right, **mistake}) for mistake in mistakes]
    assert_error(wrong[0], 401, "invalid_credentials")
    assert len({(answer.content, str(answer.headers)) for answer in wrong}) == 1
    clock.shift(2)
    assert make_the_tour(client, client.send("both/", right), user)["amr"] == ["pwd", "otp", "mfa"]
