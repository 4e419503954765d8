"""A Django session and the sessions that were exchanged for it end together."""

from datetime import timedelta
from types import ModuleType

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model, login, logout
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.http import JsonResponse
from django.test import AsyncClient
from django.urls import path
from django.utils.decorators import async_only_middleware
from rest_framework.authentication import SessionAuthentication
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session, revoke_user
from jwt_auth.sessions import django_sessions
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.outages import assert_unavailable, outage
from tests.support.queries import Queries
from tests.urls import urlpatterns as usual_urls

TIED = "jwt_auth.middleware.TiedSessionMiddleware"


def name_of(user):
    return user.get_username() if user.is_authenticated else None


def who(request):
    return JsonResponse({"user": name_of(request.user)})


async def awho(request):
    return JsonResponse({"user": name_of(await request.auser())})


def leave(request):
    logout(request)
    return JsonResponse({})


def become(request, pk):
    login(request, get_user_model()._default_manager.get(pk=pk), "django.contrib.auth.backends.ModelBackend")
    return JsonResponse({})


class Who(APIView):
    authentication_classes = [SessionAuthentication]

    def get(self, request):
        return Response({"user": name_of(request.user)})


async def awho_of_drf(request):
    """Stand for a view of a package for asynchronous DRF."""
    return await awho(request)


awho_of_drf.cls = Who


urls = ModuleType("urls")
urls.urlpatterns = [
    *usual_urls,
    path("who/", who),
    path("awho/", awho),
    path("leave/", leave),
    path("become/<str:pk>/", become),
    path("drf/", Who.as_view()),
    path("adrf/", awho_of_drf),
]


@pytest.fixture(autouse=True)
def _tied(settings, jwt_settings):
    jwt_settings(SESSION_EXCHANGE="tie")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, TIED]
    settings.ROOT_URLCONF = urls


@pytest.fixture
def visitor(clock, user):
    """A browser in which alice has signed in to Django."""
    browser = Browser()
    browser.force_login(user)
    clock.shift(60)
    return browser


def exchange(browser, transport="/auth/"):
    answer = browser.send(f"{transport}session/")
    assert answer.status_code == 200, answer.content
    return answer.json()


def user_in(browser, page="/who/"):
    answer = browser.get(page)
    return answer.json().get("user") if answer.status_code == 200 else None


def test_signing_out_of_django_ends_the_tokens(visitor, user, client):
    other = Browser()
    other.force_login(user)
    kept, first, second = exchange(other), exchange(visitor), exchange(visitor)
    assert visitor.get("/leave/").status_code == 200
    assert [client.is_dead(pair) for pair in (first, second, kept)] == [True, True, False]
    session = UserSession.objects.get(pk=first["session"])
    assert session.revoked_reason == django_sessions.REASON


def test_the_sign_in_of_another_user_ends_them_too(visitor, user, client, make_user):
    pair, bob = exchange(visitor), make_user("bob")
    visitor.get(f"/become/{user.pk}/")
    assert not client.is_dead(pair)  # the same user again
    visitor.get(f"/become/{bob.pk}/")
    assert user_in(visitor) == bob.get_username()
    assert client.is_dead(pair)
    assert not client.is_dead(exchange(visitor))


@pytest.mark.parametrize("mode", ["database", "memory"])
@pytest.mark.parametrize(
    ("page", "ending"),
    [("/who/", "revoke_user"), ("/drf/", "sign-out"), ("/awho/", "sign-out"), ("/adrf/", "sign-out")],
)
def test_the_end_of_the_tokens_signs_out_of_django(visitor, user, client, jwt_settings, ticks, mode, page, ending):
    jwt_settings(REVOCATION=mode)
    first, second = exchange(visitor), exchange(visitor)
    assert user_in(visitor, page) == user.get_username()
    if ending == "revoke_user":
        revoke_user(user)
    else:
        client.send("logout/", {"refresh_token": first["refresh_token"]})
    assert not client.is_dead(second) if ending == "sign-out" else client.is_dead(second)
    assert user_in(visitor, page) is None
    assert not Session.objects.exists()
    assert client.get_me(second["access_token"]).status_code == 401


def test_a_dead_tie_is_not_exchanged(visitor, client):
    pair = exchange(visitor)
    revoke_session(UserSession.objects.get().pk)
    assert visitor.send("/auth/session/").json()["code"] == "not_authenticated"
    assert client.is_dead(pair)


def test_a_new_sign_in_is_not_tied_to_what_has_ended(visitor, user, client):
    exchange(visitor)
    revoke_session(UserSession.objects.get().pk)
    visitor.force_login(user)  # into the same Django session
    assert user_in(visitor) == user.get_username()
    assert not client.is_dead(exchange(visitor))


def test_a_refresh_keeps_both_and_an_expiry_ends_neither(visitor, user, client, clock):
    pair = exchange(visitor)
    clock.shift(3600)
    assert client.refresh(pair["refresh_token"]).status_code == 200
    assert user_in(visitor) == user.get_username()
    session = visitor.session
    session.set_expiry(timedelta(days=90))
    session.save()
    clock.shift(20 * 86400)  # the tokens were not used for more than SESSION_IDLE_TIMEOUT
    assert user_in(visitor) == user.get_username()
    # As soon as nobody remembers any more how it ended, the Django session ends as well.
    clock.shift(40 * 86400)
    call_command("jwt_clear_expired", verbosity=0)
    assert not UserSession.objects.exists()
    assert user_in(visitor) is None


