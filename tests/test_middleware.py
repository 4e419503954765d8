"""`Vary`, which keeps a cache from showing one user's answer to another."""

from types import ModuleType

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import include, path
from django.views.decorators.cache import cache_page
from rest_framework.decorators import api_view
from rest_framework.response import Response

from jwt_auth.middleware import VaryMiddleware
from tests.support.browser import Browser


@cache_page(60)
@api_view(["GET"])
def whoami(request):
    return Response(str(request.user.pk))


def plain(request):
    return HttpResponse("plain")


@pytest.fixture(autouse=True)
def project(settings):
    module = ModuleType("project_urls")
    module.urlpatterns = [
        path("whoami/", whoami),
        path("plain/", plain),
        path("auth/", include("jwt_auth.urls")),
        path("auth/browser/", include("jwt_auth.browser_urls")),
    ]
    settings.ROOT_URLCONF = module


def vary(response):
    return {name.strip() for name in response.get("Vary", "").split(",")} & {"Cookie", "Authorization"}


def test_answers_say_what_they_depend_on(user, client):
    signed_in, bearer = Browser().sign_in(user), client.bearer(client.tokens(user)["access_token"])
    assert vary(signed_in.get("/api/notes/")) == set()  # 404: nothing was authenticated
    assert vary(signed_in.get("/whoami/")) == {"Cookie", "Authorization"}
    assert vary(Browser().get("/whoami/")) == {"Cookie", "Authorization"}
    assert vary(bearer.get("/whoami/")) == {"Authorization"}
    assert vary(signed_in.get("/plain/")) == set()


def test_a_cached_page_is_shown_to_its_own_user_alone(user, make_user, client):
    alice, bob = Browser().sign_in(user), Browser().sign_in(make_user("bob"))
    bearer = client.bearer(client.tokens(make_user("carol"))["access_token"])
    shown = [[person.get("/whoami/").content for person in (alice, bob, bearer)] for _ in range(2)]
    assert len(set(shown[0])) == 3
    assert shown[0] == shown[1]
    assert Browser().get("/whoami/").status_code == 401


def test_without_the_middleware_the_cache_would_mix_users_up(user, make_user, settings):
    """The control: the middleware keeps them apart."""
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if "jwt_auth" not in item and "csrf" not in item]
    alice, bob = Browser().sign_in(user), Browser().sign_in(make_user("bob"))
    assert alice.get("/whoami/").content == bob.get("/whoami/").content


@pytest.mark.django_db(transaction=True)
def test_it_works_under_asgi():
    answer = async_to_sync(AsyncClient().get)("/whoami/")
    assert answer.status_code == 401
    assert vary(answer) == {"Cookie", "Authorization"}


def test_it_is_as_asynchronous_as_what_it_wraps():
    async def answer(request):
        return HttpResponse()

    assert iscoroutinefunction(VaryMiddleware(answer))
    assert not iscoroutinefunction(VaryMiddleware(plain))
