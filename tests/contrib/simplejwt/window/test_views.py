"""The views with the names of simplejwt, given tokens that simplejwt itself has issued."""

from datetime import timedelta

import pytest
from django.urls import include, path

from jwt_auth.contrib.simplejwt.authentication import JWTAuthentication
from jwt_auth.contrib.simplejwt.exceptions import InvalidToken
from jwt_auth.models import UserSession
from jwt_auth.sessions import refresh
from tests.support.former import former_access, former_pair, resigned
from tests.support.outages import outage

urlpatterns = [path("api/", include("jwt_auth.contrib.simplejwt.urls"))]

REVOKED = {"detail": "Token is blacklisted", "code": "token_not_valid"}
OTHER_TYPE = {"detail": "Token has wrong type", "code": "token_not_valid"}


@pytest.fixture
def asked(client, settings):
    """`asked("blacklist", raw)` returns the status and the body of the answer of a view."""
    settings.ROOT_URLCONF = __name__

    def ask(view, raw):
        name = "token" if view == "verify" else "refresh"
        answer = client.post(f"/api/token/{view}/", {name: raw}, content_type="application/json")
        return answer.status_code, answer.json()

    return ask


def test_a_second_sign_out_is_refused(asked, user, raw):
    other = former_pair(user)["refresh"]
    assert asked("blacklist", raw) == (200, {})
    for _ in range(2):
        assert asked("blacklist", raw) == (401, REVOKED)
    assert asked("refresh", raw) == (401, REVOKED)
    assert asked("verify", raw)[0] == 400
    assert asked("blacklist", other) == (200, {})


def test_so_it_is_after_an_exchange(asked, raw):
    assert asked("refresh", raw)[0] == 200
    assert asked("blacklist", raw) == (200, {})
    assert UserSession.objects.get().revoked_at is not None
    assert asked("blacklist", raw) == (401, REVOKED)


def test_a_sign_out_long_after_the_exchange_ends_the_session_and_is_refused(asked, raw, clock):
    refresh(raw)
    clock.shift(100)
    assert asked("blacklist", raw) == (401, REVOKED)
    assert UserSession.objects.get().revoked_at is not None


def test_without_the_blacklist_of_simplejwt(asked, raw, monkeypatch):
    monkeypatch.setattr("jwt_auth.contrib.simplejwt.window.package.has_blacklist", lambda: False)
    assert asked("blacklist", raw) == (200, {})
    assert asked("blacklist", raw) == (401, REVOKED)


def test_an_access_token_does_not_sign_out(asked, user, clock):
    raw = former_access(user)
    for view in ("blacklist", "refresh"):
        assert asked(view, raw) == (401, OTHER_TYPE)
    assert asked("verify", raw) == (200, {})
    assert asked("blacklist", resigned(raw, user_id=None))[1]["detail"] == "Token is invalid"
    clock.shift(1000)
    assert asked("blacklist", raw)[1]["detail"] == "Token is expired"


def test_a_refresh_token_does_not_authenticate(user, raw):
    def refused(raw):
        with pytest.raises(InvalidToken) as caught:
            JWTAuthentication().get_validated_token(raw)
        return str(caught.value.detail["messages"][0]["message"])

    assert refused(raw) == "Token has wrong type"
    assert refused(resigned(raw, user_id=None)) == "Token is invalid"
    assert refused(resigned(raw, token_type="other")) == "Token is invalid"
    assert JWTAuthentication().get_validated_token(former_access(user)).user == user
    with outage():
        assert refused(raw) == "Token is invalid"
    expired = former_access(user, age=timedelta(hours=1))
    assert refused(expired) == "Token is expired"
