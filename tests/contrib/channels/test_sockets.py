"""Open sockets: revocation in each phase, renewal, and the ends of either side, after which no task is left."""

import asyncio
import json
from contextlib import contextmanager, suppress
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from jwt_auth import sessions
from jwt_auth.authentication import handshake_tickets
from jwt_auth.authentication.handshake_tickets import HandshakeTicket
from jwt_auth.contrib.channels import JWTWebSocketMiddleware, socket as sockets
from jwt_auth.contrib.channels.messages import closing
from jwt_auth.contrib.channels.renewal import MAX_ATTEMPTS, MAX_REFUSALS, Attempts
from jwt_auth.exceptions import RevocationUnavailableError, UnavailableError
from jwt_auth.revocation import revoke_session, revoke_token, revoke_user
from jwt_auth.verification import identify_only
from jwt_auth.watching import Watch, watch
from tests.support.outages import down
from tests.support.uvicorn_server import at_uvicorn
from tests.support.websockets import ServedSocket, scope_of

pytestmark = pytest.mark.usefixtures("threads_connect", "mode")


def bearer(raw):
    return [("authorization", f"Bearer {raw}")]


def ticket_of(raw):
    return handshake_tickets.issue(raw, identify_only(raw).expires_at).sealed()


def seconds_left(raw):
    return int(identify_only(raw).exp - timezone.now().timestamp())


@contextmanager
def nobody_answers():
    """No query of any thread is answered."""
    with mock.patch.object(CursorWrapper, "execute", down):
        yield


def renewal(token):
    return {"type": "jwt_auth.renew", "token": token}


def refreshed(tokens):
    return sessions.refresh(tokens.refresh_token)


@pytest.fixture
def run_alone(run):
    """Run a scenario, after which no task is left but those of the watcher, and no error was swallowed."""

    def run_it(scenario):
        async def main():
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
            others = asyncio.all_tasks()
            result = await scenario()
            left = {task for task in asyncio.all_tasks() - others if "Watcher" not in repr(task)}
            return result, left

        noise = []
        result, left = run(main)
        assert (left, noise) == (set(), [])
        return result

    return run_it


def revoke_the_token(user, tokens):
    revoke_token(identify_only(tokens.access_token))


def revoke_its_session(user, tokens):
    revoke_session(tokens.session_id)


def revoke_its_user(user, tokens):
    revoke_user(user)


def delete_its_user(user, tokens):
    user.delete()


@pytest.mark.parametrize("revoke", [revoke_the_token, revoke_its_session, revoke_its_user, delete_its_user])
def test_a_revocation_closes_the_socket(run_alone, served, echo, user, tokens, revoke):
    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        assert await socket.asked("before") == "echo: 'before'"
        await sync_to_async(revoke)(user, tokens)
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_revoked")
    assert echo.disconnected == [(4401, "token_revoked")]


def test_other_sockets_stay_open(run_alone, served, make_user, tokens):
    other = sessions.start(make_user("bob"), transport="bearer")

    async def scenario():
        mine, theirs = served(bearer(tokens.access_token)), served(bearer(other.access_token))
        await mine.accepted()
        await theirs.accepted()
        await sync_to_async(revoke_session)(tokens.session_id)
        assert await mine.closed() == (4401, "token_revoked")
        assert await theirs.asked("still") == "echo: 'still'"
        theirs.leave()
        await theirs.returned()

    run_alone(scenario)


def test_expiry_closes_the_socket(run_alone, served, user, clock):
    raw = sessions.start(user, transport="bearer").access_token

    async def scenario():
        socket = served(bearer(raw))
        await socket.accepted()
        clock.shift(3600)
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_expired")


@pytest.mark.parametrize("direction", ["to the application", "to the client"])
def test_no_message_passes_before_the_watcher_has_noticed(run_alone, user, clock, direction):
    """The loop was blocked, and the next thing that happens is a message."""
    raw, heard, go_on = sessions.start(user, transport="bearer").access_token, [], asyncio.Event()

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        if direction == "to the client":
            await go_on.wait()
            await send({"type": "websocket.send", "text": "secret"})
        heard.append(await receive())

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(raw)))
        await socket.accepted()
        clock.shift(3600)
        go_on.set()
        socket.send("late")
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_expired")
    assert [message["type"] for message in heard] == ["websocket.disconnect"]


