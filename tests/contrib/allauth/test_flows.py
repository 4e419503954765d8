"""allauth's flows over HTTP: each gives the tokens of one session, which say how the user was authenticated."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth import get_user_model

from jwt_auth import sessions
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.verification import verify
from tests.support.allauth_clients import TOTP_SECRET, App, Browser, code_in_mail, totp
from tests.support.clients import PASSWORD, Client
from tests.support.passkeys import add_passkey
from tests.support.queries import count_queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]  # codes are good for half a minute


@pytest.fixture
def alice(user):
    EmailAddress.objects.create(user=user, email="alice@example.com", verified=True, primary=True)
    return user


@pytest.fixture
def alice_with_totp(alice):
    TOTP.activate(alice, TOTP_SECRET)
    return alice


def claims(page):
    """Return the claims of the page's access token, which is accepted, and whose session is the only live one."""
    claims = verify(page.tokens["access_token"]).claims
    live = UserSession.objects.filter(revoked_at=None)
    assert [session.sid for session in live] == [claims.sid]
    transport = UserSession.Transport.COOKIE if isinstance(page, Browser) else UserSession.Transport.BEARER
    assert live.get().transport == transport
    return claims


def is_dead(page, tokens):
    return Client().is_dead(tokens) and page.status() in {401, 410}


def test_a_password_signs_in(page, alice):
    assert page.login(alice, "a wrong password").status_code == 400
    assert not UserSession.objects.exists()
    answer = page.login(alice)
    assert answer.status_code == 200, answer.content
    assert claims(page).amr == ("pwd",)
    assert "no-store" in answer["Cache-Control"]
    assert page.status() == 200
    assert len(UserSession.objects.all()) == 1


def test_an_app_s_answer_has_what_allauth_says_and_a_browser_s_no_token(alice):
    app, browser = App(), Browser()
    meta = app.login(alice).json()["meta"]
    expected = {"is_authenticated", "session_token", "access_token", "refresh_token", "token_type", "session"}
    assert set(meta) == expected | {"expires_in", "refresh_expires_in"}
    answer = browser.login(alice)
    assert set(answer.json()["meta"]) == {"is_authenticated"}
    for name in ("__Host-Http-access", "__Host-Http-refresh"):
        assert answer.cookies[name]["httponly"]
        assert answer.cookies[name]["secure"]
    assert Client().get_me(app.tokens["access_token"]).status_code == 200
    assert browser.get("/auth/browser/me/").status_code == 200


def test_a_browser_that_gets_access_tokens_in_bodies_refreshes_after_a_sign_in(alice, jwt_settings):
    jwt_settings(BROWSER_ACCESS_TOKEN="body")
    browser = Browser()
    answer = browser.login(alice)
    assert set(answer.json()["meta"]) == {"is_authenticated"}
    assert "__Host-Http-access" not in answer.cookies
    assert answer.cookies["__Host-Http-refresh"]["httponly"]
    refreshed = browser.post("/auth/browser/refresh/")
    assert refreshed.status_code == 200, refreshed.content
    assert Client().get_me(refreshed.json()["access_token"]).status_code == 200


def test_a_code_by_mail_signs_in(page, alice):
    assert page.send("auth/code/request", {"email": "alice@example.com"}).status_code == 401
    assert page.send("auth/code/confirm", {"code": "wrong"}).status_code == 400
    assert page.tokens == {}
    assert page.send("auth/code/confirm", {"code": code_in_mail()}).status_code == 200
    assert claims(page).amr == ("otp",)


def test_a_sign_up_signs_in_once_the_address_is_verified(page):
    body = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
    assert page.send("auth/signup", body).status_code == 401
    assert page.tokens == {}
    assert page.send("auth/email/verify", {"key": code_in_mail()}).status_code == 200
    # Nobody has checked the password that was just made up.
    assert claims(page).amr == ()
    assert claims(page).sub == str(get_user_model().objects.get().pk)


