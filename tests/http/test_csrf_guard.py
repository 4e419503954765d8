"""The endpoints that check the page that a request comes from, in each mode."""

import json
import logging
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from jwt_auth import browser_urls, urls
from jwt_auth.models import UserSession
from tests.support.browser import HOST, Browser, credentials

CROSS_SITE = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://evil.example.net"}
SIBLING = {"HTTP_SEC_FETCH_SITE": "same-site", "HTTP_ORIGIN": "https://evil.example.com"}
SANDBOXED = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "null"}
OLD_BROWSER = {"HTTP_SEC_FETCH_SITE": None, "HTTP_ORIGIN": "https://evil.example.net"}
NOTHING = {"HTTP_SEC_FETCH_SITE": None, "HTTP_ORIGIN": None}
TYPED = {"HTTP_SEC_FETCH_SITE": "none", "HTTP_ORIGIN": None}

forged = pytest.mark.parametrize(
    "page", [CROSS_SITE, SIBLING, SANDBOXED, OLD_BROWSER], ids=["cross-site", "sibling", "sandboxed", "old browser"]
)

UNSAFE = ("post", "put", "patch", "delete")


def entry_points(module, namespace, session):
    """Yield each URL of `module` with each unsafe method of its view."""
    for pattern in module.urlpatterns:
        methods = [name for name in UNSAFE if hasattr(getattr(pattern.callback, "cls", None), name)]
        known = {"session_id": session, "client_id": f"client_{'0' * 32}", "kid": "one"}
        arguments = {name: known[name] for name in pattern.pattern.converters}
        for method in methods:
            yield reverse(f"{namespace}:{pattern.name}", kwargs=arguments), method


@pytest.fixture
def browser():
    return Browser()


@pytest.fixture
def signed_in(browser, user):
    return browser.sign_in(user)


def state():
    return list(UserSession.objects.order_by("pk").values_list("pk", "counter", "revoked_at"))


@forged
def test_no_forged_request_gets_through_any_unsafe_entry_point(signed_in, page):
    session, before = UserSession.objects.get().pk, state()
    found = list(entry_points(browser_urls, "jwt_auth_browser", session))
    assert len(found) == 10
    for url, method in found:
        answer = signed_in.send(url, {}, method, **page)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed"), (url, method)
        assert not answer.cookies
        assert "Clear-Site-Data" not in answer
    assert state() == before
    assert not signed_in.is_signed_out()


def test_each_unsafe_entry_point_lets_our_own_page_through(signed_in, user, jwt_settings):
    """The control: none answers 403 to our own page."""
    jwt_settings(LOGIN_THROTTLE="100/m")
    for url, method in entry_points(browser_urls, "jwt_auth_browser", UserSession.objects.get().pk):
        signed_in.sign_in(user)
        answer = signed_in.send(url, {**credentials(user), "label": "phone"}, method)
        assert answer.status_code in (200, 204, 404), (url, method)


@pytest.mark.parametrize("page", [NOTHING, TYPED], ids=["nothing", "typed"])
def test_what_says_nothing_of_its_page_acts_by_no_cookie(signed_in, user, page):
    before = state()
    for url, method in entry_points(browser_urls, "jwt_auth_browser", UserSession.objects.get().pk):
        if not url.endswith("/login/"):
            assert signed_in.send(url, {}, method, **page).json()["code"] == "csrf_failed", (url, method)
    assert state() == before
    assert signed_in.send("login/", credentials(user), **page).status_code == 200


@pytest.mark.parametrize("page", [NOTHING, TYPED], ids=["nothing", "typed"])
def test_a_program_that_is_no_browser_can_sign_in_and_ask_without_cookies(user, page):
    program = Browser(**page)
    assert program.send("logout/").status_code == 204
    assert program.send("refresh/").json()["code"] == "not_authenticated"
    assert program.login(user).status_code == 200


@forged
def test_a_forged_sign_in_sets_no_cookie_and_begins_no_session(browser, user, page):
    answer = browser.send("login/", credentials(user), **page)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert not answer.cookies
    assert not UserSession.objects.exists()
    assert browser.login(user).status_code == 200


def test_a_forged_sign_in_uses_up_nobodys_throttle(browser, user, jwt_settings):
    jwt_settings(LOGIN_THROTTLE="1/min")
    for _ in range(3):
        assert browser.send("login/", {}, **CROSS_SITE).status_code == 403
    assert browser.login(user).status_code == 200


