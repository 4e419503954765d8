"""Both sessions end together, whichever is asked, and a sign-in that was overtaken by a revocation gives no tokens."""

import pytest
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.signals import authentication_step_completed, user_logged_in as allauth_logged_in
from allauth.mfa.totp.internal.auth import TOTP
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore
from django.core import checks
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.dispatch import Signal
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from jwt_auth import sessions
from jwt_auth.contrib.allauth.middleware import AllauthMiddleware
from jwt_auth.contrib.allauth.receivers import connect_if_used
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from jwt_auth.verification import verify
from jwt_auth.views import SessionExchangeView
from tests.contrib.allauth.urls import SessionView, plain
from tests.support.allauth_clients import TOTP_SECRET, App, Browser, code_in_mail, totp
from tests.support.clients import PASSWORD, Client
from tests.support.queries import count_queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]  # codes are good for half a minute


@pytest.fixture
def alice(user):
    user.emailaddress_set.create(email="alice@example.com", verified=True, primary=True)
    return user


@pytest.fixture
def signed_in(alice):
    """A browser that has signed in."""
    browser = Browser()
    assert browser.login(alice).status_code == 200
    return browser


@pytest.fixture
def fail(monkeypatch):
    """Have a function fail as if the database were down, until `fail.undo()`."""

    def down(*args, **kwargs):
        raise OperationalError("connection refused")

    def fail(path):
        monkeypatch.setattr(path, down)
        monkeypatch.setattr("jwt_auth._django.outages.is_of_server", lambda error: True)

    fail.undo = monkeypatch.undo
    return fail


def change_password(user):
    other = get_user_model().objects.get(pk=user.pk)
    other.set_password("another good password")
    other.save()


def change_password_without_signals(user):
    other = get_user_model()()
    other.set_password("another good password")
    get_user_model().objects.filter(pk=user.pk).update(password=other.password)


def deactivate(user):
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)


CHANGES = [revoke_user, change_password, change_password_without_signals, deactivate, lambda user: revoke_all()]


@pytest.fixture(params=CHANGES, ids=["revoked", "password", "password by SQL", "inactive", "everybody"])
def change(request):
    """Something after which tokens of the user must not be usable."""
    return request.param


def got_nothing(page):
    live = UserSession.objects.filter(revoked_at=None)
    return page.tokens == {} and not live.exists() and page.status() in {401, 410}


# A change while the user signs in


def test_a_change_between_two_steps_refuses_the_sign_in(page, alice, change):
    TOTP.activate(alice, TOTP_SECRET)
    assert page.login(alice).status_code == 401
    change(alice)
    assert page.send("auth/2fa/authenticate", {"code": totp()}).status_code == 401
    assert got_nothing(page)


@pytest.mark.parametrize("moment", ["checked", "signed in"])
def test_a_change_while_the_credentials_are_checked_refuses_the_sign_in(page, alice, change, moment, monkeypatch):
    def overtaken(user, **kwargs):
        change(user)
        return True

    if moment == "checked":
        monkeypatch.setattr(ModelBackend, "user_can_authenticate", lambda self, user: overtaken(user))
    else:
        user_logged_in.connect(overtaken, weak=False, dispatch_uid="overtaken")
    try:
        assert page.login(alice).status_code == 401
    finally:
        user_logged_in.disconnect(dispatch_uid="overtaken")
    monkeypatch.undo()
    assert got_nothing(page)


def test_a_refused_sign_in_can_be_repeated(page, alice, monkeypatch):
    monkeypatch.setattr(ModelBackend, "user_can_authenticate", lambda self, user: bool(revoke_user(user)))
    assert page.login(alice).status_code == 401
    monkeypatch.undo()
    assert type(page)().login(alice).status_code == 200


def test_a_reauthentication_is_refused_if_the_session_ends_meanwhile(page, alice, monkeypatch):
    page.login(alice)
    check = get_user_model().check_password

    def overtaken(self, *arguments):
        sessions.end(page.tokens["refresh_token"])
        return check(self, *arguments)

    monkeypatch.setattr(get_user_model(), "check_password", overtaken)
    page.reauthenticate()
    assert not UserSession.objects.filter(revoked_at=None).exists()
    assert page.status() in {401, 410}