@pytest.mark.parametrize("denial", [True, False])
def test_a_revocation_before_the_application_accepts(run_alone, tokens, denial):
    reached, go_on, heard = asyncio.Event(), asyncio.Event(), []

    async def application(scope, receive, send):
        await receive()
        reached.set()
        await go_on.wait()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "secret"})
        heard.append(await receive())

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token), denial=denial))
        await reached.wait()
        await sync_to_async(revoke_session)(tokens.session_id)
        first = await socket.got()
        go_on.set()
        await socket.returned()
        return first

    message = run_alone(scenario)
    if denial:
        assert (message["type"], message["status"]) == ("websocket.http.response.start", 401)
    else:
        assert message == {"type": "websocket.close", "code": 4401, "reason": "token_revoked"}
    assert heard == [{"type": "websocket.disconnect", "code": 4401, "reason": "token_revoked"}]


def test_an_application_that_ignores_the_end_is_cancelled(run_alone, tokens, monkeypatch):
    monkeypatch.setattr(sockets, "PATIENCE", 0.01)
    ended = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await asyncio.sleep(0)
                await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        await socket.accepted()
        await sync_to_async(revoke_session)(tokens.session_id)
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_revoked")
    assert ended == ["cancelled"]


def test_an_error_of_the_application_is_the_server_s(run_alone, tokens):
    async def application(scope, receive, send):
        await receive()
        raise RuntimeError("of the application")

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        with pytest.raises(RuntimeError, match="of the application"):
            await socket.returned()
        assert socket.nothing_more()

    run_alone(scenario)


def test_a_server_that_shuts_down_cancels_the_application(run_alone, served, echo, tokens):
    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        socket.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await socket.returned()

    run_alone(scenario)
    assert echo.disconnected == []


def test_a_server_that_fails_to_read_ends_the_application(run_alone, tokens):
    async def receive():
        await asyncio.sleep(0)
        raise ConnectionError("of the server")

    async def application(scope, receive, send):
        await receive()

    async def scenario():
        middleware = JWTWebSocketMiddleware(application)
        with pytest.raises(ConnectionError, match="of the server"):
            await middleware(scope_of(bearer(tokens.access_token)), receive, receive)

    run_alone(scenario)


def test_a_client_that_has_left_is_not_told(run_alone, tokens, log):
    """Servers raise an error for a message to a client that has left."""
    left = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        left.append(await receive())

    async def receive():
        if not left and not received:
            received.append(1)
            return {"type": "websocket.connect"}
        return await asyncio.Event().wait()

    async def send(message):
        if message["type"] != "websocket.accept":
            raise OSError("client left")
        accepted.set()

    received, accepted = [], asyncio.Event()

    async def scenario():
        middleware = JWTWebSocketMiddleware(application)
        task = asyncio.ensure_future(middleware(scope_of(bearer(tokens.access_token)), receive, send))
        await accepted.wait()
        await sync_to_async(revoke_session)(tokens.session_id)
        await task

    run_alone(scenario)
    assert [message["code"] for message in left] == [4401]


def test_an_end_after_the_application_has_closed_sends_nothing(run_alone, tokens):
    closed, heard = asyncio.Event(), []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        closed.set()
        heard.append(await receive())
        heard.append(await receive())

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        await socket.accepted()
        assert (await socket.got())["code"] == 1000
        await closed.wait()
        await sync_to_async(revoke_session)(tokens.session_id)
        await socket.returned()
        assert socket.nothing_more()

    run_alone(scenario)
    assert [message["code"] for message in heard] == [4401, 4401]


def test_binary_frames_and_large_texts_pass(run_alone, served, tokens):
    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        socket.send_bytes(b'{"type": "jwt_auth.renew"}')
        assert await socket.said() == 'echo: b\'{"type": "jwt_auth.renew"}\''
        others = [
            '{"type": "jwt_auth.renew", ' + " " * 20_000 + "}",
            '{"type": "jwt_auth.renew"',
            '["jwt_auth.renew"]',
            '{"type": "other", "name": "jwt_auth.renew"}',
            "[" * 10_000 + '"jwt_auth.renew"',
        ]
        for other in others:
            assert await socket.asked(other) == f"echo: {other!r}"
        socket.leave()
        await socket.returned()

    run_alone(scenario)


