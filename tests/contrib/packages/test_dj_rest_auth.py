"""The sign-in, refresh and sign-out of dj-rest-auth, with its serializers and bodies, and tokens of this app."""

import importlib
import re

import pytest
from dj_rest_auth import serializers as package
from dj_rest_auth.app_settings import api_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core import mail
from django.utils.dateparse import parse_datetime
from django.utils.timezone import now
from rest_framework import serializers

from jwt_auth.contrib.dj_rest_auth.views import LoginView
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.guessing import addresses

WRONG = {"non_field_errors": ["Unable to log in with provided credentials."]}
NEW = {"new_password1": "another battery staple", "new_password2": "another battery staple"}


@pytest.fixture
def user(make_user):
    return make_user(email="alice@example.com") if get_user_model().USERNAME_FIELD != "email" else make_user()


def body_of(user, password=PASSWORD):
    return {user.USERNAME_FIELD: user.get_username(), "password": password}


def sign_in(client, user, password=PASSWORD, **extra):
    return client.send("/dra/login/", body_of(user, password), **extra)


def tokens(client, user):
    answer = sign_in(client, user)
    assert answer.status_code == 200, answer.content
    return answer.json()


def is_live(client, body):
    return client.get_me(body["access"]).status_code == 200


# Signing in


def test_the_body_has_the_tokens_and_the_user_as_the_packages_serializer_writes_it(client, user):
    answer = sign_in(client, user)
    body = answer.json()
    assert (answer.status_code, set(body)) == (200, {"access", "refresh", "user"})
    assert body["user"] == {**package.UserDetailsSerializer(user).data, "pk": body["user"]["pk"]}
    assert str(body["user"]["pk"]) == str(user.pk)
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies
    assert is_live(client, body)
    session = UserSession.objects.get()
    assert (session.amr, session.ip_address) == ("pwd", "127.0.0.1")


def test_a_form_signs_in_and_the_address_is_a_name(client, user):
    assert client.post("/dra/login/", body_of(user)).status_code == 200
    answer = client.send("/dra/login/", {"email": user.email, "password": PASSWORD})
    assert answer.status_code == 200, answer.content


def test_wrong_credentials_are_refused_with_the_packages_body(client, user, heard):
    sent = heard(user_logged_in, user_login_failed)
    answer = sign_in(client, user, "wrong")
    assert (answer.status_code, answer.json()) == (400, WRONG)
    assert [signal for signal, _ in sent] == [user_login_failed]
    assert sign_in(client, user).status_code == 200
    assert [signal for signal, _ in sent] == [user_login_failed, user_logged_in]
    for body in ({}, {"username": "nobody", "password": PASSWORD}, [1], {"username": 1, "password": []}):
        assert client.send("/dra/login/", body).status_code == 400, body
    assert UserSession.objects.count() == 1


def test_an_inactive_user_is_refused(client, user):
    get_user_model().objects.update(is_active=False)
    assert sign_in(client, user).json() == WRONG


def test_broken_bodies_are_refused(client, db):
    for body, status in (("[" * 5000, 400), ("{", 400), ('{"username": "' + "a" * 70000 + '"}', 400)):
        answer = client.post("/dra/login/", body, content_type="application/json")
        assert answer.status_code == status, body[:10]
    without_length = client.post("/dra/login/", "{}", content_type="application/json", CONTENT_LENGTH="many")
    assert without_length.status_code == 400
    assert client.get("/dra/login/").status_code == 405


@pytest.mark.parametrize("url", ["/dra/login/", "/djoser/o/example/"])
def test_what_drf_tells_of_a_view_names_nothing_inside(client, db, url):
    body = client.options(url).json()
    assert "object at" not in body["description"]
    assert "jwt_auth" not in body["description"]
    assert body["name"]


def test_sixty_wrong_passwords_are_throttled(client, user, clock):
    """An address has ten sign-ins a minute, and a name at one address thirty failures an hour."""
    statuses = []
    for _ in range(6):
        statuses += [sign_in(client, user, "wrong").status_code for _ in range(10)]
        clock.shift(61)
    assert statuses == [400] * 30 + [429] * 30
    assert sign_in(client, user).status_code == 429
    clock.shift(3600)
    assert sign_in(client, user).status_code == 200


