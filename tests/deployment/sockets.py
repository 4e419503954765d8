"""An ASGI application with WebSockets: below /open/ for anybody, elsewhere for the users of tokens."""

from tests.deployment import asynchronous  # sets Django up

from jwt_auth.contrib.channels import JWTWebSocketMiddleware  # isort: skip


async def echo(scope, receive, send):
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "websocket.send", "text": message["text"]})


for_users = JWTWebSocketMiddleware(echo)


async def application(scope, receive, send):
    if scope["type"] == "http":
        chosen = asynchronous.application
    else:
        chosen = echo if scope["path"] == "/open/" else for_users
    await chosen(scope, receive, send)