def test_a_revocation_while_the_server_accepts(run_alone, tokens):
    """The close comes after the acceptance, which takes a while."""
    sent, accepting, go_on = [], asyncio.Event(), asyncio.Event()

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "secret"})

    async def receive():
        if not sent and not accepting.is_set():
            return {"type": "websocket.connect"}
        return await asyncio.Event().wait()

    async def send(message):
        if message["type"] == "websocket.accept":
            accepting.set()
            await go_on.wait()
        sent.append(message["type"])

    async def scenario():
        middleware = JWTWebSocketMiddleware(application)
        task = asyncio.ensure_future(middleware(scope_of(bearer(tokens.access_token)), receive, send))
        await accepting.wait()
        await sync_to_async(revoke_session)(tokens.session_id)
        await asyncio.sleep(0.1)
        go_on.set()
        await task

    run_alone(scenario)
    assert sent == ["websocket.accept", "websocket.close"]


def test_what_waits_for_the_application_is_dropped_at_the_end(run_alone, tokens):
    reached, go_on, heard = asyncio.Event(), asyncio.Event(), []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        reached.set()
        await go_on.wait()
        heard.append((await receive())["type"])

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        await socket.accepted()
        await reached.wait()
        for _ in range(3):
            socket.send("waits")
        await sync_to_async(revoke_session)(tokens.session_id)
        message = await socket.got()
        go_on.set()
        await socket.returned()
        return message["code"]

    assert run_alone(scenario) == 4401
    assert heard == ["websocket.disconnect"]


@pytest.mark.parametrize("on_stale", ["deny", "allow_safe_methods"])
def test_when_the_revocations_can_not_be_read(run_alone, served, tokens, jwt_settings, ticks, log, on_stale):
    jwt_settings(REVOCATION_ON_STALE=on_stale)

    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        with nobody_answers():
            ticks.forward(100)
            if on_stale == "allow_safe_methods":
                assert await socket.asked("held") == "echo: 'held'"
                socket.leave()
                return await socket.returned()
            return await socket.closed()

    code = run_alone(scenario)
    assert code == ((4503, "revocation_unavailable") if on_stale == "deny" else None)
    assert ("unavailable" in [record.event for record in log()]) is (on_stale == "deny")


# Renewal


@pytest.mark.parametrize("by", ["token", "ticket"])
def test_a_renewal_keeps_the_socket_open(run_alone, served, echo, user, clock, by):
    tokens = sessions.start(user, transport="bearer")

    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        before = echo.scope["claims"]
        clock.shift(200)
        raw = (await sync_to_async(refreshed)(tokens)).access_token
        answer = await socket.asked(renewal(raw if by == "token" else ticket_of(raw)))
        assert answer == {"type": "jwt_auth.renewed", "expires_in": seconds_left(raw)}
        clock.shift(200)
        assert await socket.asked("still") == "echo: 'still'"
        assert echo.scope["claims"].exp > before.exp
        assert echo.scope["watch"].verified.claims == echo.scope["claims"]
        clock.shift(3600)
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_expired")
    assert echo.heard == ["still"]


def test_a_renewal_does_not_wait_for_the_application(run_alone, tokens):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        await socket.accepted()
        answer = await socket.asked(renewal(tokens.access_token))
        socket.task.cancel()
        await asyncio.wait([socket.task])
        return answer["type"]

    assert run_alone(scenario) == "jwt_auth.renewed"


def test_refused_renewals(run_alone, served, echo, user, make_user, tokens):
    theirs = sessions.start(make_user("bob"), transport="bearer")
    own_other = sessions.start(user, transport="bearer")
    bad = [theirs.access_token, own_other.access_token, ticket_of(theirs.access_token), tokens.refresh_token, "a.b.c",
           "", None, 1, ["x"], {}]  # fmt: skip

    async def scenario():
        for token in bad:
            socket = served(bearer(tokens.access_token))
            await socket.accepted()
            assert await socket.asked(renewal(token)) == {"type": "jwt_auth.refused", "code": "invalid_token"}
            assert await socket.asked({"type": "jwt_auth.renew"}) == {
                "type": "jwt_auth.refused",
                "code": "invalid_token",
            }
            socket.send(renewal(token))
            assert await socket.closed() == (4401, "invalid_token")

    run_alone(scenario)
    assert echo.heard == []
    assert {scope["claims"].sid for scope in echo.scopes} == {tokens.session_id.hex}
    assert MAX_REFUSALS == 3


