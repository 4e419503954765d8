"""BROWSER_ACCESS_TOKEN "body": the refresh token is in its cookie, and the access token in the body and the header."""

import pytest
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client as DjangoClient, RequestFactory
from django.urls import include, path, reverse
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions, transports
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.checks import browser as browser_checks
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.models import UserSession
from jwt_auth.views import LoginView
from tests.support.browser import HOST, ORIGIN, Browser
from tests.support.checks import found, ids
from tests.support.clients import PASSWORD

ACCESS, REFRESH = "__Host-Http-access", "__Host-Http-refresh"
MEMBERS = {"access_token", "token_type", "expires_in", "refresh_expires_in", "session"}
FORGED = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://evil.example.net"}


class Page(Browser):
    """A browser whose page holds the access token in a variable."""

    access_token = ""

    def send(self, *args, **extra):
        answer = super().send(*args, **extra)
        if answer.status_code == 200 and "access_token" in answer.json():
            self.access_token = answer.json()["access_token"]
        return answer

    def with_header(self, url="/auth/browser/me/", method="get", body=None):
        """Send a request with the access token in the header."""
        return self.send(url, body, method, HTTP_AUTHORIZATION=f"Bearer {self.access_token}")


@pytest.fixture
def in_body(jwt_settings):
    jwt_settings(BROWSER_ACCESS_TOKEN="body")


@pytest.fixture
def page(in_body, clock, user):
    return Page().sign_in(user)


def has_only_the_refresh_cookie(answer):
    """Check an answer with tokens, and return its body."""
    assert answer.status_code == 200
    body = answer.json()
    assert (set(body), body["token_type"]) == (MEMBERS, "Bearer")
    assert set(answer.cookies) <= {REFRESH}
    for cookie in answer.cookies.values():
        assert (cookie["httponly"], cookie["secure"], cookie["path"], cookie["samesite"]) == (True, True, "/", "Strict")
        assert cookie.value not in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    return body


def test_a_sign_in_returns_the_access_token_and_sets_the_refresh_cookie(in_body, clock, user):
    page = Page()
    answer = page.login(user, label="laptop")
    body = has_only_the_refresh_cookie(answer)
    session = UserSession.objects.get()
    assert (body["session"], answer.cookies[REFRESH]["max-age"]) == (str(session.pk), 14 * 86400)
    assert (session.transport, session.label) == (UserSession.Transport.COOKIE, "laptop")
    assert page.with_header().json()["session"] == body["session"]


def test_a_refresh_with_the_cookie_alone_returns_another_access_token(page):
    first, cookie = page.access_token, page.cookie(REFRESH)
    has_only_the_refresh_cookie(page.renew())
    assert page.access_token != first
    assert page.cookie(REFRESH) != cookie
    assert page.with_header().status_code == 200
    # Soon after, the refresh token stays as it is.
    answer = page.renew()
    has_only_the_refresh_cookie(answer)
    assert not answer.cookies


def test_a_session_that_is_not_persistent_ends_with_the_browser(in_body, user):
    assert Page().login(user, remember=False).cookies[REFRESH]["max-age"] == ""


def test_a_re_authentication_does_the_same(page, user):
    former = page.with_header().json()["session"]
    answer = page.with_header("/auth/browser/reauthenticate/", "post", body={"password": PASSWORD})
    assert has_only_the_refresh_cookie(answer)["session"] != former
    assert page.with_header().status_code == 200
    assert page.renew().status_code == 200


def test_the_exchange_of_a_django_session_does_the_same(in_body, jwt_settings, user):
    jwt_settings(SESSION_EXCHANGE="keep")
    page = Page()
    page.force_login(user)
    has_only_the_refresh_cookie(page.send("session/"))
    assert page.with_header().status_code == 200


def test_a_sign_in_of_the_projects_own_does_the_same(in_body, settings, user):
    urls = [path("in/", LoginView.for_browsers().as_view()), path("auth/browser/", include("jwt_auth.browser_urls"))]
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": urls})
    page = Page()
    has_only_the_refresh_cookie(page.send("/in/", {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}))
    assert page.with_header().status_code == 200


