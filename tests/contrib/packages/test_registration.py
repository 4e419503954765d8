"""The registration of dj-rest-auth, and its sign-in with other providers, which need django-allauth."""

import re

import pytest

pytest.importorskip("allauth")

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.signals import pre_social_login
from django.contrib.auth import get_user_model
from django.core import mail

from jwt_auth import sessions
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from tests.support import openid_provider
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.outages import assert_unavailable, down

WRONG = {"non_field_errors": ["Unable to log in with provided credentials."]}
BOB = {"username": "bob", "email": "bob@example.com", "password1": PASSWORD, "password2": PASSWORD}
CAROL = {"sub": "carol at the provider", "email": "carol@example.com", "email_verified": True}

registers = pytest.mark.skipif(
    get_user_model().USERNAME_FIELD != "username", reason="the serializer of dj-rest-auth asks for a name"
)


@pytest.fixture
def provider(settings, db):
    with openid_provider.serving() as server:
        app = {
            "provider_id": "example",
            "name": "Example",
            "client_id": openid_provider.CLIENT_ID,
            "secret": openid_provider.CLIENT_SECRET,
            "settings": {"server_url": server.url},
        }
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
        yield server


def social(client, provider, **claims):
    return client.send("/social/", {"code": provider.approve(**{**CAROL, **claims})})


# Registration


@registers
def test_a_user_who_registers_is_signed_in_with_tokens_only(client, db):
    answer = client.send("/registration/", BOB)
    body = answer.json()
    assert (answer.status_code, set(body)) == (201, {"access", "refresh", "user"})
    assert answer["Cache-Control"] == "no-store"
    bob = get_user_model().objects.get()
    assert str(body["user"]["pk"]) == str(bob.pk)
    assert client.get_me(body["access"]).status_code == 200
    assert "_auth_user_id" not in client.session
    revoke_user(bob)
    assert client.get_me(body["access"]).status_code == 401