def test_an_account_is_closed_whichever_name_the_failures_were_for(client, user, jwt_settings, clock):
    jwt_settings(LOGIN_THROTTLE="1/s")
    world, by_name = addresses(), body_of(user)

    def attempt(body):
        answer = client.send("/dra/login/", body, REMOTE_ADDR=next(world))
        return answer.status_code, "access" in answer.json() or answer.json()

    by_address = {"email": user.email, "password": PASSWORD}
    assert attempt(by_address) == attempt(by_name) == (200, True)
    assert [attempt({**by_address, "password": "wrong"}) for _ in range(10)] == [(400, WRONG)] * 10
    if by_name == by_address:
        assert attempt(by_name)[0] == 429
    else:
        assert attempt(by_name) == (400, WRONG)  # it looks like a wrong password
    clock.shift(61)
    assert attempt(by_name) == (200, True)


class RevokingSerializer(package.LoginSerializer):
    """Somebody revokes the user while the password is checked."""

    revokes = True

    def validate(self, attrs):
        attrs = super().validate(attrs)
        assert self.context["request"].data["password"] == PASSWORD
        if type(self).revokes:
            revoke_user(attrs["user"])
            type(self).revokes = False
        return attrs


@pytest.mark.parametrize("is_once", [True, False])
def test_a_user_who_is_revoked_during_the_sign_in_is_checked_again(client, user, monkeypatch, is_once):
    monkeypatch.setattr(RevokingSerializer, "revokes", True)
    monkeypatch.setattr(LoginView, "serializer_class", RevokingSerializer)
    monkeypatch.setattr(LoginView, "_attempts", 5 if is_once else 1)
    answer = sign_in(client, user)
    assert answer.status_code == (200 if is_once else 400)
    assert UserSession.objects.count() == is_once


def test_a_sign_in_with_times_of_expiry(client, user, monkeypatch):
    monkeypatch.setattr(api_settings, "JWT_AUTH_RETURN_EXPIRATION", True, raising=False)
    body = tokens(client, user)
    assert now() < parse_datetime(body["access_expiration"]) < parse_datetime(body["refresh_expiration"])


def test_with_httponly_the_refresh_token_is_in_no_body_of_a_sign_in(client, user, monkeypatch):
    monkeypatch.setattr(api_settings, "JWT_AUTH_HTTPONLY", True, raising=False)
    body = tokens(client, user)
    assert (bool(body["access"]), body["refresh"]) == (True, "")


class PinSerializer(serializers.Serializer):
    pin = serializers.CharField()

    def validate(self, attrs):
        found = get_user_model().objects.first()
        return {"user": found if attrs["pin"] == "1234" else None}


def test_a_projects_own_serializer_may_have_other_fields(client, user, monkeypatch):
    monkeypatch.setattr(LoginView, "serializer_class", PinSerializer)
    assert client.send("/dra/login/", {"pin": "1234"}).status_code == 200
    answer = client.send("/dra/login/", {"pin": "1"})
    assert (answer.status_code, answer.json()) == (400, WRONG)
    assert client.send("/dra/login/", {}).json() == {"pin": ["This field is required."]}


def test_an_old_hash_is_upgraded_and_ends_no_session(client, user):
    get_user_model().objects.update(password=make_password(PASSWORD, hasher="old"))
    own = tokens(client, user)
    assert get_user_model().objects.get().password.startswith("md5$")
    assert is_live(client, own)
    assert is_live(client, tokens(client, user))
    assert is_live(client, own)


# Afterwards


def test_a_refresh_rotates_the_token_and_says_when_both_expire(client, user):
    first = tokens(client, user)
    answer = client.send("/dra/token/refresh/", {"refresh": first["refresh"]})
    renewed = answer.json()
    assert set(renewed) == {"access", "refresh", "access_expiration", "refresh_expiration"}
    assert is_live(client, renewed)
    assert client.send("/dra/token/verify/", {"token": renewed["access"]}).json() == {}
    refused = client.send("/dra/token/refresh/", {"refresh": "no token"})
    assert (refused.status_code, refused.json()["code"]) == (401, "token_not_valid")