def test_the_other_endpoints_are_as_before(in_body, client, user):
    answer = client.login(user)
    assert set(answer.json()) == MEMBERS | {"refresh_token"}
    assert not answer.cookies


# What authenticates


class Who(APIView):
    authentication_classes = [JWTAuthentication, JWTCookieAuthentication]

    def get(self, request):
        return Response({"user": str(request.user)})

    post = get


@pytest.fixture
def own_view(settings):
    urls = [path("who/", Who.as_view()), path("auth/browser/", include("jwt_auth.browser_urls"))]
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": urls})


def test_no_access_token_in_a_cookie_is_accepted(own_view, clock, user, jwt_settings):
    browser = Browser().sign_in(user)
    cookies = "; ".join(f"{name}={browser.cookie(name)}" for name in (ACCESS, REFRESH))
    holding = Browser(HTTP_COOKIE=cookies)
    assert holding.get("/who/").json() == {"user": str(user)}
    jwt_settings(BROWSER_ACCESS_TOKEN="body")
    assert holding.get("/who/").json()["code"] == "not_authenticated"
    assert holding.me().json()["code"] == "not_authenticated"


def test_a_header_needs_no_check_for_forgery(own_view, page, user):
    for headers in ({}, FORGED):
        answer = Browser(**headers, HTTP_AUTHORIZATION=f"Bearer {page.access_token}").post("/who/")
        assert answer.json() == {"user": str(user)}


@pytest.mark.parametrize(("path", "method"), [("sessions/", "get"), ("me/clients/", "get"), ("sessions/", "delete")])
def test_the_endpoints_for_users_take_the_header_alone(page, path, method):
    assert page.send(path, method=method).status_code == 401
    assert page.with_header(f"/auth/browser/{path}", method).status_code in (200, 204)


@pytest.mark.parametrize("name", ["refresh", "logout", "login"])
def test_what_acts_by_the_cookie_is_guarded(page, user, name):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD} if name == "login" else None
    url = reverse(f"jwt_auth_browser:{name}")
    answer = page.send(url, body, **FORGED)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert page.with_header().status_code == 200
    assert page.send(url, body).status_code in (200, 204)


def test_under_debug_the_console_says_that_the_header_is_missing(page, settings, log):
    settings.DEBUG = True
    page.me()
    (record,) = [record for record in log() if record.event == "token_missing"]
    assert 'BROWSER_ACCESS_TOKEN is "body"' in record.reason
    Browser().me()
    assert "there is no Authorization header" in log()[-1].reason


# Sign out


def test_a_sign_out_with_the_cookie_alone_ends_the_session_and_deletes_the_cookie(page):
    copied = page.cookie(REFRESH)
    answer = page.send("logout/")
    assert (answer.status_code, answer.cookies[REFRESH]["max-age"]) == (204, 0)
    assert UserSession.objects.get().revoked_reason == "logout"
    assert page.with_header().status_code == 401
    assert Browser(HTTP_COOKIE=f"{REFRESH}={copied}").renew().status_code == 401


def test_signing_out_everywhere_takes_the_header_and_deletes_the_cookie(page):
    answer = page.with_header("/auth/browser/logout/all/", "post")
    assert (answer.status_code, answer.cookies[REFRESH]["max-age"]) == (204, 0)
    assert page.renew().status_code == 401


# From one to the other


def test_an_access_cookie_from_before_is_deleted_by_the_next_refresh(clock, user, jwt_settings):
    browser = Browser().sign_in(user)
    jwt_settings(BROWSER_ACCESS_TOKEN="body")
    answer = browser.renew()
    assert set(answer.json()) == MEMBERS
    deleted = answer.cookies[ACCESS]
    assert (deleted.value, deleted["max-age"], deleted["httponly"], deleted["secure"]) == ("", 0, True, True)
    assert set(browser.cookies) == {REFRESH}
    assert ACCESS not in browser.renew().cookies