def test_a_reauthentication_that_another_one_overtakes_is_refused_alone(page, alice, monkeypatch):
    def overtaken(user, **options):
        start(user, **options)
        return start(user, **options)

    page.login(alice)
    former, start = page.tokens, sessions.start
    monkeypatch.setattr(sessions, "start", overtaken)
    assert page.reauthenticate().status_code == 401
    monkeypatch.undo()
    assert page.tokens == former
    assert Client().is_dead(former)
    assert page.status() == 200
    assert page.reauthenticate().status_code == 200
    assert UserSession.objects.filter(revoked_at=None).count() == 1


@pytest.mark.parametrize("change", [None, revoke_user, change_password, lambda user: revoke_all()])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_new_password_signs_nobody_in_whom_anything_else_has_signed_out(page, alice, monkeypatch, change, moment):
    def overtaken(adapter, user, password):
        if change is not None and moment == "before":
            change(alice)
        set_password(adapter, user, password)
        if change is not None and moment == "after":
            change(alice)

    set_password = DefaultAccountAdapter.set_password
    monkeypatch.setattr(DefaultAccountAdapter, "set_password", overtaken)
    page.login(alice)
    former = page.tokens
    body = {"current_password": PASSWORD, "new_password": "one more good password"}
    answer = page.send("account/password/change", body)
    assert answer.status_code == (200 if change is None else 401)
    assert Client().is_dead(former)
    if change is None:
        assert not Client().is_dead(page.tokens)
    assert page.status() in ({200} if change is None else {401, 410})
    assert UserSession.objects.filter(revoked_at=None).exists() is (change is None)


@pytest.mark.parametrize("end", [sessions.end, lambda token: revoke_session(UserSession.objects.get().pk)])
def test_a_new_password_does_not_revive_a_session_that_has_just_ended(page, alice, monkeypatch, end):
    def overtaken(adapter, user, password):
        end(page.tokens["refresh_token"])
        set_password(adapter, user, password)

    set_password = DefaultAccountAdapter.set_password
    monkeypatch.setattr(DefaultAccountAdapter, "set_password", overtaken)
    page.login(alice)
    body = {"current_password": PASSWORD, "new_password": "one more good password"}
    assert page.send("account/password/change", body).status_code == 401
    assert page.status() in {401, 410}
    assert not UserSession.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("error", [PermissionDenied, ValueError])
@pytest.mark.parametrize("step", ["login", "reauthenticate"])
def test_a_receiver_that_raises_an_error_refuses_the_sign_in(page, alice, error, step):
    def refuse(**kwargs):
        raise error

    signal = allauth_logged_in if step == "login" else authentication_step_completed
    if step == "reauthenticate":
        page.login(alice)
    before = page.tokens
    signal.connect(refuse, weak=False, dispatch_uid="refuse")
    answer = page.login(alice) if step == "login" else page.reauthenticate()
    signal.disconnect(dispatch_uid="refuse")
    assert answer.status_code == (403 if error is PermissionDenied else 500)
    if step == "login":
        assert got_nothing(page)
    else:
        assert page.tokens == before
        assert Client().get_me(before["access_token"]).status_code == 200
        assert page.status() == 200
    assert type(page)().login(alice).status_code == 200


def test_an_app_that_is_refused_leaves_the_session_of_a_cookie_alone(alice, make_user):
    def refuse(**kwargs):
        raise PermissionDenied

    app, bob = App(), make_user("bob")
    app.login(alice)
    app.force_login(bob)
    key = app.cookies["sessionid"].value
    authentication_step_completed.connect(refuse, weak=False, dispatch_uid="refuse")
    assert app.reauthenticate().status_code == 403
    authentication_step_completed.disconnect(dispatch_uid="refuse")
    assert SessionStore(key).get("_auth_user_id") == str(bob.pk)


def test_a_page_of_allauth_is_refused_too(alice, monkeypatch):
    browser = Browser()
    monkeypatch.setattr(ModelBackend, "user_can_authenticate", lambda self, user: bool(revoke_user(user)))
    answer = browser.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert got_nothing(browser)
    monkeypatch.undo()
    assert browser.post("/accounts/login/", {"login": "alice", "password": PASSWORD}).status_code == 302
    assert browser.get("/auth/browser/me/").status_code == 200


