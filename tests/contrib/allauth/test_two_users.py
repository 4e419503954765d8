"""Two users of one of allauth's sessions: each sign-in ends the other, and none counts what the other has done."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP
from django.db import OperationalError

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.verification import verify
from tests.support.allauth_clients import TOTP_SECRET, App, Browser, code_in_mail, totp
from tests.support.clients import Client
from tests.support.passkeys import add_passkey

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]  # codes are good for half a minute


@pytest.fixture(params=[App, Browser])
def page(request):
    """Each of allauth's clients."""
    return request.param()


def with_address(user):
    EmailAddress.objects.create(user=user, email=f"{user}@example.com", verified=True, primary=True)
    return user


@pytest.fixture
def alice(user):
    return with_address(user)


@pytest.fixture
def bob(make_user):
    return with_address(make_user("bob"))


def by_passkey(page, passkey):
    options = page.send("auth/webauthn/login", method="get").json()["data"]["request_options"]
    return page.send("auth/webauthn/login", {"credential": passkey.sign(options)})


def signed_in_as(page):
    """Return the name of the user who is signed in to allauth; None if nobody is."""
    data = page.get(f"/_allauth/{page.kind}/v1/auth/session").json()["data"]
    return data.get("user", {}).get("username")


@pytest.mark.parametrize("has_cookies", [True, False])
def test_a_sign_in_of_another_user_ends_the_former_session(page, alice, bob, has_cookies):
    passkey = add_passkey(bob)
    page.login(alice)
    former = page.tokens
    if not has_cookies:
        for name in [name for name in page.cookies if name.startswith("__Host-Http")]:
            del page.cookies[name]
    assert by_passkey(page, passkey).status_code == 200
    assert Client().is_dead(former)
    assert signed_in_as(page) == "bob"
    claims = verify(page.tokens["access_token"]).claims
    assert (claims.sub, claims.amr) == (str(bob.pk), ("pop",))  # Django has deleted the records with alice's session
    assert not Client().is_dead(page.tokens)
    assert not UserSession.objects.filter(user=alice, revoked_at=None).exists()


def test_the_same_user_who_signs_in_again_keeps_allauth_s_session(page, alice):
    passkey = add_passkey(alice)
    page.login(alice)
    assert by_passkey(page, passkey).status_code == 200
    assert signed_in_as(page) == "alice"
    assert UserSession.objects.filter(user=alice, revoked_at=None).count() == 1


def test_a_refused_sign_in_of_another_user_ends_the_former_session_too(page, alice, bob, monkeypatch):
    """Django has deleted it by then."""
    passkey = add_passkey(bob)
    page.login(alice)
    former = page.tokens
    monkeypatch.setattr("jwt_auth.sessions.starting._reload", lambda *args: None)
    assert by_passkey(page, passkey).status_code == 401
    monkeypatch.undo()
    assert Client().is_dead(former)
    assert signed_in_as(page) is None
    assert not UserSession.objects.filter(revoked_at=None).exists()


def test_an_outage_while_the_former_session_ends_is_an_outage(page, alice, bob, monkeypatch):
    passkey = add_passkey(bob)
    page.login(alice)

    def down(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr("jwt_auth.contrib.allauth.sign_ins.end_tied_to", down)
    monkeypatch.setattr("jwt_auth._django.outages.is_of_server", lambda error: True)
    assert by_passkey(page, passkey).status_code == 503


# The last steps of one user, while another one is signed in


@pytest.fixture
def browser(alice, bob, settings):
    """
    A browser where alice is signed in, and bob has reset the password and sent a second factor.

    They have not said yet whether the browser is to be trusted.
    """
    settings.ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
    settings.ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
    settings.MFA_TRUST_ENABLED = True
    TOTP.activate(bob, TOTP_SECRET)
    browser = Browser()
    browser.login(alice)
    browser.send("auth/password/request", {"email": "bob@example.com"})
    body = {"key": code_in_mail(), "password": "another good password"}
    assert browser.send("auth/password/reset", body).status_code == 200
    browser.send("auth/2fa/authenticate", {"code": totp()})
    assert signed_in_as(browser) == "alice"
    assert not UserSession.objects.filter(user=bob).exists()
    return browser


@pytest.mark.parametrize("is_revoked", [False, True])
def test_a_browser_that_is_to_be_trusted(browser, bob, is_revoked):
    former = browser.tokens
    if is_revoked:
        revoke_user(bob)
    answer = browser.send("auth/2fa/trust", {"trust": False})
    assert answer.status_code == (401 if is_revoked else 200)
    assert signed_in_as(browser) == (None if is_revoked else "bob")
    assert Client().is_dead(former)
    if not is_revoked:
        claims = verify(browser.tokens["access_token"]).claims
        assert (claims.sub, claims.amr) == (str(bob.pk), ("otp", "mfa"))  # of the steps before


def test_a_browser_that_is_to_be_trusted_by_the_only_user(bob, settings):
    settings.MFA_TRUST_ENABLED = True
    TOTP.activate(bob, TOTP_SECRET)
    browser = Browser()
    browser.login(bob)
    assert browser.send("auth/2fa/authenticate", {"code": totp()}).status_code == 401
    assert browser.tokens == {}
    assert browser.send("auth/2fa/trust", {"trust": False}).status_code == 200
    assert verify(browser.tokens["access_token"]).claims.amr == ("pwd", "otp", "mfa")


def test_an_address_that_is_verified_while_another_user_is_signed_in_signs_nobody_in(page, alice, bob):
    passkey = add_passkey(bob)
    EmailAddress.objects.filter(user=bob).update(verified=False)
    page.login(alice)
    former = page.tokens
    by_passkey(page, passkey)
    assert page.send("auth/email/verify", {"key": code_in_mail()}).status_code == 200
    assert signed_in_as(page) == "alice"
    assert page.tokens == former
    assert not Client().is_dead(former)
    assert not UserSession.objects.filter(user=bob, revoked_at=None).exists()
