"""The guide about streams and long tasks is run: its code under Django's handler for ASGI, with both modes."""

import asyncio
import json
import sys
from types import ModuleType

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings
from django.urls import path

from jwt_auth import sessions
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import ExpiredTokenError, InvalidTokenError, RevokedTokenError
from jwt_auth.revocation import revoke_session
from jwt_auth.watching import watcher
from tests.support.docs import BLOCKS

pytestmark = pytest.mark.usefixtures("threads_connect", "mode")


@pytest.fixture
def guide(monkeypatch):
    """`guide(name)` returns a module of the guide, for a project that has prices."""
    prices = ModuleType("mysite.prices")
    monkeypatch.setitem(sys.modules, "mysite", ModuleType("mysite"))
    monkeypatch.setitem(sys.modules, "mysite.prices", prices)
    prices.prices = some_prices

    def load(name):
        module = ModuleType(name)
        (block,) = (block for block in BLOCKS if block.how == f"test: long-lived mysite/{name}.py")
        exec(compile(block.code, str(block), "exec"), vars(module))
        return module

    return load


async def some_prices(user_pk):
    """The key of the user, and then nothing for a long time."""
    yield str(user_pk)
    await asyncio.sleep(60)


def test_a_task_stops_between_two_steps(guide, pair):
    written = []

    def write(order):
        written.append(order)
        if order == 3:
            revoke_session(pair.session_id)

    with pytest.raises(RevokedTokenError):
        guide("exports").export(pair.access_token, range(10), write)
    assert written == [0, 1, 2, 3]
    with pytest.raises(RevokedTokenError):
        guide("exports").export(pair.access_token, range(10), write)


def test_a_task_stops_when_its_token_expires(clock, guide, pair):
    with pytest.raises(ExpiredTokenError):
        guide("exports").export(pair.access_token, range(10), lambda order: clock.shift(100))


def request(token, by_cookie):
    name = get_settings().COOKIE_ACCESS_NAME
    credential = (b"cookie", f"{name}={token}") if by_cookie else (b"authorization", f"Bearer {token}")
    headers = [(credential[0], credential[1].encode()), (b"host", b"testserver")]
    return {"type": "http", "method": "GET", "path": "/prices/", "headers": headers, "query_string": b""}


@pytest.fixture
def connect(guide):
    """`connect(token)` sends a request to the view of the guide, and returns the connection."""
    urls = ModuleType("guide_urls")
    urls.urlpatterns = [path("prices/", guide("streams").price_events)]

    async def open_connection(token, *, by_cookie=False):
        connection = ApplicationCommunicator(ASGIHandler(), request(token, by_cookie))
        await connection.send_input({"type": "http.request", "body": b""})
        return connection

    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[]):
        yield open_connection


@pytest.mark.parametrize("by_cookie", [False, True])
def test_a_stream_of_events_ends_with_the_session(run, connect, user, pair, by_cookie):
    async def hold():
        connection = await connect(pair.access_token, by_cookie=by_cookie)
        start = await connection.receive_output(10)
        first = await connection.receive_output(10)
        await sync_to_async(revoke_session)(pair.session_id)
        reason, last = await connection.receive_output(10), await connection.receive_output(10)
        await connection.wait(10)
        return start["status"], first["body"], reason["body"], last

    status, first, reason, last = run(hold())
    assert (status, first) == (200, f'data: "{user.pk}"\n\n'.encode())
    assert reason == b'event: ended\ndata: {"code": "token_revoked"}\n\n'
    assert (last.get("body", b""), last.get("more_body", False)) == (b"", False)


def test_a_token_for_other_scopes_opens_no_stream(run, connect, pair, monkeypatch):
    """The control is the test above."""
    monkeypatch.setattr(Claims, "is_limited", True)

    async def refused():
        connection = await connect(pair.access_token)
        start = await connection.receive_output(10)
        body = await connection.receive_output(10)
        await connection.wait(10)
        return start["status"], json.loads(body["body"])["code"]

    assert run(refused()) == (403, "insufficient_scope")


def test_a_stream_whose_client_goes_away_leaves_no_watch(run, connect, pair):
    async def hold():
        connection = await connect(pair.access_token)
        await connection.receive_output(10)
        await connection.receive_output(10)
        held = len(watcher.watcher()._waiting)
        await connection.send_input({"type": "http.disconnect"})
        await connection.wait(10)
        for _ in range(10):
            await asyncio.sleep(0.01)
        return held, len(watcher.watcher()._waiting)

    assert run(hold()) == (1, 0)


def test_a_stream_is_refused_like_any_request(run, connect, pair):
    revoke_session(pair.session_id)

    async def hold():
        connection = await connect(pair.access_token)
        start, body = await connection.receive_output(10), await connection.receive_output(10)
        await connection.wait(10)
        return start["status"], body["body"]

    status, body = run(hold())
    assert status == 401
    assert b"token_revoked" in body


def test_a_stream_of_grpc_ends_with_the_reason(run, guide, pair, user):
    async def messages():
        yield 1
        yield 2
        await sync_to_async(revoke_session)(pair.session_id)
        await asyncio.sleep(60)

    seen = []

    async def hold():
        async for message in guide("updates").updates({"authorization": f"Bearer {pair.access_token}"}, messages()):
            seen.append(message)  # noqa: PERF401  # those before the end count

    with pytest.raises(RevokedTokenError):
        run(hold())
    assert seen == [1, 2]


def test_a_stream_of_grpc_that_is_complete_ends_well(run, guide, pair):
    async def messages():
        yield 1

    async def hold(token):
        return [item async for item in guide("updates").updates({"authorization": f"Bearer {token}"}, messages())]

    assert run(hold(pair.access_token)) == [1]
    with pytest.raises(InvalidTokenError):
        run(hold(sessions.refresh(pair.refresh_token).access_token[:-4] + "AAAA"))