def test_an_upgrade_of_the_password_s_hash_is_no_new_password(page, alice, settings):
    new, old = settings.PASSWORD_HASHERS[0], "tests.hashers.OldHasher"
    settings.PASSWORD_HASHERS = [old, new]
    alice.set_password(PASSWORD)
    alice.save()
    TOTP.activate(alice, TOTP_SECRET)
    settings.PASSWORD_HASHERS = [new, old]
    assert page.login(alice).status_code == 401
    assert get_user_model().objects.get().password != alice.password
    assert page.send("auth/2fa/authenticate", {"code": totp()}).status_code == 200
    assert Client().get_me(page.tokens["access_token"]).status_code == 200


# Django's session


def names(browser):
    return {browser.get(path).json()["user"] for path in ("/plain/", "/session/")}


def test_django_s_session_of_a_browser_ends_with_the_tokens(signed_in, alice):
    assert names(signed_in) == {"alice"}
    revoke_user(alice)
    assert signed_in.get("/session/").json() == {"user": "AnonymousUser"}
    assert names(signed_in) == {"AnonymousUser"}


@pytest.mark.parametrize("is_over", [False, True])
def test_a_session_that_has_ended_is_not_exchanged(signed_in, jwt_settings, is_over):
    jwt_settings(SESSION_EXCHANGE="keep")
    if is_over:
        sessions.end(signed_in.tokens["refresh_token"])
    assert signed_in.post("/auth/session/", {}, "application/json").status_code == (401 if is_over else 200)


TIED = "jwt_auth.middleware.TiedSessionMiddleware"


@pytest.fixture(params=["keep", "tie"])
def exchange(request, signed_in, jwt_settings, settings):
    """Exchange the Django session of the browser for cookies, or for tokens in the body, and return the answer."""
    jwt_settings(SESSION_EXCHANGE=request.param)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, TIED]
    return lambda place="browser/": signed_in.post(f"/auth/{place}session/", {}, "application/json")


def test_an_exchange_for_cookies_goes_on_with_allauth_s_session(signed_in, exchange):
    for _ in range(2):
        former = signed_in.tokens
        assert exchange().status_code == 200
        assert Client().is_dead(former)
        assert names(signed_in) == {"alice"}
        assert signed_in.status() == 200
        assert UserSession.objects.filter(revoked_at=None).count() == 1
    tokens = signed_in.tokens
    signed_in.logout()
    assert Client().is_dead(tokens)


def test_the_end_of_exchanged_cookies_ends_allauth_s_session(signed_in, exchange):
    exchange()
    sessions.end(signed_in.tokens["refresh_token"])
    assert signed_in.status() == 401
    assert names(signed_in) == {"AnonymousUser"}


def test_an_exchange_for_cookies_is_refused_if_the_session_has_just_ended(signed_in, exchange, monkeypatch):
    methods = SessionExchangeView.get_amr

    def overtaken(view, request):
        sessions.end(signed_in.tokens["refresh_token"])
        return methods(view, request)

    monkeypatch.setattr(SessionExchangeView, "get_amr", overtaken)
    answer = exchange()
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert not UserSession.objects.filter(revoked_at=None).exists()


def test_an_exchange_for_other_tokens_leaves_the_cookies(signed_in, exchange):
    answer = exchange("")
    assert answer.status_code == 200
    assert names(signed_in) == {"alice"}
    assert not Client().is_dead(answer.json())
    assert signed_in.get("/auth/browser/me/").status_code == 200


def test_an_exchange_that_ends_django_s_session_ends_allauth_s(signed_in, jwt_settings):
    jwt_settings(SESSION_EXCHANGE="end")
    former = signed_in.tokens
    assert signed_in.post("/auth/browser/session/", {}, "application/json").status_code == 200
    assert Client().is_dead(former)
    assert names(signed_in) == {"AnonymousUser"}
    assert not Client().is_dead(signed_in.tokens)


def test_a_plain_view_sees_the_end_first(signed_in, alice):
    revoke_user(alice)
    assert signed_in.get("/plain/").json() == {"user": "AnonymousUser"}


