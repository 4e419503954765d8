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
from tests.support.checks import ids
from tests.support.other_project import in_another_project

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


# Under ASGI each middleware once in the usual run: a request takes many times as long.
CASES = [
    *(("WSGI", order) for order in ORDERS),
    *(
        pytest.param("ASGI", order, marks=[pytest.mark.thorough] if order.endswith((" first", " after")) else [])
        for order in ORDERS
    ),
]


@pytest.fixture
def get(interface):
    """`get(path, cookie, **headers)` sends a request of a page of ours, with this access token as its cookie."""
    client = AsyncClient() if interface == "ASGI" else Browser()
    send = async_to_sync(client.get) if interface == "ASGI" else client.get

    def ask(address, cookie="", **headers):
        client.cookies.clear()
        if cookie:
            client.cookies[Browser.access_name] = cookie
        return send(address, headers={"sec-fetch-site": "same-origin", **headers})

    return ask


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("interface", "order"), CASES)
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


# Orders that don't work are reported.


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("order", "shared", "expected"),
    [([OURS[0], CACHE[0], OURS[1], CACHE[1]], True, ["W048"]), ([CACHE[0], *OURS, CACHE[1]], False, [])],
    ids=["cache within", "cache around"],
)
def test_a_cache_within_vary_shows_a_plain_page_to_others(settings, user, make_user, order, shared, expected):
    settings.MIDDLEWARE = order
    alice, bob = Browser(), Browser()
    alice.cookies[Browser.access_name] = sessions.start(user).access_token
    bob.cookies[Browser.access_name] = sessions.start(make_user("bob")).access_token
    shown = {each.get("/told/").json()["user"] for each in (alice, bob)}
    assert (len(shown) == 1) is shared
    assert len({each.get("/me/").json()["user"] for each in (alice, bob)}) == 2, "DRF's responses have Vary in time"
    assert ids() == expected


@pytest.mark.django_db
def test_a_wall_before_ours_turns_users_with_tokens_away(settings, user):
    settings.MIDDLEWARE = [*BASE, OURS[0], LOGIN_REQUIRED, OURS[1]]
    header = f"Bearer {sessions.start(user).access_token}"
    assert Browser().get("/told/", HTTP_AUTHORIZATION=header).status_code == 302
    assert Browser().get("/me/", HTTP_AUTHORIZATION=header).status_code == 200
    assert ids() == ["W044"]


@pytest.mark.django_db
def test_the_user_whom_the_web_server_names_counts_before_a_cookie_and_after_a_header(settings, user, make_user):
    settings.MIDDLEWARE = [*BASE, "django.contrib.auth.middleware.RemoteUserMiddleware", *OURS]
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    named = {"REMOTE_USER": make_user("bob").get_username()}
    browser, raw = Browser(), sessions.start(user).access_token
    browser.cookies[Browser.access_name] = raw
    assert browser.get("/told/").json()["user"] == str(user)
    assert browser.get("/told/", **named).json()["user"] == named["REMOTE_USER"]
    assert browser.get("/told/", **named, HTTP_AUTHORIZATION=f"Bearer {raw}").json()["user"] == str(user)


def test_pages_that_django_makes_of_a_404(tmp_path):
    """Flat pages and redirects are made after the URL was not found, so no middleware has found the user of a token."""
    answers = in_another_project(
        tmp_path,
        settings="""
        INSTALLED_APPS += ["django.contrib.sites", "django.contrib.flatpages", "django.contrib.redirects"]
        AUTH_USER_MODEL = "auth.User"
        SITE_ID = 1
        TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": [
            ("django.template.loaders.locmem.Loader", {"flatpages/default.html": "{{ flatpage.content }}"})]}}]
        MIDDLEWARE += [
            "jwt_auth.middleware.VaryMiddleware",
            "jwt_auth.middleware.JWTUserMiddleware",
            "django.contrib.sites.middleware.CurrentSiteMiddleware",
            "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
            "django.contrib.redirects.middleware.RedirectFallbackMiddleware",
        ]
        """,
        code="""
        from django.contrib.auth import get_user_model
        from django.contrib.flatpages.models import FlatPage
        from django.contrib.redirects.models import Redirect
        from jwt_auth import sessions
        user = get_user_model().objects.create_user("ann", password="pw")
        for url, closed in (("/open/", False), ("/closed/", True)):
            page = FlatPage.objects.create(url=url, title="a", content="text", registration_required=closed)
            page.sites.add(1)
        Redirect.objects.create(site_id=1, old_path="/old/", new_path="/new/")
        signed_in, session = client(sessions.start(user).access_token), client()
        session.force_login(user)
        pages = ("/open/", "/closed/", "/old/", "/auth/me/")
        tell({
            "token": [signed_in.get(page).status_code for page in pages],
            "bad token": [client("x").get(page).status_code for page in pages],
            "session": [session.get(page).status_code for page in pages],
        })
        """,
    )
    assert answers == {
        "token": [200, 302, 301, 200],
        "bad token": [200, 302, 301, 401],
        "session": [200, 200, 301, 401],
    }
