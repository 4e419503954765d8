"""Each middleware of Django, before ours and after: what requests with a token get, under WSGI and under ASGI."""

import re
from types import ModuleType

import django
import pytest
from asgiref.sync import async_to_sync
from django.http import JsonResponse
from django.test import AsyncClient
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response

from jwt_auth import sessions
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from tests.support.browser import Browser

SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
OURS = ["jwt_auth.middleware.VaryMiddleware", "jwt_auth.middleware.JWTUserMiddleware"]
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
CACHE = ["django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware"]

BASE = [SESSION, AUTH]
OTHERS = [
    "django.contrib.auth.middleware.RemoteUserMiddleware",
    "django.contrib.auth.middleware.PersistentRemoteUserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.contrib.sites.middleware.CurrentSiteMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.common.BrokenLinkEmailsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.security.SecurityMiddleware",
]
if django.VERSION >= (6, 0):
    OTHERS.append("django.middleware.csp.ContentSecurityPolicyMiddleware")

NEEDS_SESSION = re.compile("RemoteUser|Message").search

ORDERS = {
    "no other": [*BASE, *OURS],
    "Django's after ours": [*OURS, *BASE],
    "no session": OURS,
    "LoginRequiredMiddleware after": [*BASE, *OURS, LOGIN_REQUIRED],
    "cache around": [CACHE[0], *BASE, *OURS, CACHE[1]],
    **{f"{each.rpartition('.')[2]} first": [each, *BASE, *OURS] for each in OTHERS if not NEEDS_SESSION(each)},
    **{f"{each.rpartition('.')[2]} before": [*BASE, each, *OURS] for each in OTHERS},
    **{f"{each.rpartition('.')[2]} after": [*BASE, *OURS, each] for each in OTHERS},
}


@csrf_exempt
def told(request):
    return JsonResponse({"user": str(getattr(request, "user", "nobody"))})


@api_view(["GET"])
@authentication_classes([JWTAuthentication, JWTCookieAuthentication])
def me(request):
    return Response({"user": str(request.user)})


@pytest.fixture(autouse=True)
def _project(settings):
    module = ModuleType("project_urls")
    module.urlpatterns = [
        path("told/", told),
        path("me/", me),
        path("auth/", include("jwt_auth.urls")),
        path("auth/browser/", include("jwt_auth.browser_urls")),
    ]
    settings.ROOT_URLCONF = module
    settings.LOGIN_URL = "/enter/"


@pytest.fixture(params=["WSGI", "ASGI"])
def get(request):
    """`get(path, cookie, **headers)` sends a request of a page of ours, with this access token as its cookie."""
    client = AsyncClient() if request.param == "ASGI" else Browser()
    send = async_to_sync(client.get) if request.param == "ASGI" else client.get

    def ask(address, cookie="", **headers):
        client.cookies.clear()
        if cookie:
            client.cookies[Browser.access_name] = cookie
        return send(address, headers={"sec-fetch-site": "same-origin", **headers})

    return ask


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("order", ORDERS)
def test_tokens_authenticate_and_bad_ones_are_refused(get, user, settings, order):
    settings.MIDDLEWARE = ORDERS[order]
    raw = sessions.start(user).access_token
    for address in ("/told/", "/me/"):
        for credential in ({"authorization": f"Bearer {raw}"}, {"cookie": raw}):
            for _ in range(2):
                answer = get(address, **credential)
                assert (answer.status_code, answer.json()) == (200, {"user": str(user)})
                assert "Authorization" in answer["Vary"]
        refused = get(address, authorization="Bearer garbage")
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
        assert refused["WWW-Authenticate"].endswith('error_description="invalid_token"')
    assert get("/me/").json()["code"] == "not_authenticated"
    anonymous = get("/told/")
    if "LoginRequired" in order:
        assert (anonymous.status_code, anonymous["Location"]) == (302, "/enter/?next=/told/")
    else:
        assert anonymous.json()["user"] in ("AnonymousUser", "nobody")