@pytest.mark.parametrize("is_over", [False, True])
def test_an_asynchronous_view_of_drf_gets_the_same_user(signed_in, alice, is_over):
    request = RequestFactory().get("/session/")
    request.session = SessionStore(signed_in.cookies["sessionid"].value)
    request.user = SimpleLazyObject(lambda: get_user(request))
    if is_over:
        revoke_user(alice)
    AllauthMiddleware(lambda request: None).process_view(request, SessionView.as_view(), (), {})
    assert async_to_sync(request.auser)() == (AnonymousUser() if is_over else alice)


@pytest.mark.parametrize("is_over", [False, True])
def test_a_user_who_was_read_before_the_check_is_signed_out_too(signed_in, alice, is_over):
    """As by an asynchronous middleware of the project, for a plain asynchronous view."""
    request = RequestFactory().get("/plain/")
    request.session = SessionStore(signed_in.cookies["sessionid"].value)
    AuthenticationMiddleware(lambda request: None).process_request(request)
    assert async_to_sync(request.auser)() == alice
    if is_over:
        revoke_user(alice)
    AllauthMiddleware(lambda request: None).process_view(request, plain, (), {})
    assert async_to_sync(request.auser)() == (AnonymousUser() if is_over else alice)


def test_a_sign_in_to_the_admin_is_no_business_of_allauth_s(alice):
    get_user_model().objects.update(is_staff=True)
    browser = Browser()
    browser.post("/admin/login/", {"username": "alice", "password": PASSWORD, "next": "/plain/"})
    assert names(browser) == {"alice"}
    assert browser.tokens == {}
    revoke_user(alice)
    assert names(browser) == {"alice"}


def test_the_end_costs_one_query(signed_in, alice):
    number, answer = count_queries(signed_in.get, "/plain/")
    assert answer.json() == {"user": "alice"}
    assert number == 3  # Django's session and user, and the tie


def test_a_reauthentication_of_this_app_keeps_allauth_s_session(page, alice):
    page.login(alice)
    if isinstance(page, Browser):
        answer = page.post("/auth/browser/reauthenticate/", {"password": PASSWORD}, content_type="application/json")
    else:
        answer = Client().bearer(page.tokens["access_token"]).send("reauthenticate/", {"password": PASSWORD})
        page.tokens = answer.json()
    assert answer.status_code == 200
    assert page.status() == 200
    tokens = page.tokens
    page.logout()
    assert Client().is_dead(tokens)


@pytest.mark.parametrize("change", [change_password, deactivate])
def test_a_sign_in_of_the_project_s_own_gives_tokens_too(alice, change):
    browser = Browser()
    assert browser.post("/sign-in/").status_code == 302
    assert browser.get("/auth/browser/me/").status_code == 200
    other = Browser()
    user_logged_in.connect(lambda **kwargs: change(alice), weak=False, dispatch_uid="overtaken")
    other.post("/sign-in/")
    user_logged_in.disconnect(dispatch_uid="overtaken")
    assert other.tokens == {}
    assert other.status() == 401


@pytest.mark.parametrize("wait", [60, 961])
def test_a_note_counts_as_long_as_allauth_waits_for_the_next_step(alice, clock, wait):
    TOTP.activate(alice, TOTP_SECRET)
    browser = Browser()
    assert browser.login(alice).status_code == 401
    alice.authenticator_set.all().delete()  # for a sign-in of the project's own, which is no further step
    clock.shift(wait)
    assert browser.post("/sign-in/").status_code == 302
    assert verify(browser.tokens["access_token"]).claims.amr == (("pwd",) if wait == 60 else ())


@pytest.mark.parametrize("wait", [60, 961])
def test_a_change_after_a_sign_in_that_was_given_up_refuses_none_that_is_begun_later(alice, clock, wait):
    TOTP.activate(alice, TOTP_SECRET)
    browser = Browser()
    assert browser.login(alice).status_code == 401
    alice.authenticator_set.all().delete()
    revoke_user(alice)
    clock.shift(wait)
    assert browser.post("/sign-in/").status_code == (401 if wait == 60 else 302)
    assert (browser.tokens == {}) is (wait == 60)


def test_a_sign_in_of_the_project_s_own_does_not_make_former_methods_fresh(signed_in, clock):
    assert verify(signed_in.tokens["access_token"]).claims.amr == ("pwd",)
    clock.shift(60)
    assert signed_in.post("/sign-in/").status_code == 302
    assert verify(signed_in.tokens["access_token"]).claims.amr == ()


