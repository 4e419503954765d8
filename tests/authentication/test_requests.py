"""Authentication classes and helpers with requests of Django: in middleware, views of GraphQL and other frameworks."""

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import AsyncRequestFactory, RequestFactory
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from jwt_auth import sessions, transports
from jwt_auth.authentication import (
    ClientJWTAuthentication,
    JWTAuthentication,
    JWTCookieAuthentication,
    UserOrClientJWTAuthentication,
    claims_of,
    client_of,
)
from jwt_auth.authentication.classes import refusal_of
from jwt_auth.authentication.note import note_on
from jwt_auth.exceptions import ExpiredTokenError
from jwt_auth.responses import exception_handler
from jwt_auth.sessions import peer_of
from tests.support.answers import challenge
from tests.support.api_clients import register

COOKIE = "__Host-Http-access"


def of_django(method="GET", **headers):
    return RequestFactory().generic(method, "/", headers=headers, secure=True)


def of_asgi(method="GET", cookie="", **headers):
    factory = AsyncRequestFactory()
    factory.cookies.load(cookie)  # the factory always adds a header for them
    made = factory.generic(method, "/", headers=headers, secure=True)
    assert isinstance(made, ASGIRequest)
    return made


def of_drf(method="GET", **headers):
    return Request(of_django(method, **headers))


@pytest.fixture(params=[of_django, of_asgi, of_drf])
def make(request):
    """`make(method, **headers)` makes a request of one kind."""
    return request.param


@pytest.fixture
def raw(user, clock):
    return sessions.start(user).access_token


@pytest.mark.parametrize("cls", [JWTAuthentication, UserOrClientJWTAuthentication])
def test_a_header_authenticates(make, user, raw, cls):
    request = make(authorization=f"Bearer {raw}")
    found, claims = cls().authenticate(request)
    assert (found, claims.sub) == (user, str(getattr(user, "pk", "")))
    assert cls().authenticate(make()) is None
    with pytest.raises(AuthenticationFailed) as refused:
        cls().authenticate(bad := make(authorization="Bearer x"))
    assert refused.value.auth_header == challenge("invalid_token")
    assert cls().authenticate_header(bad) == 'Bearer realm="api", error="invalid_token"'


@pytest.mark.parametrize("cls", [ClientJWTAuthentication, UserOrClientJWTAuthentication])
def test_a_client_authenticates_once(make, user, cls):
    api = register(user)
    request = make("POST", authorization=f"Bearer {api.token()}")
    found, claims = cls().authenticate(request)
    request.auth = claims
    assert (found, claims_of(request), client_of(request).client_id) == (user, claims, claims.client_id)
    with pytest.raises(AuthenticationFailed):
        cls().authenticate(make("POST", authorization=request.headers["authorization"]))


def test_a_cookie_authenticates_and_a_forged_request_is_refused(make, user, raw):
    own, other = {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "cross-site"}
    good = make("POST", cookie=f"{COOKIE}={raw}", **own)
    assert JWTCookieAuthentication().authenticate(good)[0] == user
    forged = make("POST", cookie=f"{COOKIE}={raw}", **other)
    for each in (good, forged):
        getattr(each, "_request", each)._dont_enforce_csrf_checks = False
    assert JWTCookieAuthentication().authenticate(good)[0] == user
    with pytest.raises(PermissionDenied):
        JWTCookieAuthentication().authenticate(forged)


def test_a_bad_cookie_is_told_why(make, raw, clock):
    clock.shift(400)
    request = make(cookie=f"{COOKIE}={raw}")
    assert JWTCookieAuthentication().authenticate(request) is None
    assert isinstance(refusal_of(request), ExpiredTokenError)
    assert JWTCookieAuthentication().authenticate_header(request) == challenge("token_expired")


def test_a_request_that_nothing_authenticated_has_no_claims(make):
    assert (claims_of(make()), client_of(make()), refusal_of(make())) == (None, None, None)


def test_the_note_is_one_for_both_requests():
    request = of_drf()
    assert note_on(request) is note_on(request._request)
    assert exception_handler(AuthenticationFailed(), {"request": request._request}).data["code"]


def test_what_goes_by_headers_takes_either(make, raw):
    request = make(authorization=f"Bearer {raw}", **{"user-agent": "agent"})
    assert transports.bearer_token(request) == raw
    assert (peer_of(request).user_agent, peer_of(request).ip_address) == ("agent", "127.0.0.1")
