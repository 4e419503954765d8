"""The verdict on a token is remembered for the rest of its request, if the same question would be asked again."""

import gc
import sys
import weakref
from contextlib import suppress
from copy import copy, deepcopy
from datetime import timedelta
from types import ModuleType

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections
from django.http import HttpResponse
from django.test import AsyncClient, RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions
from jwt_auth.authentication import (
    ClientJWTAuthentication,
    JWTAuthentication,
    JWTCookieAuthentication,
    UserOrClientJWTAuthentication,
    remembered,
)
from jwt_auth.authentication.note import note_on
from jwt_auth.authentication.remembered import LONGEST
from jwt_auth.models import UsedToken, UserSession
from jwt_auth.revocation import revoke_session
from jwt_auth.verification import verify
from tests.support.api_clients import register
from tests.support.browser import HOST, ORIGIN, Browser
from tests.support.outages import outage
from tests.urls import urlpatterns as usual_urls

# The clock by which verdicts grow old stands still.
pytestmark = pytest.mark.usefixtures("ticks")

COOKIE = "__Host-Http-access"
STRICT = JWTAuthentication.with_revocation("database")
BOTH = (JWTAuthentication, JWTCookieAuthentication)


def authenticate(request, classes=BOTH):
    """Return what the first class finds, and None if no class finds anything."""
    return next(filter(None, (cls().authenticate(request) for cls in classes)), None)


def tenants(get_response):
    """A middleware that needs the user, as those for tenants do."""

    def look(request):
        if found := authenticate(request):
            request.tenant = found[0].pk

    async def alook(request):
        await sync_to_async(look)(request)
        return await get_response(request)

    def answer(request):
        look(request)
        return get_response(request)

    return markcoroutinefunction(alook) if iscoroutinefunction(get_response) else answer


tenants.async_capable = True


class Who(APIView):
    authentication_classes = BOTH
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": request.user.get_username(), "same": request.tenant == request.user.pk})


@csrf_exempt
async def who_async(request):
    found = await sync_to_async(authenticate)(request)
    return HttpResponse(found[0].get_username())


@pytest.fixture
def project(settings):
    module = ModuleType("project_urls")
    module.urlpatterns = [
        *usual_urls,
        path("who/", Who.as_view()),
        path("strict/", Who.as_view(authentication_classes=[STRICT])),
        path("async/", who_async),
    ]
    settings.ROOT_URLCONF = module
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.tenants"]