def test_the_session_whose_cookies_are_replaced_ends(signed_in, alice):
    former = signed_in.tokens
    del signed_in.cookies["sessionid"]
    assert signed_in.login(alice).status_code == 200
    assert Client().is_dead(former)
    assert signed_in.get("/auth/browser/me/").status_code == 200


def test_cookies_end_with_the_browser_if_allauth_s_do(alice, settings):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    answer = Browser().login(alice)
    assert {answer.cookies[name]["max-age"] for name in ("sessionid", "__Host-Http-refresh")} == {""}


def test_a_session_that_is_ended_in_allauth_s_list_ends_here(signed_in, alice):
    app = App()
    app.login(alice)
    page = signed_in.send("auth/sessions", {"sessions": []}, "delete")
    assert page.status_code in {200, 400}, page.content
    listed = signed_in.get("/_allauth/browser/v1/auth/sessions").json()["data"]
    others = [session["id"] for session in listed if not session["is_current"]]
    assert signed_in.send("auth/sessions", {"sessions": others}, "delete").status_code == 200
    assert Client().is_dead(app.tokens)
    assert signed_in.get("/auth/browser/me/").status_code == 200


def test_a_session_token_that_has_no_tokens_is_unknown(alice):
    """As one from before the strategy was set, which no revocation would end."""
    app, browser = App(), Browser()
    browser.force_login(alice)
    app.session_token = browser.cookies["sessionid"].value
    assert app.status() == 410


@pytest.fixture
def bob(signed_in, make_user, settings):
    """A user who has reset the password in the browser where alice is signed in; the second factor is still due."""
    settings.ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
    settings.ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
    bob = make_user("bob")
    bob.emailaddress_set.create(email="bob@example.com", verified=True, primary=True)
    TOTP.activate(bob, TOTP_SECRET)
    signed_in.send("auth/password/request", {"email": "bob@example.com"})
    body = {"key": code_in_mail(), "password": "another good password"}
    assert signed_in.send("auth/password/reset", body).status_code == 200
    assert names(signed_in) == {"alice"}
    return bob


def test_a_step_of_another_user_does_not_untie_the_one_who_is_signed_in(signed_in, alice, bob):
    revoke_user(alice)
    assert names(signed_in) == {"AnonymousUser"}


@pytest.mark.parametrize("is_revoked", [False, True])
def test_another_user_signs_in_unless_revoked_since_the_first_step(signed_in, alice, bob, is_revoked):
    former = signed_in.tokens
    if is_revoked:
        revoke_user(bob)
    answer = signed_in.send("auth/2fa/authenticate", {"code": totp()})
    assert answer.status_code == (401 if is_revoked else 200)
    assert UserSession.objects.filter(user=bob).exists() is not is_revoked
    assert names(signed_in) == {"AnonymousUser" if is_revoked else "bob"}
    assert Client().is_dead(former)  # Django has deleted alice's session


# Outages