def test_an_access_cookie_from_before_signs_out_as_well(clock, user, jwt_settings):
    browser = Browser().sign_in(user)
    jwt_settings(BROWSER_ACCESS_TOKEN="body")
    answer = Browser(HTTP_COOKIE=f"{ACCESS}={browser.cookie(ACCESS)}").send("logout/")
    assert set(answer.cookies) == {ACCESS, REFRESH}
    assert UserSession.objects.get().revoked_reason == "logout"


def test_back_to_cookies_the_next_refresh_sets_both(page, jwt_settings):
    jwt_settings(BROWSER_ACCESS_TOKEN="cookie")
    assert set(page.renew().cookies) == {ACCESS, REFRESH}
    assert page.me().status_code == 200


def test_a_large_access_token_needs_no_room_in_a_cookie(in_body, jwt_settings):
    transports.check_cookie_size("x" * 4000)
    jwt_settings(BROWSER_ACCESS_TOKEN="cookie")
    with pytest.raises(ConfigurationError):
        transports.check_cookie_size("x" * 4000)


def test_code_of_the_project_sets_the_refresh_cookie_only(in_body, user):
    response = HttpResponse()
    pair = sessions.start(user, transport=UserSession.Transport.COOKIE)
    transports.set_cookies(RequestFactory().get("/", secure=True), response, pair)
    assert set(response.cookies) == {REFRESH}


def test_djangos_csrf_token_is_demanded_where_the_cookie_acts(in_body, jwt_settings, user):
    jwt_settings(CSRF_MODE="django")
    browser = DjangoClient(enforce_csrf_checks=True, headers={"host": HOST, "origin": ORIGIN})
    browser.get("/auth/browser/me/", secure=True)
    token = {"HTTP_X_CSRFTOKEN": browser.cookies["csrftoken"].value}
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    assert browser.post("/auth/browser/login/", body, "application/json", secure=True, **token).status_code == 200
    assert browser.post("/auth/browser/refresh/", secure=True).status_code == 403
    token = {"HTTP_X_CSRFTOKEN": browser.cookies["csrftoken"].value}
    assert browser.post("/auth/browser/refresh/", secure=True, **token).status_code == 200


# Checks


def project_with(settings, *classes):
    shop = type("Shop", (APIView,), {"authentication_classes": classes}).as_view()
    urls = [path("shop/", shop), path("auth/browser/", include("jwt_auth.browser_urls"))]
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": urls})
    header = "jwt_auth.authentication.JWTAuthentication"
    settings.REST_FRAMEWORK = {**django_settings.REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": [header]}


@pytest.mark.parametrize(
    ("classes", "by_cookie", "by_body"),
    [
        ([JWTCookieAuthentication], [], ["W057"]),
        ([JWTCookieAuthentication.with_revocation("database")], [], ["W057"]),
        ([JWTAuthentication, JWTCookieAuthentication], [], []),
        ([JWTAuthentication], ["W049"], []),
    ],
)
def test_a_view_that_reads_tokens_where_none_are_is_warned_of(settings, jwt_settings, classes, by_cookie, by_body):
    project_with(settings, *classes)
    assert ids() == by_cookie
    jwt_settings(BROWSER_ACCESS_TOKEN="body")
    assert ids() == by_body
    assert all("Shop" in message.msg and "JWTAuthentication" in message.hint for message in found())


def test_what_is_told_of_cookies_stays_told(settings, in_body, jwt_settings):
    """The refresh cookie returns an access token to each page that may read the answer."""
    project_with(settings, JWTAuthentication)
    settings.CORS_ALLOW_ALL_ORIGINS = settings.CORS_ALLOW_CREDENTIALS = True
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "django.views.debug.SafeExceptionReporterFilter"
    assert ids() == ["E046"]
    assert [message.id for message in browser_checks.check_error_reports()] == ["jwt_auth.W045"]
    jwt_settings(BROWSER_ACCESS_TOKEN="cookie")
    assert ids() == ["W049"]
    assert browser_checks.check_error_reports() == []
