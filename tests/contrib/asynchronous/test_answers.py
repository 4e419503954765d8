"""The same requests to the same API in each package: what is answered, and what it costs."""

import json
import sys
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import SynchronousOnlyOperation
from django.test import AsyncClient, Client

from jwt_auth import sessions
from jwt_auth.revocation import revoke_session
from jwt_auth.transports import challenge
from tests.support import forge
from tests.support.outages import outage
from tests.support.queries import Queries

PACKAGES = ["plain", "adrf", "ninja", "modern-rest"]
if sys.version_info < (3, 11):  # django-modern-rest needs it
    PACKAGES.remove("modern-rest")
# These call an operation with the user as JWTUserMiddleware leaves it in asynchronous code: not loaded.
UNLOADED = [package for package in PACKAGES if package != "adrf"]
SAME_SITE = {"sec-fetch-site": "same-origin", "origin": "https://testserver"}
CROSS_SITE = {"sec-fetch-site": "cross-site", "origin": "https://evil.example.net"}
COOKIE = "__Host-Http-access"

pytestmark = pytest.mark.parametrize("mode", ["database", "memory"])


@pytest.fixture(autouse=True)
def project(settings, mode, user, clock, ticks):
    settings.JWT_AUTH = {**settings.JWT_AUTH, "REVOCATION": mode}


@pytest.fixture
def pair(project, user):
    return sessions.start(user)


@pytest.fixture(params=["header", "cookie"])
def send(request, pair):
    """`send(url, token=..., method=...)` sends the token of `pair`, or another one, in the header or in the cookie."""

    def sender(url, token=pair.access_token, method="get", **headers):
        if request.param == "header":
            return call(url, method, {"authorization": f"Bearer {token}", **headers})
        return call(url, method, {**SAME_SITE, **headers}, {COOKIE: token})

    sender.by = request.param
    return sender


@pytest.fixture(params=PACKAGES)
def package(request, settings):
    if request.param == "plain":
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "jwt_auth.middleware.JWTUserMiddleware"]
    return request.param


def call(url, method="get", headers=(), cookies=()):
    client = AsyncClient(raise_request_exception=False)
    client.cookies.load(dict(cookies))
    return async_to_sync(getattr(client, method))(url, headers=dict(headers), secure=True)


def code_of(answer):
    """Return the code in an answer: django-modern-rest has errors in a form of its own."""
    body = answer.json()
    return body["code"] if "code" in body else body["detail"][0]["type"]


def test_a_token_makes_the_user(package, send, user, pair):
    key = {"user": str(user.pk)}
    assert send(f"/{package}/akey/").json() == key
    assert send(f"/{package}/akey/", method="post").json() == key
    named = send(f"/{package}/aname/").json()
    assert named == {"user": user.get_username(), "same": True, "sid": forge.claims_of(pair.access_token)["sid"]}
    synchronous = send(f"/{package}/name/")
    assert synchronous.json() == {"user": user.get_username()}
    assert "Authorization" in synchronous["Vary"]
    assert ("Cookie" in synchronous["Vary"]) == (send.by == "cookie") or package != "plain"