def test_a_ticket_that_was_used_before_closes_the_socket(run_alone, served, tokens):
    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        ticket = ticket_of(tokens.access_token)
        assert (await socket.asked(renewal(ticket)))["type"] == "jwt_auth.renewed"
        socket.send(renewal(ticket))
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_replayed")


def test_a_ticket_whose_use_cannot_be_recorded_leaves_the_socket_with_its_present_token(
    run_alone, served, echo, user, tokens, monkeypatch
):
    def unavailable(self):
        raise UnavailableError("the record of used tickets is gone")

    async def scenario():
        later = (await sync_to_async(refreshed)(tokens)).access_token
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        with monkeypatch.context() as patched:
            patched.setattr(HandshakeTicket, "use_up", unavailable)
            for _ in range(MAX_REFUSALS + 1):  # none of which counts as a guess
                answer = await socket.asked(renewal(ticket_of(later)))
                assert answer == {"type": "jwt_auth.refused", "code": "unavailable"}
        watching = echo.scope["watch"]
        assert watching.verified.claims.jti == identify_only(tokens.access_token).jti
        assert await socket.asked("hello") == "echo: 'hello'"
        assert (await socket.asked(renewal(ticket_of(later))))["type"] == "jwt_auth.renewed"  # the control
        assert watching.verified.claims.jti == identify_only(later).jti
        await sync_to_async(revoke_user)(user)
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_revoked")


def test_a_present_token_expires_if_no_renewal_could_be_recorded(run_alone, served, user, monkeypatch, clock):
    tokens = sessions.start(user, transport="bearer")

    def unavailable(self):
        raise UnavailableError("the record of used tickets is gone")

    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        monkeypatch.setattr(HandshakeTicket, "use_up", unavailable)
        clock.shift(seconds_left(tokens.access_token) - 5)
        ticket = ticket_of((await sync_to_async(refreshed)(tokens)).access_token)
        assert (await socket.asked(renewal(ticket)))["code"] == "unavailable"
        clock.shift(60)
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_expired")


def test_a_flood_of_renewals_closes_the_socket(run_alone, served, tokens):
    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        for _ in range(MAX_ATTEMPTS):
            assert (await socket.asked(renewal(tokens.access_token)))["type"] == "jwt_auth.renewed"
        socket.send(renewal(tokens.access_token))
        return await socket.closed()

    assert run_alone(scenario) == (4401, "invalid_token")


def test_a_renewal_in_an_outage_is_no_guess(run_alone, served, tokens, monkeypatch):
    async def unavailable(self, raw, now=None, *, confirm):
        raise UnavailableError("the database is gone")

    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        with monkeypatch.context() as patched:
            patched.setattr(Watch, "arenew", unavailable)
            for _ in range(MAX_REFUSALS + 1):
                answer = await socket.asked(renewal(tokens.access_token))
                assert answer == {"type": "jwt_auth.refused", "code": "unavailable"}
        assert (await socket.asked(renewal(tokens.access_token)))["type"] == "jwt_auth.renewed"
        socket.leave()
        await socket.returned()

    run_alone(scenario)


def test_a_revoked_socket_is_not_renewed(run_alone, served, user, tokens):
    async def scenario():
        socket = served(bearer(tokens.access_token))
        await socket.accepted()
        await sync_to_async(revoke_user)(user)
        return await socket.closed()

    assert run_alone(scenario) == (4401, "token_revoked")


def test_attempts_are_counted_by_the_minute():
    attempts = Attempts()
    assert [attempts.are_too_many(i) for i in range(MAX_ATTEMPTS)] == [False] * MAX_ATTEMPTS
    assert attempts.are_too_many(10.0)
    assert not attempts.are_too_many(70.1)
    assert [attempts.refused() for _ in range(3)] == [False, False, True]


def test_a_close_has_a_reason_that_fits_in_a_frame():
    assert closing(RevocationUnavailableError("x")) == {
        "type": "websocket.close",
        "code": 4503,
        "reason": "revocation_unavailable",
    }
    assert len(json.dumps(closing(RevocationUnavailableError("x"))["reason"])) < 123


