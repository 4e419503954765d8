"""djoser's sign-in with another provider, and its strategy for tokens."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.urls import reverse
from djoser.conf import settings as djoser
from rest_framework.exceptions import AuthenticationFailed
from social_django.models import UserSocialAuth

from jwt_auth.contrib.djoser.strategy import TokenStrategy
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from tests.support import social_provider
from tests.support.browser import Browser
from tests.support.clients import PASSWORD

PAGE = "https://www.example.com/signed-in/"


@pytest.fixture
def carol(make_user):
    user = make_user("carol")
    UserSocialAuth.objects.create(user=user, provider="example", uid="carol", id_key="id")
    return user


def begin(client):
    """Ask for the address of the provider's page, as the project's page does; return the state in it."""
    answer = client.get("/djoser/o/example/", {"redirect_uri": PAGE})
    assert answer.status_code == 200, answer.content
    return answer.json()["authorization_url"].split("state=")[1].split("&")[0]


def sign_in(client, code, state=None, url="/djoser/o/example/"):
    state = begin(client) if state is None else state
    # In the body alone: djoser 2.3 checks a state in the URL twice, which social-auth-core 6 uses up the first time.
    return client.post(url, f"code={code}&state={state}", content_type="application/x-www-form-urlencoded")


def test_a_user_of_another_provider_signs_in(client, carol, heard):
    sent = heard(user_logged_in)
    answer = sign_in(client, social_provider.approve(id="carol"))
    body = answer.json()
    assert (answer.status_code, set(body), body["user"]) == (201, {"access", "refresh", "user"}, str(carol))
    assert client.get_me(body["access"]).status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert UserSession.objects.get().ip_address == "127.0.0.1"
    assert len(sent) == 1
    revoke_user(carol)
    assert client.get_me(body["access"]).status_code == 401


def test_a_wrong_code_or_state_signs_nobody_in_and_is_limited(client, carol, heard):
    sent = heard(user_login_failed)
    code = social_provider.approve(id="carol")
    assert sign_in(client, code, state="another").status_code == 400
    assert sign_in(client, "wrong").status_code == 400
    assert len(sent) == 2
    assert sign_in(client, code).status_code == 201
    assert [sign_in(client, code).status_code for _ in range(8)] == [400] * 7 + [429]  # it is single-use
    assert client.get("/djoser/o/example/", {"redirect_uri": "https://evil.example/"}).status_code == 400


@pytest.mark.parametrize("url", ["/djoser/o/another/", "/djoser/browser/o/another/"])
def test_a_provider_that_the_project_does_not_have_is_not_found(carol, url):
    browser = Browser()
    answers = [
        browser.get(url, {"redirect_uri": PAGE}),
        sign_in(browser, social_provider.approve(id="carol"), state="one", url=url),
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json() == {"detail": "Provider 'another' not supported"}
    url = url.replace("another", "example")
    assert sign_in(browser, social_provider.approve(id="carol"), begin(browser), url=url).status_code == 201


@pytest.mark.parametrize("is_active", [True, False])
def test_an_inactive_user_does_not_sign_in(client, carol, is_active):
    get_user_model().objects.update(is_active=is_active)
    answer = sign_in(client, social_provider.approve(id="carol"))
    assert answer.status_code == (201 if is_active else 400)


@pytest.mark.parametrize("revokes", [True, False])
def test_a_revocation_during_the_sign_in_is_noticed(client, carol, monkeypatch, revokes):
    read = social_provider.Provider.user_data

    def user_data(self, *args, **kwargs):
        if revokes:
            revoke_user(carol)
        return read(self, *args, **kwargs)

    monkeypatch.setattr(social_provider.Provider, "user_data", user_data)
    answer = sign_in(client, social_provider.approve(id="carol"))
    assert answer.status_code == (400 if revokes else 201)
    assert UserSession.objects.exists() is not revokes


def test_a_browser_signs_in_by_cookies(carol):
    browser = Browser()
    answer = sign_in(browser, social_provider.approve(id="carol"), url="/djoser/browser/o/example/")
    assert (answer.status_code, answer.json()) == (201, {"user": str(carol)})
    assert browser.me().status_code == 200


def test_the_urls_for_tokens_have_djosers_names_and_bodies(client, user):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    answer = client.send("/djoser/jwt/create/", body)
    pair = answer.json()
    assert (answer.status_code, set(pair), reverse("jwt-create")) == (200, {"access", "refresh"}, "/djoser/jwt/create")
    wrong = client.send("/djoser/jwt/create/", {**body, "password": "wrong"})
    assert (wrong.status_code, list(wrong.json())) == (401, ["detail"])
    assert client.send("/djoser/jwt/verify/", {"token": pair["access"]}).status_code == 200
    renewed = client.send("/djoser/jwt/refresh/", {"refresh": pair["refresh"]})
    assert (renewed.status_code, "access" in renewed.json()) == (200, True)
    revoke_user(user)
    refused = client.send("/djoser/jwt/verify/", {"token": pair["access"]})
    assert (refused.status_code, refused.json()["code"]) == (401, "token_not_valid")


def test_djosers_own_view_gets_tokens_from_the_strategy(carol, settings, client):
    body = TokenStrategy.obtain(carol)
    assert body["user"] is carol
    assert client.get_me(body["access"]).status_code == 200
    assert client.refresh(body["refresh"]).status_code == 200
    settings.DJOSER = {
        **settings.DJOSER,
        "SOCIAL_AUTH_TOKEN_STRATEGY": "jwt_auth.contrib.djoser.strategy.TokenStrategy",
    }
    assert djoser.SOCIAL_AUTH_TOKEN_STRATEGY is TokenStrategy
    get_user_model().objects.update(is_active=False)
    with pytest.raises(AuthenticationFailed):
        TokenStrategy.obtain(carol)