def test_new_cookies_do_not_sign_out_of_django(visitor, user):
    exchange(visitor, "/auth/browser/")
    exchange(visitor, "/auth/browser/")
    assert UserSession.objects.filter(revoked_at=None).count() == 1
    assert user_in(visitor) == user.get_username()
    # A re-authentication hands the tie on.
    assert visitor.send("reauthenticate/", {"password": PASSWORD}).status_code == 200
    assert user_in(visitor) == user.get_username()
    visitor.send("logout/")
    assert user_in(visitor) is None


def test_the_sign_out_of_a_re_authenticated_session_counts(visitor, user):
    exchange(visitor, "/auth/browser/")
    visitor.send("reauthenticate/", {"password": PASSWORD})
    visitor.get("/leave/")
    assert visitor.is_signed_out()


def test_sessions_without_an_exchange_are_left_alone(visitor, user, client):
    tokens = client.tokens(user)
    revoke_user(user)
    assert client.is_dead(tokens)
    assert user_in(visitor) == user.get_username()


def test_django_sessions_of_before_are_tied_as_well(user, client, jwt_settings):
    jwt_settings(SESSION_EXCHANGE=None)
    browser = Browser()
    browser.force_login(user)
    assert user_in(browser) == user.get_username()  # the middleware does nothing then
    jwt_settings(SESSION_EXCHANGE="tie")
    assert user_in(browser) == user.get_username()
    pair = exchange(browser)
    browser.get("/leave/")
    assert client.is_dead(pair)


def test_a_sign_out_meanwhile_leaves_no_tokens(visitor, monkeypatch):
    start = django_sessions.tie

    def signed_out_meanwhile(session):
        Session.objects.all().delete()  # by the other request, which found no session to end yet
        return start(session)

    monkeypatch.setattr(django_sessions, "tie", signed_out_meanwhile)
    assert visitor.send("/auth/session/").json()["code"] == "not_authenticated"
    assert not UserSession.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("transport", ["/auth/", "/auth/browser/"])
def test_an_exchange_that_fails_at_its_end_signs_nobody_out(visitor, user, transport):
    exchange(visitor, transport)
    # The question whether the Django session is still there, after the new session has started.
    with outage(of=lambda sql: "django_session" in sql and "AS" in sql and "LIMIT 1" in sql) as failed:
        assert_unavailable(visitor.send(f"{transport}session/"))
    assert len(failed) == 1
    assert UserSession.objects.filter(revoked_reason="sign-in refused").count() == 1
    assert user_in(visitor) == user.get_username()
    exchange(visitor, transport)


@pytest.mark.parametrize("page", ["/who/", "/drf/", "/leave/"])
def test_an_outage_lets_nobody_in_and_signs_nobody_out(visitor, user, client, page):
    pair = exchange(visitor)
    with outage(of=lambda sql: "tied_to" in sql and sql.startswith("SELECT")):
        assert_unavailable(visitor.get(page))
    assert user_in(visitor) == user.get_username()
    assert not client.is_dead(pair)


def test_an_outage_after_the_view_is_an_outage(visitor, client, make_user):
    pair, bob = exchange(visitor), make_user("bob")
    with outage(of=lambda sql: "tied_to" in sql and sql.startswith("SELECT") and "auth_hash" not in sql):
        assert_unavailable(visitor.get(f"/become/{bob.pk}/"))
    assert not client.is_dead(pair)


def test_a_request_with_a_token_alone_asks_nothing(visitor, user):
    pair = exchange(visitor)
    header = {"HTTP_AUTHORIZATION": f"Bearer {pair['access_token']}"}
    assert visitor.get("/auth/me/", **header).status_code == 200
    with Queries() as queries:
        visitor.get("/auth/me/", **header)
    assert (queries.of("django_session"), queries.of('"tied_to" =')) == (0, 0)
    with Queries() as queries:
        visitor.get("/who/")
    assert len(queries.statements) == 3  # the session, the tie and the user


async def in_asgi(cookies):
    client = AsyncClient(headers={"Host": "www.example.com"})
    client.cookies = cookies
    return (await client.get("/awho/")).json()["user"], (await client.get("/leave/")).status_code


@async_only_middleware
def early_reader(get_response):
    """Read the user before the tie is checked, as a middleware of the project may."""

    async def middleware(request):
        await request.auser()
        return await get_response(request)

    return middleware


def test_a_user_who_was_read_before_the_check_is_signed_out_too(visitor, user, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:-1], f"{__name__}.early_reader", TIED]
    exchange(visitor)
    assert async_to_sync(in_asgi)(visitor.cookies)[0] == user.get_username()
    visitor.force_login(user)
    exchange(visitor)
    revoke_user(user)
    assert async_to_sync(in_asgi)(visitor.cookies)[0] is None


def test_it_works_in_asgi(visitor, user, client):
    pair = exchange(visitor)
    assert async_to_sync(in_asgi)(visitor.cookies) == (user.get_username(), 200)
    assert client.is_dead(pair)
