"""dj-rest-auth registers users by django-allauth, also those of other providers; the guide says how they sign in."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.signals import pre_social_login
from dj_rest_auth.views import PasswordResetConfirmView, PasswordResetView
from django.contrib.auth import get_user_model
from django.core import mail
from django.urls import include, path
from django.views.generic import TemplateView

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from tests.support import openid_provider
from tests.support.answers import assert_error
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.docs import code_of
from tests.support.recipes import end_others, make_the_tour

RECIPE = {"__name__": __name__}
FIRST_LINES = "from allauth.account.models import EmailAddress\nfrom allauth.socialaccount"
exec(compile(code_of("dj-rest-auth.md", FIRST_LINES), "the guide", "exec"), RECIPE)
Login, Social = RECIPE["Login"], RECIPE["Social"]

urlpatterns = [
    path("auth/login/", Login.as_view()),
    path("auth/social/", Social.as_view()),
    path("auth/browser/social/", Social.for_browsers().as_view()),
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("registration/", include("dj_rest_auth.registration.urls")),
    path("password/reset/", PasswordResetView.as_view()),
    path("password/reset/confirm/", PasswordResetConfirmView.as_view()),
    # Pages of the project, which mails and allauth lead to.
    path("reset/<uidb64>/<token>/", TemplateView.as_view(), name="password_reset_confirm"),
    path("reset/", TemplateView.as_view(), name="account_reset_password"),
    path("sign-up/", TemplateView.as_view(), name="account_signup"),
    path("inactive/", TemplateView.as_view(), name="account_inactive"),
]

pytestmark = pytest.mark.urls(__name__)

NEW = "another battery staple"
BOB = {"username": "bob", "email": "bob@example.com"}
CAROL = {"sub": "carol at the provider", "email": "carol@example.com", "email_verified": True}


@pytest.fixture
def user(make_user):
    user = make_user(email="alice@example.com")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def provider(settings):
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


def key_in_mail():
    return re.search(r"/account-confirm-email/([^/]+)/", mail.outbox[-1].body)[1]


# Registration


def test_a_user_who_registers_signs_in_after_the_address_is_verified(client, db):
    body = {**BOB, "password1": PASSWORD, "password2": PASSWORD}
    answer = client.send("/registration/", body)
    assert (answer.status_code, answer.json()) == (201, {"detail": "Verification e-mail sent."})
    bob = get_user_model().objects.get(username="bob")
    assert_error(client.login(bob), 403, "email_unverified")
    assert_error(client.login(bob, "a wrong password"), 401, "invalid_credentials")
    assert not UserSession.objects.exists()
    assert client.send("/registration/verify-email/", {"key": key_in_mail()}).status_code == 200
    assert make_the_tour(client, client.login(bob), bob)["amr"] == ["pwd"]


def test_wrong_passwords_are_limited(client, user):
    assert [client.login(user, "wrong").status_code for _ in range(11)] == [401] * 10 + [429]
    assert client.login(user).status_code == 429


def test_a_reset_of_the_password_ends_all_sessions(client, user):
    pairs = [client.tokens(user) for _ in range(2)]
    assert client.send("/password/reset/", {"email": user.email}).status_code == 200
    assert not client.is_dead(pairs[1])
    uid, token = re.search(r"/reset/(\w+)/([\w-]+)/", mail.outbox[-1].body).groups()
    body = {"uid": uid, "token": token, "new_password1": NEW, "new_password2": NEW}
    assert client.send("/password/reset/confirm/", body).status_code == 200
    assert [client.is_dead(pair) for pair in pairs] == [True, True]
    assert_error(client.login(user), 401, "invalid_credentials")
    make_the_tour(client, client.login(user, NEW), user)


def test_a_new_address_ends_no_session(client, user):
    own, other = client.tokens(user), client.tokens(user)
    new = EmailAddress.objects.create(user=user, email="alicia@example.com")
    assert client.send("/registration/resend-email/", {"email": new.email}).status_code == 200
    assert client.send("/registration/verify-email/", {"key": key_in_mail()}).status_code == 200
    new.refresh_from_db()
    assert new.verified
    assert new.set_as_primary()
    assert get_user_model().objects.get(pk=user.pk).email == "alicia@example.com"
    assert not client.is_dead(own)
    end_others(client, own, other)


# Other providers


def test_a_user_of_another_provider_signs_in_by_a_code(client, provider, db):
    first = client.send("social/", {"code": provider.approve(**CAROL)})
    assert first.status_code == 200, first.content
    carol = SocialAccount.objects.get(uid=CAROL["sub"]).user
    assert "sessionid" not in first.cookies  # a client with tokens has no Django session
    assert "amr" not in make_the_tour(client, first, carol)  # the provider doesn't say how
    own, other = (client.send("social/", {"code": provider.approve(**CAROL)}).json() for _ in range(2))
    assert get_user_model().objects.count() == 1
    end_others(client, own, other)


def test_a_browser_signs_in_by_cookies(provider, db):
    browser = Browser()
    assert "access_token" not in browser.send("social/", {"code": provider.approve(**CAROL)}).json()
    assert browser.me().status_code == browser.renew().status_code == 200
    forged = Browser(HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example")
    assert forged.send("social/", {"code": provider.approve(**CAROL)}).status_code == 403


def test_a_code_is_accepted_once_and_wrong_ones_are_limited(client, provider, db):
    code = provider.approve(**CAROL)
    assert client.send("social/", {"code": code}).status_code == 200
    statuses = [client.send("social/", {"code": code}).status_code for _ in range(10)]
    assert statuses == [400] * 9 + [429]
    assert UserSession.objects.count() == 1


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email_verified": None}])
def test_an_address_that_the_provider_has_not_verified_signs_nobody_in(client, provider, db, claims):
    answer = client.send("social/", {"code": provider.approve(**{**CAROL, **claims})})
    assert_error(answer, 401, "invalid_credentials")


def test_the_address_of_another_account_signs_nobody_in(client, provider, user):
    answer = client.send("social/", {"code": provider.approve(**{**CAROL, "email": user.email})})
    assert answer.status_code == 400
    assert not SocialAccount.objects.exists()
    assert not UserSession.objects.exists()


@pytest.mark.parametrize("is_active", [False, True])
def test_an_inactive_user_does_not_sign_in(client, provider, db, is_active):
    assert client.send("social/", {"code": provider.approve(**CAROL)}).status_code == 200
    get_user_model().objects.update(is_active=is_active)
    answer = client.send("social/", {"code": provider.approve(**CAROL)})
    assert answer.status_code == (200 if is_active else 401)


@pytest.mark.parametrize("revokes", [True, False])
def test_a_revocation_during_the_check_is_noticed(client, provider, db, revokes):
    assert client.send("social/", {"code": provider.approve(**CAROL)}).status_code == 200

    def revoke(sociallogin, **kwargs):
        if revokes:
            revoke_user(sociallogin.user)

    pre_social_login.connect(revoke)
    try:
        answer = client.send("social/", {"code": provider.approve(**CAROL)})
    finally:
        pre_social_login.disconnect(revoke)
    assert answer.status_code == (401 if revokes else 200)
    assert UserSession.objects.filter(revoked_at=None).count() == (0 if revokes else 2)