# What the application gets


async def listening(scope, receive, send):
    """Stand for an application that keeps what it hears in its scope."""
    scope["state"]["heard"] = heard = []
    await receive()
    await send({"type": "websocket.accept"})
    while not heard or heard[-1]["type"] != "websocket.disconnect":
        heard.append(await receive())


def test_a_read_that_is_cancelled_loses_no_message(run_alone, tokens, monkeypatch):
    """Applications read with a timeout, and the check of a message may have to wait for the database."""
    heard, checking, go_on = [], asyncio.Event(), asyncio.Event()
    acheck = Watch.acheck

    async def check(self, now=None):
        checking.set()
        await go_on.wait()
        await acheck(self, now)

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        monkeypatch.setattr(Watch, "acheck", check)
        reading = asyncio.ensure_future(receive())
        await checking.wait()
        reading.cancel()
        await asyncio.wait([reading])
        go_on.set()
        heard.extend([(await receive())["text"], (await receive())["text"], (await receive())["type"]])

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        await socket.accepted()
        socket.send("one")
        socket.send("two")
        socket.leave()
        await socket.returned()

    run_alone(scenario)
    assert heard == ["one", "two", "websocket.disconnect"]


def test_two_readers_both_learn_of_the_end(run_alone, tokens):
    codes = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        codes.extend(message["code"] for message in await asyncio.gather(receive(), receive()))

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        await socket.accepted()
        await sync_to_async(revoke_session)(tokens.session_id)
        await socket.closed()

    run_alone(scenario)
    assert codes == [4401, 4401]


def test_a_client_may_renew_before_the_server_has_said_that_it_accepts(run_alone, tokens):
    messages, sent, state = asyncio.Queue(), [], {}
    messages.put_nowait({"type": "websocket.connect"})

    async def send(message):
        sent.append(message)
        if message["type"] == "websocket.accept":
            text = json.dumps(renewal(tokens.access_token))
            messages.put_nowait({"type": "websocket.receive", "text": text})
            await asyncio.sleep(0.05)
        else:
            messages.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def scenario():
        scope = scope_of(bearer(tokens.access_token), state=state)
        await asyncio.wait_for(JWTWebSocketMiddleware(listening)(scope, messages.get, send), 5)

    run_alone(scenario)
    assert [message["type"] for message in state["heard"]] == ["websocket.disconnect"]
    assert "jwt_auth.renewed" in sent[-1]["text"]


def test_a_renewal_after_the_application_has_closed_is_dropped(run_alone, tokens):
    state = {}

    async def application(scope, receive, send):
        async def close_too(message):
            await send(message)
            await send({"type": "websocket.close", "code": 1000})

        await listening(scope, receive, close_too)

    async def scenario():
        scope = scope_of(bearer(tokens.access_token), state=state)
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope)
        await socket.accepted()
        assert (await socket.got())["code"] == 1000
        socket.send(renewal(tokens.access_token))
        socket.leave()
        await socket.returned()
        assert socket.nothing_more()

    run_alone(scenario)
    assert [message["type"] for message in state["heard"]] == ["websocket.disconnect"]


def test_no_application_runs_if_its_token_can_not_be_watched(run_alone, served, echo, tokens, monkeypatch):
    """As where each tenant has tables of its own."""
    monkeypatch.setattr(watch, "has_tenants", lambda: True)

    async def scenario():
        socket = served(bearer(tokens.access_token))
        with pytest.raises(RuntimeError, match="one tenant"):
            await socket.returned()
        socket.send("hello")
        await asyncio.sleep(0.05)
        assert socket.nothing_more()

    run_alone(scenario)
    assert echo.scopes == []


# The connection to the database


def test_connections_are_treated_as_in_a_request(run_alone, served, tokens, monkeypatch):
    """A WebSocket is no request, so Django would use a connection that the server has closed again and again."""
    closed = []

    def close(self):
        closed.append("closed")

    async def unavailable(self, raw, now=None, *, confirm):
        raise UnavailableError("the database is gone")

    async def scenario():
        with monkeypatch.context() as patched:
            patched.setattr(BaseDatabaseWrapper, "close_if_unusable_or_obsolete", close)
            await served(bearer("x")).refused()
            assert closed == []
            socket = served(bearer(tokens.access_token))
            await socket.accepted()
            assert closed
            with monkeypatch.context() as without_answers:
                without_answers.setattr(Watch, "arenew", unavailable)
                closed.clear()
                assert (await socket.asked(renewal(tokens.access_token)))["code"] == "unavailable"
                assert closed
            socket.leave()
            await socket.returned()
            closed.clear()
            with nobody_answers():
                assert (await served(bearer(tokens.access_token)).refused())[0] == 503
            assert closed

    run_alone(scenario)


