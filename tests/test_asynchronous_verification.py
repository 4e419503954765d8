"""Memory mode on an event loop: no thread and no query, unless something has to be waited for."""

import threading
import time
from dataclasses import dataclass
from typing import ClassVar

import jwt
import pytest
from asgiref import sync
from asgiref.sync import async_to_sync
from django.core.exceptions import SynchronousOnlyOperation
from django.core.files.base import ContentFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.test import AsyncRequestFactory
from django.urls import ResolverMatch
from django.views import View

from jwt_auth import sessions
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication, UserOrClientJWTAuthentication
from jwt_auth.authentication.errors import Refused, ServiceUnavailable
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import InvalidTokenError, RevokedTokenError
from jwt_auth.http import middleware_base
from jwt_auth.middleware import JWTUserMiddleware, TiedSessionMiddleware, VaryMiddleware
from jwt_auth.revocation import revoke_session, revoke_user
from jwt_auth.revocation.memory.view import view
from jwt_auth.verification import averify, verify
from tests.support.api_clients import register
from tests.support.keys import public_pem
from tests.support.outages import outage

pytestmark = [pytest.mark.usefixtures("threads_connect")]


@pytest.fixture
def hops(monkeypatch):
    """The calls that were made in a thread for asynchronous code."""
    made = []
    call = sync.SyncToAsync.__call__

    async def note(self, *args, **kwargs):
        made.append(self.func)
        return await call(self, *args, **kwargs)

    monkeypatch.setattr(sync.SyncToAsync, "__call__", note)
    return made


@pytest.fixture
def memory(settings, ticks):
    settings.JWT_AUTH = {**settings.JWT_AUTH, "REVOCATION": "memory"}


@pytest.fixture
def pair(user, memory):
    pair = sessions.start(user)
    verify(pair.access_token)  # reads the revocations
    return pair


def run(coroutine_function, *args, **kwargs):
    return async_to_sync(coroutine_function)(*args, **kwargs)


def test_a_fresh_view_needs_neither_a_thread_nor_a_query(pair, user, hops, django_assert_num_queries):
    with django_assert_num_queries(0):
        verified = run(averify, pair.access_token, load_user=False)
    assert (verified.user.pk, hops) == (user.pk, [])
    with django_assert_num_queries(1):
        verified = run(averify, pair.access_token)
    assert verified.user.get_username() == user.get_username()
    assert len(hops) == 1


def test_a_token_is_refused_on_the_loop(pair, user, hops):
    revoke_session(pair.session_id)
    for raw, error in ((pair.access_token, RevokedTokenError), ("", InvalidTokenError), ("a.b.c", InvalidTokenError)):
        with pytest.raises(error):
            run(averify, raw)
    assert hops == []


def test_database_mode_and_a_stricter_question_use_one_thread(user, settings, hops, django_assert_num_queries):
    token = sessions.start(user).access_token
    with django_assert_num_queries(1):
        assert run(averify, token).user.get_username() == user.get_username()
    assert len(hops) == 1
    settings.JWT_AUTH = {"REVOCATION": "memory"}
    verify(token)
    hops.clear()
    run(averify, token, ask_database=True)
    assert len(hops) == 1


def test_only_the_key_of_a_user_that_is_not_loaded_can_be_read(pair, user):
    async def look():
        verified = await averify(pair.access_token, load_user=False)
        assert (verified.user.pk, verified.user.is_authenticated) == (user.pk, True)
        with pytest.raises(SynchronousOnlyOperation):
            verified.user.get_username()
        loaded = await verified.auser()
        assert loaded is verified.user
        return verified.user.get_username()

    assert run(look) == user.get_username()


def test_a_due_view_is_read_by_another_thread_while_the_loop_goes_on(pair, ticks, hops, monkeypatch):
    begun, go_on, read = threading.Event(), threading.Event(), view()._reader.read
    threads = []

    def slowly(now, own):
        threads.append(threading.current_thread())
        begun.set()
        assert go_on.wait(10)
        return read(now, own)

    monkeypatch.setattr("jwt_auth.revocation.memory.view.is_private_to_process", lambda alias: False)
    view()._reader.read = slowly
    ticks.forward(0.8)

    async def go():
        loop = threading.current_thread()
        for _ in range(5):
            await averify(pair.access_token, load_user=False)
        assert begun.wait(10)
        return loop

    loop = run(go)
    assert (len(threads), hops) == (1, [])
    assert threads[0] not in (loop, threading.main_thread())
    go_on.set()
    flight = view()._renewal._flight
    flight.wait(10)
    ticks.forward(0.3)  # the former list would be stale now
    run(averify, pair.access_token, load_user=False)
    assert hops == []


def test_a_stale_view_is_read_before_the_token_is_judged(pair, ticks, hops):
    ticks.forward(1.1)
    run(averify, pair.access_token, load_user=False)
    assert len(hops) == 1