@pytest.mark.parametrize("kind", ["totp", "recovery code"])
def test_a_second_factor_signs_in(page, alice_with_totp, kind):
    recovery = RecoveryCodes.activate(alice_with_totp)
    assert page.login(alice_with_totp).status_code == 401
    assert page.send("auth/2fa/authenticate", {"code": "000000"}).status_code == 400
    assert page.tokens == {}
    code = totp() if kind == "totp" else recovery.get_unused_codes()[0]
    assert page.send("auth/2fa/authenticate", {"code": code}).status_code == 200
    assert claims(page).amr == ("pwd", "otp", "mfa")


def sign_in_by_code(page):
    page.send("auth/code/request", {"email": "alice@example.com"})
    return page.send("auth/code/confirm", {"code": code_in_mail()})


@pytest.mark.parametrize(("wait", "amr"), [(60, ("pwd", "otp", "mfa")), (961, ("otp", "mfa"))])
def test_a_sign_in_that_was_given_up_counts_as_long_as_allauth_waits_for_it(page, alice_with_totp, clock, wait, amr):
    page.login(alice_with_totp)
    clock.shift(wait)
    assert sign_in_by_code(page).status_code == 401
    assert page.send("auth/2fa/authenticate", {"code": totp()}).status_code == 200
    assert claims(page).amr == amr


def test_a_new_password_after_a_sign_in_that_was_given_up_signs_in(page, alice_with_totp):
    page.login(alice_with_totp)
    alice_with_totp.set_password("another good password")
    alice_with_totp.save()
    assert page.login(alice_with_totp, "another good password").status_code == 401
    assert page.send("auth/2fa/authenticate", {"code": totp()}).status_code == 200
    assert claims(page).amr == ("pwd", "otp", "mfa")


@pytest.fixture
def passkey(alice):
    """A passkey that alice has added."""
    return add_passkey(alice)


def sign(page, path, passkey):
    """Send what the passkey signs, after a signature for another challenge, which must be refused."""
    former = page.send(path, method="get").json()["data"]["request_options"]
    options = page.send(path, method="get").json()["data"]["request_options"]
    assert page.send(path, {"credential": passkey.sign(former)}).status_code == 400
    return page.send(path, {"credential": passkey.sign(options)})


def test_a_passkey_signs_in(page, passkey):
    assert sign(page, "auth/webauthn/login", passkey).status_code == 200
    assert claims(page).amr == ("pop",)


def test_a_passkey_is_a_second_factor_and_authenticates_again(page, alice, passkey):
    assert page.login(alice).status_code == 401
    assert sign(page, "auth/webauthn/authenticate", passkey).status_code == 200
    first = claims(page)
    assert first.amr == ("pwd", "pop", "mfa")
    assert sign(page, "auth/webauthn/reauthenticate", passkey).status_code == 200
    assert claims(page).amr == ("pop",)
    assert claims(page).sid != first.sid


def test_another_provider_signs_in_a_browser_on_a_page_of_allauth(alice):
    browser = Browser()
    body = {"provider": "dummy", "process": "login", "callback_url": "/app/"}
    form = browser.post("/_allauth/browser/v1/auth/provider/redirect", body)["Location"]
    answer = browser.post(form, {"id": 7, "email": "carol@example.com", "email_verified": True})
    assert answer.status_code == 302, answer.content
    assert claims(browser).amr == ()
    assert "no-store" in answer["Cache-Control"]


def test_a_reset_password_signs_in_if_the_project_wants_that(alice, settings):
    settings.ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
    settings.ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
    app = App()
    assert app.send("auth/password/request", {"email": "alice@example.com"}).status_code == 401
    body = {"key": code_in_mail(), "password": "another good password"}
    assert app.send("auth/password/reset", body).status_code == 200
    assert claims(app).amr == ()


# Re-authentication


def test_a_reauthentication_replaces_the_session(page, alice_with_totp, clock):
    page.login(alice_with_totp)
    page.send("auth/2fa/authenticate", {"code": totp()})
    before, tokens = claims(page), page.tokens
    clock.shift(600)
    assert page.send("auth/reauthenticate", {"password": "wrong"}).status_code == 400
    assert page.tokens == tokens
    assert page.reauthenticate().status_code == 200
    after = claims(page)
    assert (after.amr, after.auth_time) == (("pwd",), before.auth_time + timedelta(seconds=600))
    assert UserSession.objects.get(pk=before.sid).revoked_reason == "replaced"
    assert Client().is_dead(tokens)
    assert page.status() == 200
    clock.shift(60)
    assert page.send("auth/2fa/reauthenticate", {"code": totp()}).status_code == 200
    assert claims(page).amr == ("otp",)