@pytest.fixture(params=["database", "memory"])
def mode(request, jwt_settings):
    """Each source of revocations that the process may ask."""
    jwt_settings(REVOCATION=request.param, REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    return request.param


@pytest.fixture
def raw(user):
    return sessions.start(user).access_token


def made(method="GET", **headers):
    """Return a request of Django."""
    return RequestFactory().generic(method, "/", headers={"host": HOST, **headers}, secure=True)


def bearer(raw, method="GET"):
    return made(method, authorization=f"Bearer {raw}")


def code_of(refused):
    """Call `refused`, which must raise an exception of DRF, and return its code."""
    with pytest.raises(APIException) as raised:
        refused()
    return raised.value.get_codes()


# A middleware and a view


@pytest.mark.usefixtures("project")
def test_a_middleware_and_a_view_cost_one_query(mode, client, user, count):
    signed_in, browser = client.bearer(client.tokens(user)["access_token"]), Browser().sign_in(user)
    for person in (signed_in, browser):
        person.get("/who/")  # memory mode reads the revocations
        number, answer = count(person.get, "/who/")
        assert (number, answer.json()) == (1, {"user": user.get_username(), "same": True})


@pytest.mark.usefixtures("project")
def test_a_middleware_and_a_view_with_a_stricter_class_cost_two_questions(mode, client, user, count):
    signed_in = client.bearer(client.tokens(user)["access_token"])
    signed_in.get("/strict/")
    number, answer = count(signed_in.get, "/strict/")
    # In memory mode the middleware costs none, and in database mode both ask the same.
    assert (number, answer.status_code) == (1, 200)


@pytest.mark.usefixtures("project")
def test_an_asynchronous_view_gets_a_user_whom_it_can_read(mode, client, user, count):
    headers = {"authorization": f"Bearer {client.tokens(user)['access_token']}"}

    def ask():
        return async_to_sync(AsyncClient().get)("/async/", headers=headers)

    ask()
    number, answer = count(ask)
    assert (number, answer.content.decode()) == (1, user.get_username())


@pytest.mark.usefixtures("project")
def test_a_refusal_costs_one_query_and_stays_the_same(mode, client, user, count):
    pair, browser = client.tokens(user), Browser().sign_in(user)
    for session in UserSession.objects.all():
        revoke_session(session.pk)
    browser.get("/who/")
    number, answer = count(browser.get, "/who/")
    cost = 1 if mode == "database" else 0
    assert (number, answer.status_code, answer.json()["code"]) == (cost, 401, "token_revoked")
    request = bearer(pair["access_token"])
    first = code_of(lambda: authenticate(request))
    number, second = count(code_of, lambda: authenticate(request))
    assert (number, first, second) == (0, "token_revoked", "token_revoked")


# Clients' tokens


@pytest.fixture
def as_client(mode, user):
    """An API client whose tokens this process knows."""
    api = register(user)
    ClientJWTAuthentication().authenticate(bearer(api.token()))
    return api


def test_a_single_use_token_is_used_up_once_for_a_request(as_client, user, count):
    raw = as_client.token()
    request = bearer(raw, "POST")
    assert ClientJWTAuthentication().authenticate(request)[0] == user
    number, again = count(ClientJWTAuthentication().authenticate, request)
    assert (number, again[0]) == (0, user)
    assert UsedToken.objects.count() == 1
    assert code_of(lambda: ClientJWTAuthentication().authenticate(bearer(raw, "POST"))) == "token_replayed"


def test_a_token_that_a_read_did_not_use_up_is_used_up_by_a_write(as_client):
    raw = as_client.token()
    request = bearer(raw)
    assert ClientJWTAuthentication().authenticate(request)
    request.method = "POST"  # as a middleware does that reads X-HTTP-Method-Override
    assert ClientJWTAuthentication().authenticate(request)
    assert code_of(lambda: ClientJWTAuthentication().authenticate(bearer(raw, "POST"))) == "token_replayed"


def test_what_a_view_that_only_revokes_has_used_up_does_not_count_for_others(as_client):
    lenient = type("Lenient", (ClientJWTAuthentication,), {"only_revokes": True})
    request = bearer(as_client.token(), "POST")
    assert lenient().authenticate(request)
    assert lenient().authenticate(request)
    assert code_of(lambda: ClientJWTAuthentication().authenticate(request)) == "token_replayed"
    request = bearer(as_client.token(), "POST")
    assert ClientJWTAuthentication().authenticate(request)
    assert lenient().authenticate(request)


def test_a_class_that_demands_a_bound_token_still_does(as_client):
    strict = ClientJWTAuthentication.with_binding()
    loose, bound = (bearer(as_client.token(**claims)) for claims in ({}, {"htm": "GET", "htu": f"https://{HOST}/"}))
    for request in (loose, bound):
        assert ClientJWTAuthentication().authenticate(request)
    assert strict().authenticate(bound)
    assert code_of(lambda: strict().authenticate(loose)) == "invalid_token"


# What is asked again


@pytest.mark.parametrize("other", [JWTAuthentication, UserOrClientJWTAuthentication])
def test_only_a_class_with_the_same_issuers_believes_the_verdict(raw, count, other):
    request = bearer(raw)
    assert JWTAuthentication().authenticate(request)
    number, found = count(other().authenticate, request)
    assert (number, bool(found)) == (0 if other is JWTAuthentication else 1, True)


def test_a_verdict_for_users_lets_no_user_in_where_clients_are_expected(raw):
    request = bearer(raw)
    assert UserOrClientJWTAuthentication().authenticate(request)
    assert code_of(lambda: ClientJWTAuthentication().authenticate(request)) == "invalid_token"


def test_a_stricter_class_asks_the_database_itself(raw, jwt_settings, count):
    jwt_settings(REVOCATION="memory", REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    weak, strict = bearer(raw), bearer(raw)
    assert JWTAuthentication().authenticate(weak)
    assert STRICT().authenticate(strict)
    UserSession.objects.update(revoked_at="2026-01-01T00:00Z")  # which memory mode does not notice
    number, found = count(JWTAuthentication().authenticate, strict)
    assert (number, bool(found)) == (0, True)
    assert JWTAuthentication().authenticate(weak)
    assert code_of(lambda: STRICT().authenticate(weak)) == "token_revoked"
    assert code_of(lambda: JWTAuthentication().authenticate(weak)) == "token_revoked"


def test_another_token_on_the_same_request_is_verified(raw, user, make_user, count):
    request = bearer(raw)
    assert JWTAuthentication().authenticate(request)[0] == user
    bob = make_user("bob")
    request.META["HTTP_AUTHORIZATION"] = f"Bearer {sessions.start(bob).access_token}"
    number, found = count(JWTAuthentication().authenticate, request)
    assert (number, found[0]) == (1, bob)


def test_a_copy_of_the_request_is_verified_by_its_own_header(raw, user, make_user):
    request = bearer(raw)
    assert JWTAuthentication().authenticate(request)[0] == user
    for part in (copy(request), deepcopy(request)):
        part.META = {**request.META, "HTTP_AUTHORIZATION": "Bearer garbage"}
        assert code_of(lambda part=part: JWTAuthentication().authenticate(part)) == "invalid_token"
    assert JWTAuthentication().authenticate(copy(request))[0] == user


def test_a_request_that_revokes_sees_it_at_once(mode, raw):
    request, other = bearer(raw), bearer(raw)
    assert JWTAuthentication().authenticate(request)
    revoke_session(UserSession.objects.get().pk)
    for each in (request, other):
        assert code_of(lambda each=each: JWTAuthentication().authenticate(each)) == "token_revoked"


def test_a_request_that_deactivates_its_user_sees_it_at_once(mode, raw, user):
    request = bearer(raw)
    assert JWTAuthentication().authenticate(request)
    changed = get_user_model().objects.get(pk=user.pk)
    changed.is_active = False
    changed.save()
    assert code_of(lambda: JWTAuthentication().authenticate(request)) == "token_revoked"


def test_with_other_settings_the_token_is_verified_again(raw, jwt_settings):
    request = bearer(raw)
    assert JWTAuthentication().authenticate(request)
    jwt_settings(ISSUER="https://other.example.com")
    assert code_of(lambda: JWTAuthentication().authenticate(request)) == "invalid_token"


def test_in_the_tables_of_another_tenant_the_token_is_verified_again(raw, monkeypatch, count, jwt_settings):
    monkeypatch.setattr(connections["default"], "schema_name", "red", raising=False)
    jwt_settings()  # what is known of the database is forgotten
    request = bearer(raw)
    assert [count(JWTAuthentication().authenticate, request)[0] for _ in range(2)] == [1, 0]
    monkeypatch.setattr(connections["default"], "schema_name", "blue")
    assert [count(JWTAuthentication().authenticate, request)[0] for _ in range(2)] == [1, 0]


class TenantRouter:
    """A router that chooses the database of the current tenant."""

    current = "default"

    def db_for_write(self, model, **hints):
        return self.current


@pytest.fixture
def another_database(monkeypatch):
    """The name of a second database, which is never connected to."""
    monkeypatch.setitem(connections.settings, "blue", connections.settings["default"])
    yield "blue"
    del connections["blue"]


def test_in_the_database_of_another_tenant_the_token_is_verified_again(raw, monkeypatch, settings, another_database):
    settings.DATABASE_ROUTERS = [tenant := TenantRouter()]
    request, verified, asked = bearer(raw), verify(raw), []
    monkeypatch.setattr(remembered, "verify", lambda *args, **options: asked.append(tenant.current) or verified)
    for database in ("default", "default", another_database, another_database):
        tenant.current = database
        assert JWTAuthentication().authenticate(request)
    assert asked == ["default", another_database]


@pytest.mark.parametrize(("staleness", "longest"), [(60, LONGEST), (0.2, 0.2)])
def test_a_request_that_is_held_open_is_verified_again(raw, jwt_settings, ticks, count, staleness, longest):
    jwt_settings(REVOCATION_MAX_STALENESS=timedelta(seconds=staleness))
    request = bearer(raw)
    assert JWTAuthentication().authenticate(request)
    UserSession.objects.update(revoked_at="2026-01-01T00:00Z")
    ticks.forward(longest - 0.01)
    assert JWTAuthentication().authenticate(request)
    ticks.forward(0.02)
    assert code_of(lambda: JWTAuthentication().authenticate(request)) == "token_revoked"


def test_an_outage_is_not_remembered(raw, user):
    request = bearer(raw)
    with outage():
        assert code_of(lambda: JWTAuthentication().authenticate(request)) == "unavailable"
    assert JWTAuthentication().authenticate(request)[0] == user


@pytest.mark.django_db(transaction=True)
def test_what_lets_a_read_pass_in_an_outage_lets_no_write_pass(raw, jwt_settings, ticks, user):
    jwt_settings(REVOCATION="memory", REVOCATION_ON_STALE="allow_safe_methods")
    assert JWTAuthentication().authenticate(bearer(raw))
    request = bearer(raw)
    ticks.forward(5)
    with outage():
        assert JWTAuthentication().authenticate(request)[0] == user
        request.method = "POST"
        assert code_of(lambda: JWTAuthentication().authenticate(request)) == "revocation_unavailable"


def test_a_cookie_is_guarded_each_time(raw, user):
    request = made(cookie=f"{COOKIE}={raw}", **{"sec-fetch-site": "cross-site", "origin": "https://evil.example.net"})
    assert JWTCookieAuthentication().authenticate(request)[0] == user
    request.method, request._dont_enforce_csrf_checks = "POST", False
    assert code_of(lambda: JWTCookieAuthentication().authenticate(request)) == "csrf_failed"
    request.META |= {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": ORIGIN}
    assert JWTCookieAuthentication().authenticate(request)[0] == user


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 keeps the frames of some errors for its collector")
@pytest.mark.parametrize("is_refused", [False, True])
def test_a_request_is_freed_as_soon_as_it_is_answered(raw, is_refused):
    request = bearer(f"{raw[:-9]}AAAAAAAAA" if is_refused else raw)
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            found = False
            with suppress(APIException):
                found = authenticate(request) is not None
            assert found is not is_refused
        freed = weakref.ref(request)
        del request
        assert freed() is None
    finally:
        gc.enable()


def test_the_note_does_not_show_tokens(as_client):
    raw = as_client.token()
    request = bearer(raw, "POST")
    assert ClientJWTAuthentication().authenticate(request)
    assert note_on(request).verdict is not None
    assert raw not in repr(note_on(request)) + repr(note_on(request).verdict)