def test_an_outage_signs_nobody_in(page, alice, monkeypatch):
    def down(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr("jwt_auth.contrib.allauth.sign_ins.sessions.start", down)
    monkeypatch.setattr("jwt_auth._django.outages.is_of_server", lambda error: True)
    answer = page.login(alice)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer["Retry-After"]
    monkeypatch.undo()
    assert got_nothing(page)


@pytest.mark.parametrize("what", ["any_account", "all_sessions", "sessions.start"])
def test_an_outage_signs_nobody_out(page, alice, monkeypatch, what):
    page.login(alice)

    def down(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(f"jwt_auth.contrib.allauth.sign_ins.{what}", down)
    monkeypatch.setattr("jwt_auth._django.outages.is_of_server", lambda error: True)
    assert page.reauthenticate().status_code == 503
    if what == "all_sessions":
        assert page.status() == 503
    monkeypatch.undo()
    assert page.status() == 200
    assert page.reauthenticate().status_code == 200


def test_an_outage_while_a_session_ends_is_an_outage(page, alice, fail):
    page.login(alice)
    fail("jwt_auth.contrib.allauth.sign_ins.end_tied_to")
    assert page.logout().status_code == 503
    assert page.status() == 200


@pytest.mark.parametrize("path", ["/plain/", "/session/"])
def test_an_outage_while_a_session_is_deleted_is_an_outage(signed_in, alice, fail, path):
    revoke_user(alice)
    fail("django.contrib.sessions.backends.db.SessionStore.delete")
    assert signed_in.get(path).status_code == 503


def test_an_outage_while_a_session_token_is_read_is_an_outage(alice, fail):
    app = App()
    app.login(alice)
    fail("django.contrib.sessions.backends.db.SessionStore.exists")
    assert app.status() == 503


def test_an_outage_while_a_sign_in_is_undone_is_an_outage(page, alice, fail):
    fail("jwt_auth.contrib.allauth.sign_ins.sessions.start")
    fail("django.contrib.sessions.backends.db.SessionStore.delete")
    assert page.login(alice).status_code == 503
    fail.undo()
    assert got_nothing(page)


def test_an_outage_while_a_refused_sign_in_is_undone_is_an_outage(alice, fail):
    def refuse(**kwargs):
        fail("django.contrib.sessions.backends.db.SessionStore.delete")
        raise PermissionDenied

    browser = Browser()
    allauth_logged_in.connect(refuse, weak=False, dispatch_uid="refuse")
    answer = browser.login(alice)
    allauth_logged_in.disconnect(dispatch_uid="refuse")
    assert answer.status_code == 503
    fail.undo()
    assert got_nothing(browser)


# Settings


JWT_USER = "jwt_auth.middleware.JWTUserMiddleware"


def problems():
    return {found.id for found in checks.run_checks() if found.id.startswith("jwt_auth.")}


def test_the_settings_of_the_guide_are_right():
    assert problems() == set()


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("MIDDLEWARE", lambda value: value[:-1], {"jwt_auth.E091"}),
        ("MIDDLEWARE", lambda value: [value[-1], *value[:-1]], {"jwt_auth.E091"}),
        ("MIDDLEWARE", lambda value: [*value[:-1], JWT_USER, value[-1]], {"jwt_auth.E091"}),
        ("HEADLESS_ADAPTER", lambda value: "allauth.headless.adapter.DefaultHeadlessAdapter", {"jwt_auth.E092"}),
        ("USERSESSIONS_ADAPTER", lambda value: None, {"jwt_auth.E093"}),
        ("HEADLESS_TOKEN_STRATEGY", lambda value: None, {"jwt_auth.E094"}),
    ],
)
def test_a_setting_that_is_missing_is_reported(settings, name, change, expected):
    setattr(settings, name, change(getattr(settings, name)))
    if getattr(settings, name) is None:
        delattr(settings, name)
    assert problems() == expected


def test_a_part_without_the_strategy_is_reported(settings):
    adapter, settings.HEADLESS_ADAPTER = settings.HEADLESS_ADAPTER, "allauth.headless.adapter.DefaultHeadlessAdapter"
    del settings.HEADLESS_TOKEN_STRATEGY
    assert problems() == {"jwt_auth.E094"}, "the middleware is there"
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]
    assert problems() == set(), "nothing of this app is there"
    settings.HEADLESS_ADAPTER = adapter
    assert problems() == {"jwt_auth.E094"}


@pytest.mark.urls("tests.contrib.allauth.urls_with_login")
@pytest.mark.parametrize("has_strategy", [True, False])
def test_a_sign_in_without_the_second_factor_is_reported(settings, has_strategy):
    if not has_strategy:
        del settings.HEADLESS_TOKEN_STRATEGY
    found = [found.msg for found in checks.run_checks() if found.id == "jwt_auth.W090"]
    assert [message.split()[0] for message in found] == ["/auth/login/", "/auth/browser/login/"]


@pytest.mark.parametrize(("name", "number"), [("TokenStrategy", 5), ("SessionTokenStrategy", 0), (None, 0)])
def test_another_strategy_has_nothing_to_do_with_this_app(settings, monkeypatch, name, number):
    connected = []
    monkeypatch.setattr(Signal, "connect", lambda signal, receiver, dispatch_uid: connected.append(receiver))
    place = "jwt_auth.contrib.allauth.strategy." if number else "allauth.headless.tokens.strategies.sessions."
    settings.HEADLESS_TOKEN_STRATEGY = name and f"{place}{name}"
    connect_if_used()
    assert len(connected) == number