def test_a_code_authenticates_again(page, alice, settings):
    settings.ACCOUNT_REAUTHENTICATION_METHODS = ["password", "code", "mfa"]
    page.login(alice)
    assert page.send("auth/reauthenticate/code/request", {"email": "alice@example.com"}).status_code == 200
    assert page.send("auth/reauthenticate/code/confirm", {"code": code_in_mail()}).status_code == 200
    assert claims(page).amr == ("otp",)


# Refresh


def test_both_endpoints_refresh(alice, clock):
    app = App()
    app.login(alice)
    first = app.tokens["refresh_token"]
    clock.shift(60)
    body = {"refresh_token": first}
    number, answer = count_queries(app.send, "tokens/refresh", body, headers={"X-Session-Token": ""})
    second = answer.json()["data"]
    assert number == 2
    assert verify(second["access_token"]).claims.sid == verify(app.tokens["access_token"]).claims.sid
    clock.shift(60)
    third = Client().refresh(second["refresh_token"]).json()
    assert app.send("tokens/refresh", {"refresh_token": third["refresh_token"]}).status_code == 200
    # Used before: the session ends, for both endpoints and for allauth.
    assert app.send("tokens/refresh", {"refresh_token": first}).json() == {"status": 400}
    assert Client().refresh(third["refresh_token"]).status_code == 401
    assert app.status() == 410


def test_a_browser_refreshes_by_its_cookie(alice, clock):
    browser = Browser()
    browser.login(alice)
    clock.shift(60)
    assert browser.post("/auth/browser/refresh/").status_code == 200
    assert claims(browser).amr == ("pwd",)


# Ends


def test_signing_out_of_allauth_ends_the_session(page, alice):
    page.login(alice)
    tokens = page.tokens
    assert page.logout().status_code == 401
    assert is_dead(page, tokens)
    assert UserSession.objects.get().revoked_reason == "signed out of Django"
    if isinstance(page, Browser):
        assert page.tokens == {}


@pytest.mark.parametrize("end", ["logout", "end", "revoke", "deactivate", "expire", "delete"])
def test_the_end_of_the_session_is_that_of_allauth_s(page, alice, end, clock):
    page.login(alice)
    tokens, session = page.tokens, UserSession.objects.get()
    assert page.status() == 200
    match end:
        case "logout":
            sessions.end(tokens["refresh_token"])
        case "end":
            Client().bearer(tokens["access_token"]).delete(f"/auth/sessions/{session.pk}/")
        case "revoke":
            revoke_user(alice)
        case "deactivate":
            get_user_model().objects.update(is_active=False)
        case "expire":
            UserSession.objects.update(idle_expires_at=session.started_at)
        case "delete":
            session.delete()
    assert page.status() == (401 if isinstance(page, Browser) else 410)
    assert is_dead(page, tokens)
    # Another sign-in is not affected.
    get_user_model().objects.update(is_active=True)
    assert type(page)().login(alice).status_code == 200


def test_a_new_password_ends_all_sessions_but_that_of_the_one_who_has_set_it(page, alice):
    other = App()
    other.login(alice)
    page.login(alice)
    old = page.tokens
    body = {"current_password": PASSWORD, "new_password": "another good password"}
    assert page.send("account/password/change", body).status_code == 200
    assert claims(page).amr == ("pwd",)
    assert page.status() == 200
    assert Client().is_dead(old)
    assert is_dead(other, other.tokens)


def test_a_new_password_signs_out_if_the_project_wants_that(page, alice, settings):
    settings.ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
    page.login(alice)
    old = page.tokens
    body = {"current_password": PASSWORD, "new_password": "another good password"}
    page.send("account/password/change", body)
    assert is_dead(page, old)
    assert not UserSession.objects.filter(revoked_at=None).exists()
