"""With the real Channels: consumers, routers, and the middleware of Channels around and inside ours."""

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.test import Client
from django.urls import path

from jwt_auth.contrib.channels import JWTWebSocketMiddleware
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session
from tests.support.websockets import ORIGIN, ServedSocket, scope_of

pytestmark = pytest.mark.usefixtures("threads_connect", "mode")


class Chat(AsyncJsonWebsocketConsumer):
    left: list[int] = []

    async def connect(self):
        await self.accept()

    async def receive_json(self, content):
        user = self.scope["user"]
        await self.send_json({"user": user.get_username() or "nobody", "said": content})

    async def disconnect(self, code):
        self.left.append(code)


class SyncChat(WebsocketConsumer):
    left: list[int] = []

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=f"{self.scope['user'].get_username()}: {text_data}")

    def disconnect(self, code):
        self.left.append(code)


ROUTES = URLRouter([path("ws/chat/<room>/", Chat.as_asgi()), path("ws/sync/", SyncChat.as_asgi())])
STACKS = {
    "alone": JWTWebSocketMiddleware(ROUTES),
    "inside": AllowedHostsOriginValidator(AuthMiddlewareStack(JWTWebSocketMiddleware(ROUTES))),
    "around": JWTWebSocketMiddleware(AuthMiddlewareStack(ROUTES)),
}


def socket_at(application, raw, url="/ws/chat/one/", *, headers=()):
    offered = [] if raw is None else ["jwt_auth", f"jwt_auth.bearer.{raw}"]
    scope = scope_of([("origin", ORIGIN), *headers], offered, path=url)
    return ServedSocket(ProtocolTypeRouter({"websocket": application}), scope)


@pytest.mark.parametrize("stack", STACKS)
def test_consumers_know_the_user_until_the_session_ends(run, user, tokens, stack):
    async def scenario():
        Chat.left.clear()
        socket = socket_at(STACKS[stack], tokens.access_token)
        assert (await socket.accepted())["subprotocol"] == "jwt_auth"
        assert await socket.asked({"text": "hello"}) == {"user": user.get_username(), "said": {"text": "hello"}}
        renewal = {"type": "jwt_auth.renew", "token": tokens.access_token}
        assert (await socket.asked(renewal))["type"] == "jwt_auth.renewed"
        await sync_to_async(revoke_session)(tokens.session_id)
        return await socket.closed()

    assert run(scenario) == (4401, "token_revoked")
    assert Chat.left == [4401]


def test_synchronous_consumers(run, user, tokens):
    async def scenario():
        SyncChat.left.clear()
        socket = socket_at(STACKS["alone"], tokens.access_token, "/ws/sync/")
        await socket.accepted()
        assert await socket.asked("hello") == f"{user.get_username()}: hello"
        await sync_to_async(revoke_session)(tokens.session_id)
        return await socket.closed()

    assert run(scenario) == (4401, "token_revoked")
    assert SyncChat.left == [4401]


def test_where_no_token_is_required_the_user_of_an_outer_middleware_counts(run, make_user, tokens):
    bob = make_user("bob")
    browser = Client()
    browser.force_login(bob)
    cookie = ("cookie", f"sessionid={browser.cookies['sessionid'].value}")
    application = AuthMiddlewareStack(JWTWebSocketMiddleware(ROUTES, required=False))

    async def said_by(raw, *headers):
        socket = socket_at(application, raw, headers=headers)
        await socket.accepted()
        said = await socket.asked({"text": "hello"})
        socket.leave()
        await socket.returned()
        return said["user"]

    async def scenario():
        return await said_by(None, cookie), await said_by(tokens.access_token, cookie), await said_by(None)

    alice = UserSession.objects.get(pk=tokens.session_id).user
    assert run(scenario) == (bob.get_username(), alice.get_username(), "nobody")


def test_a_refused_handshake_reaches_no_consumer(run, tokens):
    async def scenario():
        return await socket_at(STACKS["inside"], "x").refused()

    assert run(scenario)[0] == 401