@pytest.mark.parametrize("place", ["body", "header"])
def test_a_sign_out_ends_the_session_and_can_be_repeated(client, user, place):
    own, other = tokens(client, user), tokens(client, user)
    for _ in range(2):
        if place == "body":
            answer = client.send("/dra/logout/", {"refresh": own["refresh"]})
        else:
            answer = client.bearer(own["access"]).send("/dra/logout/", {})
        assert (answer.status_code, answer.json()) == (200, {"detail": "Successfully logged out."})
        assert not is_live(client, own)
    assert is_live(client, other)
    nothing = client.send("/dra/logout/", {})
    assert (nothing.status_code, nothing.json()["detail"]) == (401, "Refresh token was not included in request data.")
    assert client.send("/dra/logout/", [1]).status_code == 401


def test_a_new_password_ends_all_sessions(client, user):
    own, other = tokens(client, user), tokens(client, user)
    answer = client.bearer(own["access"]).send("/dra/password/change/", {"old_password": PASSWORD, **NEW})
    assert answer.status_code == 200
    assert [is_live(client, own), is_live(client, other)] == [False, False]
    assert sign_in(client, user, NEW["new_password1"]).status_code == 200


@pytest.mark.filterwarnings("ignore:app_settings.AUTHENTICATION_METHOD is deprecated")  # dj-rest-auth reads it
def test_a_reset_of_the_password_ends_all_sessions(client, user):
    own = tokens(client, user)
    assert client.send("/dra/password/reset/", {"email": user.email}).status_code == 200
    assert is_live(client, own)
    uid, token = re.search(r"/reset/([\w-]+)/([\w-]+)/", mail.outbox[-1].body).groups()
    assert client.send("/dra/password/reset/confirm/", {"uid": uid, "token": token, **NEW}).status_code == 200
    assert not is_live(client, own)


def test_the_user_is_read_and_changed_with_a_token(client, user):
    own = tokens(client, user)
    answer = client.bearer(own["access"]).send("/dra/user/", method="get")
    assert answer.json() == own["user"]
    assert client.send("/dra/user/", method="get").status_code == 401


# Browsers


def test_a_browser_has_its_tokens_in_cookies_only(user):
    browser = Browser()
    answer = browser.send("/browser/login/", body_of(user))
    assert (answer.status_code, answer.json()["access"], answer.json()["refresh"]) == (200, "", "")
    assert str(answer.json()["user"]["pk"]) == str(user.pk)
    assert browser.me().status_code == 200
    former = browser.pair
    answer = browser.send("/browser/token/refresh/")
    assert (answer.status_code, set(answer.json())) == (200, {"access", "access_expiration"})
    assert browser.pair != former
    answer = browser.send("/browser/logout/")
    assert (answer.status_code, answer.json()) == (200, {"detail": "Successfully logged out."})
    assert browser.is_signed_out()
    answer = browser.send("/browser/token/refresh/")
    assert (answer.status_code, answer.json()["detail"]) == (401, "No valid refresh token found.")


def test_with_the_setting_for_cookies_the_urls_have_the_views_for_browsers(monkeypatch):
    def names():
        module = importlib.reload(importlib.import_module("jwt_auth.contrib.dj_rest_auth.urls"))
        return {pattern.name: pattern.callback.cls.__name__ for pattern in module.urlpatterns[-4:]}

    bearer = {"rest_login": "LoginView", "rest_logout": "LogoutView", "token_refresh": "RefreshView"}
    assert names() == {**bearer, "token_verify": "TokenVerifyView"}
    monkeypatch.setattr(api_settings, "JWT_AUTH_COOKIE", "access", raising=False)
    browser = {"rest_login": "BrowserLoginView", "rest_logout": "BrowserLogoutView", "token_refresh": "_BrowserRefresh"}
    assert names() == {**browser, "token_verify": "TokenVerifyView"}


def test_a_page_of_another_site_signs_nobody_in(user):
    forged = Browser(HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example")
    assert forged.send("/browser/login/", body_of(user)).status_code == 403
    assert Browser().send("/browser/login/", body_of(user)).status_code == 200


def test_a_refused_cookie_is_refused_with_simplejwts_body(user):
    browser = Browser()
    browser.send("/browser/login/", body_of(user))
    revoke_user(user)
    answer = browser.send("/browser/token/refresh/")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