def test_a_revocation_in_an_open_transaction_counts_for_its_own_thread(pair, user, hops):
    with transaction.atomic():
        revoke_user(user)
        with pytest.raises(RevokedTokenError):
            run(averify, pair.access_token)
        assert len(hops) == 1
        transaction.set_rollback(True)
    run(averify, pair.access_token)


def test_the_keys_of_api_clients_are_kept_for_a_loop_too(user, memory, hops):
    api = register(user)
    run(averify, api.token(), issuers="clients", load_user=False)
    assert len(hops) == 1  # reads the key
    verified = run(averify, api.token(), issuers="clients", load_user=False)
    assert (verified.client_key.client.client_id, len(hops)) == (api.client_id, 1)


# The authentication classes


def asked(token, **headers):
    return AsyncRequestFactory().get("/", headers={"authorization": f"Bearer {token}", **headers})


class Unloaded(JWTAuthentication):
    load_user = False


def test_a_class_authenticates_on_the_loop(pair, user, hops, django_assert_num_queries):
    with django_assert_num_queries(0):
        found, claims = run(Unloaded().aauthenticate, asked(pair.access_token))
    assert (found.pk, claims.sub, hops) == (user.pk, str(user.pk), [])
    assert run(Unloaded().aauthenticate, AsyncRequestFactory().get("/")) is None

    async def read():
        found, _ = await JWTAuthentication().aauthenticate(asked(pair.access_token))
        return found.get_username()

    assert run(read) == user.get_username()

    async def read_unloaded():
        found, _ = await Unloaded().aauthenticate(asked(pair.access_token))
        return found.get_username()

    with pytest.raises(SynchronousOnlyOperation):
        run(read_unloaded)


def test_a_class_refuses_as_in_synchronous_code(pair, user):
    revoke_user(user)
    with pytest.raises(Refused):
        run(JWTAuthentication().aauthenticate, asked(pair.access_token))
    assert run(JWTCookieAuthentication().aauthenticate, asked(pair.access_token)) is None  # the header counts


def test_a_class_that_queries_is_called_again_in_a_thread(pair, user, hops):
    class Querying(Unloaded):
        def authenticate(self, request):
            found, claims = super().authenticate(request)
            return type(user)._default_manager.get(pk=found.pk), claims

    assert run(Querying().aauthenticate, asked(pair.access_token))[0].get_username() == user.get_username()
    assert len(hops) == 1


def test_a_single_use_token_is_used_up_once(user, memory, settings):
    settings.JWT_AUTH = {**settings.JWT_AUTH, "CLIENT_REPLAY_PROTECTION": "all"}
    token = register(user).token()
    found, _ = run(UserOrClientJWTAuthentication().aauthenticate, asked(token))
    assert found == user
    with pytest.raises(Refused):
        run(UserOrClientJWTAuthentication().aauthenticate, asked(token))


class Upload(MemoryFileUploadHandler):
    """An upload handler of a project, which may store the file on another server."""

    threads: ClassVar[list[threading.Thread]] = []

    def new_file(self, *args, **kwargs):
        self.threads.append(threading.current_thread())
        super().new_file(*args, **kwargs)


def test_a_form_with_djangos_csrf_token_is_not_parsed_on_the_loop(pair, user, settings):
    settings.JWT_AUTH = {**settings.JWT_AUTH, "CSRF_MODE": "django"}
    settings.FILE_UPLOAD_HANDLERS = [f"{__name__}.{Upload.__name__}"]
    verify(pair.access_token)
    Upload.threads.clear()

    async def upload():
        asked = AsyncRequestFactory()
        asked.cookies[get_settings().COOKIE_ACCESS_NAME] = pair.access_token
        asked.cookies["csrftoken"] = "a" * 32
        form = {"csrfmiddlewaretoken": "a" * 32, "file": ContentFile(b"x", name="a.txt")}
        request = asked.post("/", form)
        request._dont_enforce_csrf_checks = False
        found, _ = await JWTCookieAuthentication().aauthenticate(request)
        return found, threading.current_thread()

    found, loop = run(upload)
    assert (found, len(Upload.threads)) == (user, 1)
    assert loop not in Upload.threads


def test_a_request_that_is_let_through_is_logged_once(pair, user, settings, caplog):
    settings.JWT_AUTH = {**settings.JWT_AUTH, "CSRF_MODE": "log_only"}
    verify(pair.access_token)

    async def named(request):
        return HttpResponse(request.user.get_username())

    for _ in range(2):  # the second one loads the user, in a thread
        caplog.clear()
        foreign = AsyncRequestFactory()
        foreign.cookies[get_settings().COOKIE_ACCESS_NAME] = pair.access_token
        request = foreign.post("/", headers={"sec-fetch-site": "cross-site"})
        request._dont_enforce_csrf_checks = False
        run(layers(named), request)
        assert [record.event for record in caplog.records if record.name == "jwt_auth"] == ["csrf_let_through"]


