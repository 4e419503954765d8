"""A project's own views, with cookies and headers in either order, alone and together."""

from types import ModuleType

import pytest
from django.urls import include, path
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import exception_handler

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.exceptions import CsrfError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session
from tests.support.answers import challenge
from tests.support.browser import Browser
from tests.support.outages import assert_unavailable, outage

ORDERS = {
    "header first": [JWTAuthentication, JWTCookieAuthentication],
    "cookie first": [JWTCookieAuthentication, JWTAuthentication],
}
CROSS_SITE = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://evil.example.net"}


def project(classes):
    """Return the URLs of a project whose views authenticate with `classes`."""

    def view(permission):
        @api_view(["GET", "POST"])
        @authentication_classes(classes)
        @permission_classes([permission])
        def show(request):
            return Response({"user": str(request.user), "session": request.auth and request.auth.sid})

        return show

    module = ModuleType("project_urls")
    module.urlpatterns = [
        path("public/", view(AllowAny)),
        path("protected/", view(IsAuthenticated)),
        path("auth/", include("jwt_auth.urls")),
        path("auth/browser/", include("jwt_auth.browser_urls")),
    ]
    return module


@pytest.fixture(params=ORDERS)
def order(request, settings):
    settings.ROOT_URLCONF = project(ORDERS[request.param])


@pytest.fixture
def cookie_alone(settings):
    settings.ROOT_URLCONF = project([JWTCookieAuthentication])


@pytest.fixture
def signed_in(clock, user):
    return Browser().sign_in(user)


@pytest.fixture
def bob(make_user, client):
    """A header that authenticates bob."""
    return {"HTTP_AUTHORIZATION": f"Bearer {client.tokens(make_user('bob'))['access_token']}"}


GARBAGE = {"HTTP_AUTHORIZATION": "Bearer garbage"}


