"""Plain Django views know the user of a token."""

from dataclasses import replace
from types import ModuleType

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient
from django.urls import include, path
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.authentication.note import note_on
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.middleware import JWTUserMiddleware, _set_user
from jwt_auth.models import UserSession
from jwt_auth.principals import lazy_user
from jwt_auth.revocation import revoke_session
from jwt_auth.verification import verify
from tests.support import forge
from tests.support.answers import challenge
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.outages import assert_unavailable, outage
from tests.support.queries import Queries

CROSS_SITE = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://evil.example.net"}
OURS = "jwt_auth.middleware.JWTUserMiddleware"


def told(request):
    return JsonResponse({"user": str(request.user), "sid": getattr(getattr(request, "auth", None), "sid", None)})


async def atold(request):
    return JsonResponse({"user": str(await request.auser()), "same": str(request.user)})


@csrf_exempt
def leave(request):
    logout(request)
    return HttpResponse("bye")


class Told(View):
    """A class-based view, which is plain as well."""

    get = staticmethod(told)


@pytest.fixture(autouse=True)
def project(settings):
    module = ModuleType("project_urls")
    module.urlpatterns = [
        path("told/", csrf_exempt(told)),
        path("broken/", lambda request: HttpResponse(1 / 0)),
        path("guarded/", told),
        path("atold/", csrf_exempt(atold)),
        path("class/", Told.as_view()),
        path("members/", login_required(told)),
        path("auth/", include("jwt_auth.urls")),
        path("auth/browser/", include("jwt_auth.browser_urls")),
        path("admin/", admin.site.urls),
        path("leave/", leave),
        path("api/", include("example_project.notes.urls")),
    ]
    settings.ROOT_URLCONF = module
    settings.LOGIN_URL = "/enter/"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, OURS]


class TwoSignIns(Browser):
    def logout_of_django(self):
        """Delete Django's session, as with an expired cookie."""
        del self.cookies["sessionid"]


@pytest.fixture
def signed_in(clock, user):
    return TwoSignIns().sign_in(user)


@pytest.fixture
def bearer(user, client):
    return client.bearer(client.tokens(user)["access_token"])


@pytest.mark.parametrize("url", ["/told/", "/guarded/", "/class/", "/members/"])
def test_either_token_makes_the_user(signed_in, bearer, user, url):
    for person in (signed_in, bearer):
        shown = person.get(url).json()
        assert (shown["user"], len(shown["sid"])) == (str(user), 32)


def test_without_a_token_the_user_is_who_django_says(user, make_user, client):
    assert client.get("/told/").json() == {"user": "AnonymousUser", "sid": None}
    assert client.get("/members/").url == "/enter/?next=/members/"
    carol = make_user("carol")
    client.force_login(carol)
    assert client.get("/told/").json() == {"user": str(carol), "sid": None}
    shown = client.get("/told/", HTTP_AUTHORIZATION=f"Bearer {Browser().sign_in(user).pair['access_token']}")
    assert shown.json()["user"] == str(user), "a token says more than a session"


def test_a_bad_header_is_401_and_a_bad_cookie_changes_nothing(signed_in):
    revoke_session(UserSession.objects.get().pk)
    assert signed_in.get("/told/").json()["user"] == "AnonymousUser"
    refused = Browser(HTTP_AUTHORIZATION="Bearer garbage").get("/told/")
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert refused["WWW-Authenticate"] == challenge("invalid_token")
    assert signed_in.get("/told/", HTTP_AUTHORIZATION="Bearer garbage").status_code == 401


def test_a_forged_request_is_403_also_where_the_view_is_exempt_from_djangos_check(signed_in, bearer, user):
    assert signed_in.post("/told/").json()["user"] == str(user)
    refused = signed_in.post("/told/", **CROSS_SITE)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert bearer.post("/told/", **CROSS_SITE).json()["user"] == str(user)
    assert signed_in.get("/told/", **CROSS_SITE).status_code == 200


def test_djangos_own_check_stays_where_it_is(signed_in):
    assert signed_in.post("/guarded/").status_code == 403


def test_an_outage_is_503(signed_in, bearer):
    for person in (signed_in, bearer):
        with outage():
            assert_unavailable(person.get("/told/"))
        assert person.get("/told/").status_code == 200