def test_a_class_that_answers_all_errors_does_not_swallow_that_it_would_wait(pair, user, ticks):
    class Lenient(JWTAuthentication):
        def authenticate(self, request):
            try:
                return super().authenticate(request)
            except Exception:  # noqa: BLE001  # as projects write it
                return None

    ticks.forward(1.1)
    assert run(Lenient().aauthenticate, asked(pair.access_token))[0] == user


def test_a_project_names_the_principal_once_and_not_on_the_loop(user, memory, settings, ec_key):
    threads = []

    def principal(claims):
        threads.append(threading.current_thread())
        return type(user)._default_manager.get(pk=claims.sub)

    name, second = "https://issuer.example", int(time.time())
    trusted = {"KEYS": public_pem(ec_key), "ALGORITHMS": ["ES256"], "PRINCIPAL": principal}
    settings.JWT_AUTH = {**settings.JWT_AUTH, "TRUSTED_ISSUERS": {name: trusted}}
    claims = {"iss": name, "aud": "jwt_auth", "sub": str(user.pk), "iat": second, "exp": second + 60}
    token = jwt.encode(claims, ec_key, "ES256", headers={"typ": "at+jwt"})

    async def ask():
        return (await averify(token)).user, threading.current_thread()

    found, loop = run(ask)
    assert (found, len(threads)) == (user, 1)
    assert loop not in threads


def test_an_outage_while_the_user_is_loaded_is_503(pair):
    with outage(), pytest.raises(ServiceUnavailable):
        run(JWTAuthentication().aauthenticate, asked(pair.access_token))


# The middleware


async def only_the_key(request):
    return JsonResponse({"user": request.user.pk, "sub": request.auth.sub})


class Named(View):
    async def get(self, request):
        return HttpResponse(request.user.get_username())


def layers(view):
    """Return the handler of a project with all middleware of this app, as Django's handler calls it."""
    users = JWTUserMiddleware(view)

    async def inner(request):
        request.resolver_match = type("Match", (), {"func": staticmethod(view)})()
        answer = await users.process_view(request, view, (), {})
        return answer or await users(request)

    tied = TiedSessionMiddleware(inner)

    async def outer(request):
        return await tied.process_view(request, view, (), {}) or await tied(request)

    return VaryMiddleware(outer)


def test_no_middleware_uses_a_thread(pair, user, hops, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = run(layers(only_the_key), asked(pair.access_token))
    assert (answer.status_code, hops) == (200, [])
    assert answer["Vary"] == "Authorization"


@pytest.mark.parametrize("method", ["accepts", "authenticate", "process_view"])
@pytest.mark.parametrize("queries", [True, False], ids=["with a query", "without"])
def test_an_override_runs_on_the_loop_and_again_in_a_thread_if_it_queries(pair, user, hops, method, queries):
    begun, ended = [], []

    def override(self, *args):
        begun.append(threading.current_thread())
        if queries:
            type(user)._default_manager.exists()
        ended.append(threading.current_thread())
        return getattr(super(overriding, self), method)(*args)

    overriding = type("Overriding", (JWTUserMiddleware,), {method: override})

    async def ask():
        users = overriding(only_the_key)
        request = asked(pair.access_token)
        request.resolver_match = ResolverMatch(only_the_key, (), {})
        assert await users.process_view(request, only_the_key, (), {}) is None
        return (await users(request)).status_code, threading.current_thread()

    assert run(ask) == (200, begun[0])
    assert (len(begun), len(ended), len(hops)) == ((2, 1, 1) if queries else (1, 1, 0))


def test_a_view_that_reads_more_than_the_key_gets_a_loaded_user_from_its_second_request_on(pair, user, hops):
    handler = layers(Named.as_view())
    assert run(handler, asked(pair.access_token)).content.decode() == user.get_username()
    assert hops == []  # the loop has waited
    assert run(handler, asked(pair.access_token)).content.decode() == user.get_username()
    assert len(hops) == 1


class Slotted:
    __slots__ = ()

    async def __call__(self, request):
        return HttpResponse(request.user.get_username())


@dataclass
class OfDataClass:
    async def __call__(self, request):
        return HttpResponse(request.user.get_username())


@pytest.mark.parametrize("view", [Slotted(), OfDataClass()], ids=["no weak references", "no hash"])
def test_a_view_that_can_be_in_no_set_works_too(pair, user, monkeypatch, view):
    monkeypatch.setattr(middleware_base, "iscoroutinefunction", lambda call: True)
    for _ in range(2):
        assert run(layers(view), asked(pair.access_token)).content.decode() == user.get_username()
    request = asked(pair.access_token)
    request.resolver_match = ResolverMatch(view, (), {})
    assert JWTAuthentication().authenticate(request)[0].pk == user.pk