def test_an_application_that_only_sends_does_not_block_the_loop_after_the_end(run_alone, tokens, monkeypatch):
    monkeypatch.setattr(sockets, "PATIENCE", 0.05)
    started, ended = asyncio.Event(), []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        started.set()
        try:
            for _ in range(1_000_000):
                await send({"type": "websocket.send", "text": "more"})
            ended.append("never stopped")
        finally:
            ended.append("over")

    async def scenario():
        sent, connected = [], [{"type": "websocket.connect"}]

        async def send(message):
            sent.append(message["type"])
            await asyncio.sleep(0.001)

        async def receive():
            return connected.pop() if connected else await asyncio.Event().wait()

        middleware = JWTWebSocketMiddleware(application)
        task = asyncio.ensure_future(middleware(scope_of(bearer(tokens.access_token)), receive, send))
        await started.wait()
        await sync_to_async(revoke_session)(tokens.session_id)
        await task
        return sent[-1]

    assert run_alone(scenario) == "websocket.close"
    assert ended == ["over"]


@pytest.mark.parametrize("end", ["the client leaves", "the session ends"])
def test_an_application_that_only_reads_does_not_block_the_loop_after_the_end(run_alone, tokens, monkeypatch, end):
    monkeypatch.setattr(sockets, "PATIENCE", 0.05)
    heard = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while len(heard) < 1_000_000:
            heard.append((await receive())["type"])

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        await socket.accepted()
        if end == "the session ends":
            await sync_to_async(revoke_session)(tokens.session_id)
            return await socket.closed()
        socket.leave()
        await asyncio.sleep(0.05)
        assert not socket.task.done()
        socket.task.cancel()
        await asyncio.wait([socket.task])
        return None

    run_alone(scenario)
    assert set(heard) == {"websocket.disconnect"}
    assert (len(heard) == 1) == (end == "the client leaves")


class SlowClient:
    """The server's `send` for a client that reads no message: it waits before it writes, as uvicorn's does."""

    def __init__(self):
        self.written, self.asked, self.can_write = [], asyncio.Event(), asyncio.Event()

    async def send(self, message):
        if message["type"] == "websocket.send":
            self.asked.set()
            await self.can_write.wait()
        self.written.append(message["type"])


@pytest.mark.parametrize("is_revoked", [True, False], ids=["the session ends", "the client reads again"])
@pytest.mark.parametrize("waits", ["a message", "an answer"])
def test_what_waits_for_a_slow_client_is_abandoned_at_the_end(run_alone, tokens, waits, is_revoked):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        if waits == "a message":
            await send({"type": "websocket.send", "text": "secret"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def scenario():
        client, to_application = SlowClient(), asyncio.Queue()
        to_application.put_nowait({"type": "websocket.connect"})
        middleware, scope = JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token))
        task = asyncio.ensure_future(middleware(scope, to_application.get, client.send))
        while not client.written:
            await asyncio.sleep(0.01)
        if waits == "an answer":
            to_application.put_nowait({"type": "websocket.receive", "text": json.dumps(renewal(tokens.access_token))})
        await asyncio.wait_for(client.asked.wait(), 20)
        if is_revoked:
            await sync_to_async(revoke_session)(tokens.session_id)
            while "websocket.close" not in client.written:
                await asyncio.sleep(0.01)
        client.can_write.set()
        to_application.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(task, 20)
        return client.written

    last = "websocket.close" if is_revoked else "websocket.send"
    assert run_alone(scenario) == ["websocket.accept", last]