@forged
def test_a_forged_sign_out_clears_nothing_also_without_cookies(page):
    """The form of another site carries no Strict cookie, but the answer to it could still delete the cookies."""
    answer = Browser().send("logout/", **page)
    assert answer.status_code == 403
    assert not answer.cookies


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_what_a_form_can_send_does_nothing_from_anywhere(signed_in, user, content_type):
    before = state()
    body = json.dumps(credentials(user))
    for page in ({}, NOTHING):
        answer = Browser(**page).generic("POST", "/auth/browser/login/", body, content_type=content_type)
        assert answer.status_code == 415
    answer = signed_in.generic("POST", "/auth/browser/login/", body, content_type=content_type, **CROSS_SITE)
    assert answer.status_code == 403
    assert state() == before


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_safe_methods_from_any_page_change_nothing_and_need_no_page(signed_in, method):
    before = state()
    for pattern in browser_urls.urlpatterns:
        arguments = {"session_id": before[0][0]} if "session_id" in str(pattern.pattern) else {}
        url = reverse(f"jwt_auth_browser:{pattern.name}", kwargs=arguments)
        answer = getattr(signed_in, method)(url, **CROSS_SITE)
        assert answer.status_code in (200, 405), (url, answer.content)
        assert not answer.cookies
    assert state() == before


def test_the_other_endpoints_are_blind_to_cookies(signed_in, user):
    """No endpoint accepts both: with valid cookies these answer as they do without, and set none."""
    session, before = UserSession.objects.get().pk, state()
    blank = Browser()
    found = [
        # The exchange of a Django session reads Django's cookie, and no token.
        *(point for point in entry_points(urls, "jwt_auth", session) if not point[0].endswith("/session/")),
        (reverse("jwt_auth:me"), "get"),
        (reverse("jwt_auth:sessions"), "get"),
    ]
    assert len(found) >= 10
    for url, method in found:
        for page in ({}, CROSS_SITE):
            with_cookies, without = (client.send(url, {}, method, **page) for client in (signed_in, blank))
            assert with_cookies.status_code == without.status_code
            assert with_cookies.status_code in (400, 401), (url, method)
            assert with_cookies.json() == without.json()
            assert not with_cookies.cookies
    assert state() == before


def test_a_bearer_header_needs_no_page_and_no_cookie_is_set_for_it(signed_in, user, client):
    bearer = Browser(**CROSS_SITE, HTTP_AUTHORIZATION=f"Bearer {client.tokens(user)['access_token']}")
    assert bearer.me().status_code == 200
    answer = bearer.send("sessions/", method="delete")
    assert (answer.status_code, dict(answer.cookies)) == (204, {})
    assert signed_in.is_signed_out()


# The project's own views


def test_the_projects_own_views_are_guarded_as_well(signed_in):
    url = "/api/notes/"
    assert signed_in.send(url, {"text": "mine"}).status_code == 201
    refused = signed_in.send(url, {"text": "forged"}, **CROSS_SITE)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert [note["text"] for note in signed_in.get(url, **CROSS_SITE).json()] == ["mine"]


def test_a_trusted_origin_may_act(signed_in, settings):
    trusted = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://spa.example.org"}
    assert signed_in.send("/api/notes/", {"text": "x"}, **trusted).status_code == 403
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.org"]
    assert signed_in.send("/api/notes/", {"text": "x"}, **trusted).status_code == 201


def test_our_origin_is_what_the_proxy_says_when_it_is_trusted(user, settings):
    """Without Sec-Fetch-Site, behind a proxy that speaks https to the browser and http to the server."""
    behind = Browser(secure=False, HTTP_SEC_FETCH_SITE=None, HTTP_HOST="internal:8000")
    public = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": HOST}
    assert behind.send("logout/", **public).status_code == 403
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert behind.send("logout/", **public).status_code == 403
    settings.USE_X_FORWARDED_HOST = True
    assert behind.send("logout/", **public).status_code == 204
    assert behind.send("logout/", **{**public, "HTTP_X_FORWARDED_HOST": "other.example.com"}).status_code == 403


def test_a_host_that_is_not_allowed_is_400(signed_in, settings):
    settings.ALLOWED_HOSTS = ["other.example.com"]
    assert signed_in.send("logout/").status_code == 400


# Modes