@registers
def test_an_address_that_must_be_verified_first_gets_no_tokens(client, db, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    answer = client.send("/registration/", BOB)
    assert (answer.status_code, answer.json()) == (201, {"detail": "Verification e-mail sent."})
    assert not UserSession.objects.exists()
    sign_in = {"email": BOB["email"], "password": PASSWORD}
    assert client.send("/dra/login/", sign_in).json() == {"non_field_errors": ["E-mail is not verified."]}
    key = re.search(r"/account-confirm-email/([^/]+)/", mail.outbox[-1].body)[1]
    assert client.send("/registration/verify-email/", {"key": key}).status_code == 200
    assert client.send("/dra/login/", sign_in).status_code == 200


@registers
def test_a_user_who_must_be_activated_first_gets_no_tokens(client, db, monkeypatch):
    from allauth.account.adapter import DefaultAccountAdapter

    save = DefaultAccountAdapter.save_user

    def save_inactive(self, *args, **kwargs):
        user = save(self, *args, **kwargs)
        user.is_active = False
        user.save()
        return user

    monkeypatch.setattr(DefaultAccountAdapter, "save_user", save_inactive)
    answer = client.send("/registration/", BOB)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not UserSession.objects.exists()


@registers
def test_without_a_session_because_of_an_outage_it_is_503(client, db, monkeypatch):
    monkeypatch.setattr(sessions.starting, "_start", down)
    assert_unavailable(client.send("/registration/", BOB), code=None)  # the body is DRF's own


@registers
def test_a_body_that_is_nested_too_deeply_is_refused(client, db):
    for body in ("[" * 6000, "[" * 6):
        answer = client.post("/registration/", body, content_type="application/json")
        assert answer.status_code == 400, answer.content


@registers
def test_a_registration_that_is_refused_keeps_the_packages_body(client, db):
    answer = client.send("/registration/", {**BOB, "password2": "another"})
    assert (answer.status_code, list(answer.json())) == (400, ["non_field_errors"])


def test_another_address_ends_no_session(client, make_user):
    user = make_user(**({} if get_user_model().USERNAME_FIELD == "email" else {"email": "alice@example.com"}))
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    pair = client.send("/dra/login/", {"email": user.email, "password": PASSWORD}).json()
    new = EmailAddress.objects.create(user=user, email="alicia@example.com")
    assert client.send("/registration/resend-email/", {"email": new.email}).status_code == 200
    key = re.search(r"/account-confirm-email/([^/]+)/", mail.outbox[-1].body)[1]
    assert client.send("/registration/verify-email/", {"key": key}).status_code == 200
    new.refresh_from_db()
    assert new.set_as_primary()
    assert get_user_model().objects.get().email == "alicia@example.com"
    assert client.get_me(pair["access"]).status_code == 200


# Other providers


def test_a_user_of_another_provider_signs_in_by_a_code(client, provider):
    answer = social(client, provider)
    body = answer.json()
    assert (answer.status_code, set(body)) == (200, {"access", "refresh", "user"})
    assert client.get_me(body["access"]).status_code == 200
    assert not answer.cookies.get("sessionid") or "_auth_user_id" not in client.session
    user = SocialAccount.objects.get(uid=CAROL["sub"]).user
    assert social(client, provider).status_code == 200
    assert get_user_model().objects.get() == user


def test_a_browser_signs_in_by_cookies(provider):
    browser = Browser()
    assert browser.send("/browser/social/", {"code": provider.approve(**CAROL)}).json()["access"] == ""
    assert browser.me().status_code == 200
    forged = Browser(HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example")
    assert forged.send("/browser/social/", {"code": provider.approve(**CAROL)}).status_code == 403


def test_a_code_is_accepted_once_and_wrong_ones_are_limited(client, provider):
    code = provider.approve(**CAROL)
    assert client.send("/social/", {"code": code}).status_code == 200
    assert [client.send("/social/", {"code": code}).status_code for _ in range(10)] == [400] * 9 + [429]
    assert UserSession.objects.count() == 1


def test_an_access_token_of_the_provider_signs_nobody_in(client, provider):
    """Another app may have received it."""
    code = provider.approve(**CAROL)
    assert client.send("/social/", {"access_token": code, "id_token": code}).status_code == 400
    assert client.send("/social/", {"code": code}).status_code == 200


@pytest.mark.parametrize("is_verified", [True, False])
def test_a_user_whose_sign_in_allauth_stops_gets_no_tokens(client, provider, settings, is_verified):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    answer = social(client, provider, email_verified=is_verified)
    assert answer.status_code == (200 if is_verified else 400)
    assert is_verified or answer.json() == WRONG


def test_the_address_of_another_account_signs_nobody_in(client, provider, make_user):
    user = make_user(**({} if get_user_model().USERNAME_FIELD == "email" else {"email": "alice@example.com"}))
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    answer = social(client, provider, email=user.email)
    assert answer.status_code == 400
    assert not UserSession.objects.exists()


@pytest.mark.parametrize("is_active", [False, True])
def test_an_inactive_user_does_not_sign_in(client, provider, is_active):
    assert social(client, provider).status_code == 200
    get_user_model().objects.update(is_active=is_active)
    answer = social(client, provider)
    assert (answer.status_code == 200) is is_active
    assert is_active or answer.json() == WRONG


@pytest.mark.parametrize("revokes", [True, False])
def test_a_revocation_during_the_sign_in_is_noticed(client, provider, revokes):
    assert social(client, provider).status_code == 200

    def revoke(sociallogin, **kwargs):
        if revokes:
            revoke_user(sociallogin.user)

    pre_social_login.connect(revoke)
    try:
        answer = social(client, provider)
    finally:
        pre_social_login.disconnect(revoke)
    assert answer.status_code == (400 if revokes else 200)
    assert UserSession.objects.filter(revoked_at=None).count() == (0 if revokes else 2)
