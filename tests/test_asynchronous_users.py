"""Asynchronous code reads the user of a token, in every mode: no attribute is an error because it needs a query."""

from types import ModuleType

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpResponse
from django.template import engines
from django.test import AsyncClient, Client
from django.urls import path
from django.views import View
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions
from jwt_auth.authentication import JWTAuthentication, UserOrClientJWTAuthentication, client_of
from jwt_auth.verification import averify
from tests.support.api_clients import register
from tests.support.outages import outage

pytestmark = [pytest.mark.usefixtures("threads_connect"), pytest.mark.parametrize("mode", ["database", "memory"])]


async def attribute(request):
    return HttpResponse(request.user.get_username())


async def coroutine(request):
    return HttpResponse((await request.auser()).get_username())


async def template(request):
    return HttpResponse(engines["django"].from_string("{{ request.user.get_username }}").render({}, request))


@login_required
async def decorated(request):
    return HttpResponse(request.user.get_username())


@permission_required("auth.view_user", raise_exception=True)
async def permitted(request):
    return HttpResponse(request.user.get_username())


class ClassBased(View):
    async def get(self, request):
        return HttpResponse(request.user.get_username())


async def authenticated_in_a_thread(request):
    """As packages for asynchronous views of DRF do it."""
    user, _ = await sync_to_async(JWTAuthentication().authenticate)(Request(request))
    return HttpResponse(user.get_username())


class Bridge(APIView):
    """A synchronous view with a part that is asynchronous."""

    authentication_classes = (JWTAuthentication,)

    def get(self, request):
        async def name():
            return request.user.get_username()

        return Response(async_to_sync(name)())


async def of_client(request):
    asked = Request(request, authenticators=[UserOrClientJWTAuthentication()])
    user = await sync_to_async(getattr)(asked, "user")
    assert client_of(asked).user is user
    return HttpResponse(client_of(asked).user.get_username())


class PlainView(View):
    def get(self, request):
        return HttpResponse(request.user.get_username())


def afterwards(get_response):
    """A middleware that looks at the user when the view has answered."""

    async def look(request):
        response = await get_response(request)
        response["X-User"] = request.user.get_username()
        return response

    async def ask(request):
        response = await get_response(request)
        response["X-User"] = (await request.auser()).get_username()
        return response

    def look_only(request):
        return get_response(request)

    if not iscoroutinefunction(get_response):
        return look_only
    chosen = ask if "ask" in ASKED else look
    markcoroutinefunction(chosen)
    return chosen


afterwards.async_capable = True
ASKED = set()

VIEWS = {
    "attribute/": attribute,
    "coroutine/": coroutine,
    "template/": template,
    "decorated/": decorated,
    "class/": ClassBased.as_view(),
    "thread/": authenticated_in_a_thread,
    "bridge/": Bridge.as_view(),
    "plain/": PlainView.as_view(),
}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "jwt_auth.middleware.JWTUserMiddleware",
]


@pytest.fixture(autouse=True)
def project(settings, mode):
    settings.JWT_AUTH = {**settings.JWT_AUTH, "REVOCATION": mode}
    settings.ROOT_URLCONF = ModuleType("project_urls")
    settings.ROOT_URLCONF.urlpatterns = [
        *(path(name, view) for name, view in VIEWS.items()),
        path("permitted/", permitted),
        path("of-client/", of_client),
    ]
    settings.MIDDLEWARE = MIDDLEWARE


@pytest.fixture
def token(project, user):
    return sessions.start(user).access_token


def get(url, token):
    client = AsyncClient(raise_request_exception=False)
    return async_to_sync(client.get)(f"/{url}", headers={"authorization": f"Bearer {token}"})


def shown(answer):
    """Return the name in the body of an answer, which is a text or a string of JSON."""
    assert answer.status_code == 200, answer.content
    return answer.content.decode().strip('"')


def test_each_kind_of_view_reads_the_user(token, user):
    name = user.get_username()
    assert {url: shown(get(url, token)) for url in VIEWS} == dict.fromkeys(VIEWS, name)
    headers = {"authorization": f"Bearer {token}"}
    assert {url: shown(Client().get(f"/{url}", headers=headers)) for url in VIEWS} == dict.fromkeys(VIEWS, name)


def test_permissions_are_those_of_the_row(token, staff):
    assert get("permitted/", token).status_code == 403
    assert shown(get("permitted/", sessions.start(staff).access_token)) == staff.get_username()


@pytest.mark.parametrize("how", ["look", "ask"])
def test_a_middleware_reads_the_user_when_a_view_has_answered(token, user, settings, monkeypatch, how):
    monkeypatch.setitem(globals(), "ASKED", {how})
    settings.MIDDLEWARE = [MIDDLEWARE[0], f"{__name__}.afterwards", *MIDDLEWARE[1:]]
    for url in ("attribute/", "plain/"):
        assert get(url, token)["X-User"] == user.get_username()


def test_the_user_of_an_api_client_is_read_too(user, settings):
    settings.MIDDLEWARE = MIDDLEWARE[:2]  # the last one is for users' tokens
    api = register(user)
    for _ in range(2):  # the second time from the memory of the process
        assert shown(get("of-client/", api.token())) == user.get_username()


def test_a_consumer_reads_the_user(token, user):
    api = register(user)

    async def connect():
        verified = await averify(token)
        assert not await verified.user.ahas_perm("auth.view_user")
        client = (await averify(api.token(), issuers="clients")).client_key.client
        return [verified.user.get_username(), client.user.get_username()]

    assert async_to_sync(connect)() == [user.get_username()] * 2


def test_a_user_who_is_gone_is_refused_with_401(token, user):
    get_user_model()._default_manager.filter(pk=user.pk).update(is_active=False)
    for url in [*VIEWS, "permitted/"]:
        assert (get(url, token).status_code, url) == (401, url)
    headers = {"authorization": f"Bearer {token}"}
    assert Client().get("/plain/", headers=headers).status_code == 401


def test_an_outage_is_503(token, ticks):
    for url in VIEWS:  # from the second request on, the user is loaded before the view
        assert get(url, token).status_code == 200
    with outage():
        for url in [*VIEWS, "permitted/"]:
            if url != "bridge/":  # the loop's user is read by a connection of its own, which is not out of order here
                assert (get(url, token).status_code, url) == (503, url)
    assert get("plain/", token).status_code == 200