def test_log_only_lets_through_and_says_so(signed_in, jwt_settings, caplog):
    jwt_settings(CSRF_MODE="log_only")
    with caplog.at_level(logging.WARNING, "jwt_auth"):
        assert signed_in.send("/api/notes/", {"text": "x"}, **CROSS_SITE).status_code == 201
    (record,) = caplog.records
    assert record.getMessage() == (
        "Let through, because CSRF_MODE is log_only: it comes from 'https://evil.example.net' "
        "(Sec-Fetch-Site: cross-site), this site is 'https://www.example.com', and CSRF_TRUSTED_ORIGINS does not have "
        "that origin."
    )
    assert (record.code, record.ip_address) == ("csrf_failed", "127.0.0.1")
    caplog.clear()
    assert signed_in.send("/api/notes/", {"text": "x"}).status_code == 201
    assert not caplog.records


def test_a_refusal_is_logged_with_its_reason_and_told_without(signed_in, caplog):
    with caplog.at_level(logging.INFO, "jwt_auth"):
        told = [signed_in.send(url, {}, **CROSS_SITE).json() for url in ("logout/", "/api/notes/")]
    assert told == [{"detail": "The request does not come from a page of this site.", "code": "csrf_failed"}] * 2
    assert len([record for record in caplog.records if "evil.example.net" in record.getMessage()]) == 2


@pytest.fixture
def django_mode(jwt_settings):
    jwt_settings(CSRF_MODE="django")


def token(browser):
    """Return the header that a page's script makes of the cookie."""
    return {"HTTP_X_CSRFTOKEN": browser.cookie("csrftoken")}


@pytest.mark.usefixtures("django_mode")
def test_a_page_gets_djangos_token_before_it_signs_in_and_a_fresh_one_then(browser, user):
    assert browser.send("login/", credentials(user)).json()["code"] == "csrf_failed"
    assert browser.me().status_code == 401
    first = browser.cookie("csrftoken")
    assert first
    assert browser.send("login/", credentials(user), **token(browser)).status_code == 200
    assert browser.cookie("csrftoken") not in ("", first)
    assert "sessionid" not in browser.cookies


@pytest.mark.usefixtures("django_mode")
def test_each_unsafe_entry_point_wants_djangos_token(browser, user):
    browser.me()
    browser.send("login/", credentials(user), **token(browser))
    before = state()
    for url, method in [*entry_points(browser_urls, "jwt_auth_browser", before[0][0]), ("/api/notes/", "post")]:
        for wrong in ({}, {"HTTP_X_CSRFTOKEN": "a" * 32}, {"HTTP_X_CSRFTOKEN": "é"}):
            answer = browser.send(url, {}, method, **wrong)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed"), (url, method)
    assert state() == before
    assert browser.send("/api/notes/", {"text": "x"}, **token(browser)).status_code == 201
    assert browser.send("refresh/", **token(browser)).status_code == 200
    assert browser.send("logout/", **token(browser)).status_code == 204


@pytest.mark.usefixtures("django_mode")
@pytest.mark.parametrize("origin", ["https://evil.example.net", "null"])
def test_a_foreign_origin_is_refused_in_spite_of_djangos_token(browser, origin):
    browser.me()
    assert browser.send("logout/", **token(browser), HTTP_ORIGIN=origin).json()["code"] == "csrf_failed"
    assert browser.send("logout/", **token(browser)).status_code == 204


@pytest.mark.usefixtures("django_mode")
def test_what_a_form_can_send_does_nothing_with_djangos_token_either(browser, user):
    browser.me()
    form = {"csrfmiddlewaretoken": browser.cookie("csrftoken"), **credentials(user)}
    assert browser.post("/auth/browser/login/", form, format="multipart").status_code in (400, 415)
    content = {"content_type": "application/x-www-form-urlencoded"}
    assert browser.generic("POST", "/auth/browser/login/", urlencode(form), **content).status_code == 415
    assert not UserSession.objects.exists()


def test_no_token_of_django_is_handed_out_in_other_modes(browser, user):
    browser.me()
    browser.sign_in(user)
    assert set(browser.cookies) == {"__Host-Http-access", "__Host-Http-refresh"}


def test_djangos_test_client_is_let_off_as_everywhere_in_django(user):
    """`Client(enforce_csrf_checks=True)` is checked; no header can switch the check off."""
    lenient = Browser(**NOTHING).sign_in(user)
    assert lenient.send("logout/").status_code == 403
    lenient.handler.enforce_csrf_checks = False
    assert lenient.send("logout/").status_code == 204