@pytest.mark.usefixtures("order")
def test_either_way_alone_lets_in(signed_in, user, bob):
    assert signed_in.get("/protected/").json()["user"] == str(user)
    assert "bob" in Browser(**bob).get("/protected/").json()["user"]
    assert Browser().get("/public/").json() == {"user": "AnonymousUser", "session": None}
    refused = Browser().get("/protected/")
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    assert refused["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.usefixtures("order")
def test_of_a_header_and_a_cookie_the_header_alone_counts(signed_in, bob):
    assert "bob" in signed_in.get("/protected/", **bob).json()["user"]
    for path_ in ("/protected/", "/public/"):
        refused = signed_in.get(path_, **GARBAGE)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
        assert refused["WWW-Authenticate"] == challenge("invalid_token")
    assert signed_in.get("/protected/", HTTP_AUTHORIZATION="Basic YTpi").status_code == 200, "that one is not ours"


@pytest.mark.usefixtures("order")
def test_a_header_needs_no_page_of_ours_whatever_cookies_come_along(signed_in, bob):
    assert "bob" in signed_in.post("/protected/", **bob, **CROSS_SITE).json()["user"]
    assert signed_in.post("/protected/", **CROSS_SITE).json()["code"] == "csrf_failed"


@pytest.mark.usefixtures("cookie_alone")
def test_a_header_is_not_passed_over_for_the_cookie_where_cookies_alone_are_taken(signed_in, bob):
    assert signed_in.get("/protected/").status_code == 200
    assert signed_in.get("/protected/", **bob).status_code == 401
    assert signed_in.get("/public/", **bob).json()["user"] == "AnonymousUser"


def end(browser, clock):
    clock.shift(400)


def revoke(browser, clock):
    revoke_session(UserSession.objects.get().pk)


def garble(browser, clock):
    browser.cookies[browser.access_name] = "garbage"


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize(
    ("operation", "code"),
    [(end, "token_expired"), (revoke, "token_revoked"), (garble, "invalid_token")],
    ids=["expired", "revoked", "garbage"],
)
def test_a_bad_cookie_is_anonymous_and_a_protected_view_says_why(signed_in, clock, operation, code):
    operation(signed_in, clock)
    assert signed_in.get("/public/").json() == {"user": "AnonymousUser", "session": None}
    assert signed_in.post("/public/", **CROSS_SITE).status_code == 200, "nobody is acted for"
    for method in (signed_in.get, signed_in.post):
        refused = method("/protected/")
        assert (refused.status_code, refused.json()["code"]) == (401, code)
        assert refused["WWW-Authenticate"] == challenge(code)


@pytest.mark.usefixtures("order")
def test_with_drfs_own_handler_the_reason_is_in_the_header(signed_in, clock, monkeypatch):
    monkeypatch.setattr("rest_framework.views.APIView.get_exception_handler", lambda view: exception_handler)
    end(signed_in, clock)
    refused = signed_in.get("/protected/")
    assert refused.status_code == 401
    assert refused["WWW-Authenticate"].endswith('error_description="token_expired"')
    assert signed_in.get("/protected/", **GARBAGE)["WWW-Authenticate"] == challenge("invalid_token")
    assert signed_in.renew().status_code == 200
    forged = signed_in.post("/protected/", **CROSS_SITE)
    assert (forged.status_code, forged.json()) == (403, {"detail": str(CsrfError.detail)})


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_outage_is_503_and_not_anonymous(signed_in, method):
    for path_ in ("/public/", "/protected/"):
        with outage():
            assert_unavailable(getattr(signed_in, method)(path_))
        assert getattr(signed_in, method)(path_).status_code == 200


@pytest.mark.usefixtures("order")
def test_the_other_token_in_the_access_cookie_lets_nobody_in(signed_in):
    signed_in.cookies[signed_in.access_name] = signed_in.cookie(signed_in.refresh_name)
    assert signed_in.get("/protected/").json()["code"] == "invalid_token"


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("method", ["get", "options"])
def test_safe_methods_need_no_page_of_ours(signed_in, method):
    assert getattr(signed_in, method)("/protected/", **CROSS_SITE).status_code == 200


def test_beside_djangos_sessions_each_speaks_for_itself(signed_in, user, settings, make_user):
    """A project may have this order while it moves from one to the other."""
    settings.ROOT_URLCONF = project([JWTCookieAuthentication, SessionAuthentication])
    with_session = Browser()
    with_session.force_login(make_user("carol"))
    assert "carol" in with_session.get("/protected/").json()["user"]
    assert signed_in.get("/protected/").json()["user"] == str(user)
    signed_in.cookies[signed_in.access_name] = "garbage"
    signed_in.cookies["sessionid"] = with_session.cookie("sessionid")
    assert "carol" in signed_in.get("/protected/").json()["user"]


@pytest.mark.parametrize(
    ("classes", "counts", "without", "post"),
    [
        ([JWTAuthentication, JWTCookieAuthentication, SessionAuthentication], "alice", 401, 200),
        ([JWTAuthentication, SessionAuthentication, JWTCookieAuthentication], "carol", 401, 403),
        ([SessionAuthentication, JWTAuthentication, JWTCookieAuthentication], "carol", 403, 403),
    ],
    ids=["page first", "session first", "session before all"],
)
def test_of_two_cookies_the_one_counts_whose_class_is_first(
    settings, signed_in, make_user, classes, counts, without, post
):
    settings.ROOT_URLCONF = project(classes)
    assert signed_in.get("/protected/").json()["user"].startswith("alice")
    signed_in.force_login(make_user("carol"))
    assert signed_in.get("/protected/").json()["user"].startswith(counts)
    # SessionAuthentication requires Django's CSRF token, which a page with our cookies doesn't have.
    assert signed_in.post("/protected/").status_code == post
    assert signed_in.post("/protected/", **CROSS_SITE).status_code == 403
    assert Browser().get("/protected/").status_code == without


def test_a_view_can_ask_for_more_than_the_project_does(signed_in, user, settings, jwt_settings):
    settings.ROOT_URLCONF = project([JWTCookieAuthentication.with_revocation("database")])
    jwt_settings(REVOCATION="memory")
    assert signed_in.get("/protected/").json()["user"] == str(user)
    UserSession.objects.all().delete()
    assert signed_in.get("/protected/").json()["code"] == "token_revoked"
    signed_in.sign_in(user)
    assert signed_in.post("/protected/", **CROSS_SITE).status_code == 403


def test_a_request_costs_one_query_as_with_a_header(signed_in, django_assert_num_queries, settings):
    settings.ROOT_URLCONF = project([JWTCookieAuthentication])
    with django_assert_num_queries(1):
        assert signed_in.post("/protected/").status_code == 200
    garble(signed_in, None)
    with django_assert_num_queries(0):
        assert signed_in.post("/protected/").status_code == 401