def test_a_lazy_user_that_cannot_be_read_is_503_and_one_that_is_gone_is_401(bearer, user, jwt_settings):
    jwt_settings(REVOCATION="memory")
    assert bearer.get("/told/").status_code == 200
    with outage():
        assert_unavailable(bearer.get("/told/"))
    type(user)._default_manager.all().update(is_active=False)
    refused = bearer.get("/told/")
    assert (refused.status_code, refused.json()["code"]) == (401, "token_revoked")
    bearer.raise_request_exception = True
    with pytest.raises(ZeroDivisionError):
        bearer.get("/broken/")


def test_answers_say_what_they_depend_on(signed_in, bearer):
    assert {"Authorization", "Cookie"} <= set(signed_in.get("/told/")["Vary"].split(", "))
    assert "Authorization" in bearer.get("/told/")["Vary"]


def test_it_costs_one_query_and_views_of_drf_ask_by_themselves(signed_in, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert signed_in.get("/told/").status_code == 200
    with django_assert_num_queries(1):
        assert signed_in.get("/auth/browser/me/").status_code == 200
    with django_assert_num_queries(2):
        assert signed_in.get("/api/notes/").json() == []


def test_where_all_views_need_a_user_the_token_brings_one(signed_in, user, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert signed_in.get("/told/").json()["user"] == str(user)
    assert Browser().get("/told/").status_code == 302


# Beside Django's session


@pytest.fixture
def both(signed_in, staff):
    """A browser in which alice has signed in to the page, and the administrator to Django."""
    signed_in.force_login(staff)
    return signed_in


def test_of_two_cookies_djangos_session_counts(both, staff, user, django_assert_num_queries):
    assert both.get("/told/").json() == {"user": str(staff), "sid": None}
    assert both.get("/auth/browser/me/").json()["user"]["id"] == str(user.pk), "the page stays the user's"
    both.logout_of_django()
    with django_assert_num_queries(1):
        assert both.get("/told/").json()["user"] == str(user)


def test_a_session_without_a_user_changes_nothing(signed_in, user):
    session = signed_in.session
    session["basket"] = [1]
    session.save()
    signed_in.cookies["sessionid"] = session.session_key
    assert signed_in.get("/told/").json()["user"] == str(user)


def test_of_a_header_and_a_session_the_header_counts(both, make_user):
    header = f"Bearer {sessions.start(bob := make_user('bob')).access_token}"
    assert both.get("/told/", HTTP_AUTHORIZATION=header).json()["user"] == str(bob)
    assert both.get("/told/", HTTP_AUTHORIZATION="Bearer garbage").status_code == 401


def test_a_forged_request_is_refused_whichever_cookie_counts(both):
    assert both.post("/told/").status_code == 200
    assert both.post("/told/", **CROSS_SITE).json()["code"] == "csrf_failed"


def test_a_limited_token_in_the_header_is_not_passed_over_for_the_session(both, signed_in):
    limited = forge.with_claims(signed_in.pair["access_token"], scope='"read"')
    refused = both.get("/told/", HTTP_AUTHORIZATION=f"Bearer {limited}")
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    both.cookies[both.access_name] = limited
    both.logout_of_django()
    assert both.get("/told/").json()["user"] == "AnonymousUser"


def test_an_outage_of_the_session_is_503(both, jwt_settings):
    jwt_settings(REVOCATION="memory")
    assert both.get("/told/").status_code == 200
    with outage():
        assert_unavailable(both.get("/told/"))


def test_an_administrator_gets_in_beside_the_page_of_a_customer(signed_in, staff, user):
    form = {"username": staff.get_username(), "password": PASSWORD}
    signed_in.get("/admin/login/")
    form["csrfmiddlewaretoken"] = signed_in.cookies["csrftoken"].value
    entered = signed_in.post("/admin/login/?next=/admin/", form)
    assert entered["Location"] == "/admin/"
    assert signed_in.get("/admin/").status_code == 200
    form["csrfmiddlewaretoken"] = signed_in.cookies["csrftoken"].value
    assert signed_in.post("/admin/logout/", form).status_code == 200
    assert signed_in.get("/admin/").status_code == 302
    assert signed_in.me().json()["user"]["id"] == str(user.pk), "the page was not signed out"


def test_djangos_logout_ends_the_session_of_the_token_that_signed_in(both, bearer, user):
    assert both.get("/leave/").content == b"bye"
    assert both.me().status_code == 200, "Django's session was ended"
    assert both.get("/leave/").content == b"bye"
    assert both.is_signed_out()
    assert bearer.get("/told/").status_code == 200
    assert bearer.get("/leave/").status_code == 200
    assert bearer.get("/told/").status_code == 401


def test_logouts_that_no_token_of_ours_has_to_do_with_end_nothing(rf, pair, user, make_user):
    user_logged_out.send(type(user), request=None, user=user)
    user_logged_out.send(type(user))
    request = rf.get("/")
    user_logged_out.send(type(user), request=request, user=user)
    claims = verify(pair["access_token"]).claims
    for other in ({"iss": "https://other.example.com"}, {"sid": None}, {"scope": "read"}):
        note_on(request).user, note_on(request).claims = user, replace(claims, **other)
        user_logged_out.send(type(user), request=request, user=user)
    note_on(request).claims = claims
    user_logged_out.send(type(user), request=request, user=make_user("carol"))
    assert UserSession.objects.get().revoked_at is None
    user_logged_out.send(type(user), request=request, user=user)
    assert UserSession.objects.get().revoked_at is not None


def test_a_sign_out_of_the_same_person_ends_both_sign_ins(signed_in, user):
    signed_in.force_login(user)
    assert signed_in.get("/leave/").content == b"bye"
    assert signed_in.is_signed_out()


class Leave(APIView):
    authentication_classes = [JWTAuthentication]

    def post(self, request):
        logout(request)
        return Response()


def test_djangos_logout_ends_the_token_s_session_in_a_view_of_drf(bearer, rf, client, user):
    token = client.tokens(user)["access_token"]
    request = rf.post("/", headers={"authorization": f"Bearer {token}"})
    request.session = SessionStore()
    assert Leave.as_view()(request).status_code == 200
    assert client.bearer(token).get("/told/").status_code == 401
    assert bearer.get("/told/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_it_works_under_asgi(user):
    browser = Browser().sign_in(user)
    jar = "; ".join(f"{name}={cookie.value}" for name, cookie in browser.cookies.items())
    get = async_to_sync(AsyncClient().get)
    for url in ("/told/", "/atold/"):
        assert get(url, headers={"Cookie": jar}).json()["user"] == str(user)
        assert get(url).json()["user"] == "AnonymousUser"
        assert get(url, headers={"Cookie": jar, "Authorization": "Bearer garbage"}).status_code == 401
    assert get("/atold/", headers={"Cookie": jar}).json()["same"] == str(user)


@pytest.mark.django_db(transaction=True)
def test_under_asgi_djangos_session_counts_too(user, make_user):
    client, carol = AsyncClient(), make_user("carol")
    client.force_login(carol)
    client.cookies[Browser.access_name] = sessions.start(user).access_token
    get = async_to_sync(client.get)
    assert get("/atold/").json() == {"user": str(carol), "same": str(carol)}
    assert get("/told/").json()["user"] == str(carol)
    del client.cookies["sessionid"]
    assert get("/atold/").json() == {"user": str(user), "same": str(user)}


@pytest.mark.django_db(transaction=True)
def test_a_lazy_user_is_loaded_for_a_view_that_awaits_it(user, rf):
    request = rf.get("/")
    _set_user(request, lazy_user(user_id_of(user)), None)
    loaded = async_to_sync(request.auser)()
    with Queries() as queries:
        assert loaded.get_username() == user.get_username()
    assert len(queries) == 0


class Named(JWTAuthentication):
    """A class of a project, which DRF's views may use, too."""

    def authenticate(self, request):
        return None if "anonymous" in request.query_params else super().authenticate(request)


class NamedMiddleware(JWTUserMiddleware):
    authentication_classes = (Named,)


@pytest.mark.parametrize(("query", "is_known"), [("", True), ("?anonymous", False)], ids=["a user", "nobody"])
def test_a_class_of_the_project_gets_a_request_of_drf(user, rf, query, is_known):
    request = rf.get(f"/{query}", headers={"authorization": f"Bearer {sessions.start(user).access_token}"})
    request.user = AnonymousUser()
    assert NamedMiddleware(told).process_view(request, told, (), {}) is None
    assert request.user == (user if is_known else AnonymousUser())
