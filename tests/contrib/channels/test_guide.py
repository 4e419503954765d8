"""The code in docs/how-to/websockets.md, except for that of the page, which tests/browser/test_websockets.py runs."""

import asyncio
import sys
import unittest
from types import ModuleType

import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from jwt_auth.revocation import revoke_session
from tests.support.docs import BLOCKS
from tests.support.uvicorn_server import at_uvicorn
from tests.support.websockets import ServedSocket, scope_of

pytestmark = pytest.mark.usefixtures("threads_connect", "mode")


def code(step):
    (found,) = [block.code for block in BLOCKS if block.step_in("websockets") == step]
    return found


def run_code(step):
    names = {"__name__": step}
    exec(compile(code(step), step, "exec"), names)
    return names


@pytest.fixture
def application_of(monkeypatch):
    def make(step):
        consumers: ModuleType = ModuleType("chat.consumers")
        exec(compile(code("chat/consumers.py"), "chat/consumers.py", "exec"), vars(consumers))
        monkeypatch.setitem(sys.modules, "chat", ModuleType("chat"))
        monkeypatch.setitem(sys.modules, "chat.consumers", consumers)
        return run_code(step)["application"]

    return make


def test_every_block_is_run():
    steps = {block.step_in("websockets") for block in BLOCKS if block.page.stem == "websockets"}
    assert steps == {
        "mysite/asgi.py",
        "chat/consumers.py",
        "chat/tests.py",
        "plain",
        "page",
        "use",
        "client",
        "by hand",
    }


@pytest.mark.parametrize("step", ["mysite/asgi.py", "plain"])
def test_the_applications_know_the_user_until_the_session_ends(run, user, tokens, application_of, step):
    application, name = application_of(step), user.get_username()

    async def scenario():
        headers = [("authorization", f"Bearer {tokens.access_token}")]
        socket = ServedSocket(application, scope_of(headers, path="/ws/chat/"))
        await socket.accepted()
        assert (await socket.asked({"text": "hello"})) == {"from": name, "text": "hello"}
        await sync_to_async(revoke_session)(tokens.session_id)
        assert (await socket.closed()) == (4401, "token_revoked")
        return await ServedSocket(application, scope_of(path="/ws/chat/")).refused()

    assert run(scenario)[0] == 401


def test_the_native_client_at_a_real_server(run, user, tokens, application_of):
    application, say = application_of("mysite/asgi.py"), run_code("client")["say"]

    async def scenario():
        async with at_uvicorn(application) as address:
            url = f"ws://{address}/ws/chat/"
            assert (await say(url, tokens.access_token, "hello")) == {"from": user.get_username(), "text": "hello"}
            with pytest.raises(InvalidStatus) as refused:
                await say(url, "x", "hello")
            assert refused.value.response.status_code == 401
            assert b"invalid_token" in refused.value.response.body
            async with connect(url, subprotocols=["jwt_auth", f"jwt_auth.bearer.{tokens.access_token}"]) as socket:
                assert socket.subprotocol == "jwt_auth"
                await sync_to_async(revoke_session)(tokens.session_id)
                with pytest.raises(ConnectionClosed):
                    await asyncio.wait_for(socket.recv(), 20)
                return socket.close_code, socket.close_reason

    assert run(scenario) == (4401, "token_revoked")


def test_the_tests_of_a_consumer(application_of, monkeypatch):
    pytest.importorskip("daphne")
    asgi = ModuleType("mysite.asgi")
    asgi.application = application_of("mysite/asgi.py")
    monkeypatch.setitem(sys.modules, "mysite", ModuleType("mysite"))
    monkeypatch.setitem(sys.modules, "mysite.asgi", asgi)
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(run_code("chat/tests.py")["ChatTests"])
    result = unittest.TestResult()
    tests.run(result)
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])