@pytest.mark.parametrize("is_revoked", [True, False], ids=["the session ends", "the client reads again"])
def test_at_a_real_server_the_message_that_waits_is_not_sent(run_alone, tokens, is_revoked):
    begun, can_stop, has_stopped = [], asyncio.Event(), asyncio.Event()

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while not can_stop.is_set():
            begun.append(len(begun))
            await send({"type": "websocket.send", "text": f"{begun[-1]:<100000}"})
        has_stopped.set()

    async def a_message_waits():
        before = None
        while begun != before:
            before = list(begun)
            for _ in range(50):  # server and client have this loop, too
                await asyncio.sleep(0.01)

    async def scenario():
        got, options = [], {"max_queue": 1, "compression": None, "ping_interval": None}
        options["additional_headers"] = {"Authorization": f"Bearer {tokens.access_token}"}
        async with (
            at_uvicorn(JWTWebSocketMiddleware(application)) as address,
            connect(f"ws://{address}/", **options) as client,
        ):
            await a_message_waits()
            can_stop.set()
            if is_revoked:
                await sync_to_async(revoke_session)(tokens.session_id)
                await asyncio.wait_for(has_stopped.wait(), 20)
            with suppress(ConnectionClosed):
                while True:
                    got.append(int(await asyncio.wait_for(client.recv(), 20)))
        return got

    assert run_alone(scenario) == (begun[:-1] if is_revoked else begun)


def test_a_message_that_waits_ends_with_the_call_that_sent_it(run_alone, tokens):
    """As a consumer's, whose task is cancelled."""
    sent = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(send({"type": "websocket.send", "text": "slow"}), 0.05)
        sent.append("given up")

    async def scenario():
        client, to_application = SlowClient(), asyncio.Queue()
        to_application.put_nowait({"type": "websocket.connect"})
        scope = scope_of(bearer(tokens.access_token))
        await JWTWebSocketMiddleware(application)(scope, to_application.get, client.send)
        client.can_write.set()
        await asyncio.sleep(0)
        return client.written

    assert run_alone(scenario) == ["websocket.accept"]
    assert sent == ["given up"]


def test_an_application_may_refuse_the_handshake_with_a_response(run_alone, tokens):
    response = [
        {"type": "websocket.http.response.start", "status": 409, "headers": []},
        {"type": "websocket.http.response.body", "body": b"full"},
    ]

    async def application(scope, receive, send):
        for message in response:
            await send(message)

    async def scenario():
        passed, to_application = asyncio.Queue(), asyncio.Queue()
        to_application.put_nowait({"type": "websocket.connect"})
        scope = scope_of(bearer(tokens.access_token), denial=True)
        await JWTWebSocketMiddleware(application)(scope, to_application.get, passed.put)
        return [passed.get_nowait() for _ in response]

    assert run_alone(scenario) == response


def test_a_message_that_the_server_gives_up_is_not_taken_for_one_that_was_sent(run_alone, tokens):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        with pytest.raises(asyncio.CancelledError):
            await send({"type": "websocket.send", "text": "lost"})

    async def scenario():
        async def send(message):
            if message["type"] == "websocket.send":
                raise asyncio.CancelledError

        to_application = asyncio.Queue()
        to_application.put_nowait({"type": "websocket.connect"})
        await JWTWebSocketMiddleware(application)(scope_of(bearer(tokens.access_token)), to_application.get, send)

    run_alone(scenario)


def test_an_error_of_the_server_reaches_the_application(run_alone, tokens):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "to nobody"})

    async def scenario():
        async def send(message):
            if message["type"] == "websocket.send":
                raise OSError("the client has left")

        to_application = asyncio.Queue()
        to_application.put_nowait({"type": "websocket.connect"})
        with pytest.raises(OSError, match="the client has left"):
            await JWTWebSocketMiddleware(application)(scope_of(bearer(tokens.access_token)), to_application.get, send)

    run_alone(scenario)


def test_a_close_does_not_overtake_a_message(run_alone, tokens):
    """Servers raise an error for a message after the close."""

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.gather(
            send({"type": "websocket.send", "text": "1"}),
            send({"type": "websocket.send", "text": "2"}),
            send({"type": "websocket.close", "code": 1000}),
        )

    async def scenario():
        socket = ServedSocket(JWTWebSocketMiddleware(application), scope_of(bearer(tokens.access_token)))
        await socket.accepted()
        kinds = [(await socket.got())["type"] for _ in range(3)]
        await socket.returned()
        return kinds

    assert run_alone(scenario) == ["websocket.send", "websocket.send", "websocket.close"]
