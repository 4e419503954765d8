"""
The ASGI messages that the middleware sends: refusals of handshakes, closes, and answers to renewals.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias, cast

from django.http import HttpRequest, JsonResponse

from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.contrib.channels.credentials import PROTOCOL
from jwt_auth.exceptions import InsufficientScopeError, JWTAuthError, RefusedError, UnavailableError
from jwt_auth.http.logs import log_outage, log_refusal
from jwt_auth.responses import error_response

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# Close codes for private use (RFC 6455 section 7.4.2): 4000 and the HTTP status of the same meaning.
UNAUTHORIZED, UNAVAILABLE = 4401, 4503

_DENIAL = "websocket.http.response"


async def refuse(scope: Mapping[str, Any], send: Send, request: HttpRequest, error: JWTAuthError) -> None:
    """Refuse a handshake by the HTTP response for `error`, or by 403 if the server can't send one; log the reason."""
    if isinstance(error, InsufficientScopeError):
        answer: Any = error_response(as_api_exception(error), request)
    else:
        answer = error_response(error, request)
    if _DENIAL not in (scope.get("extensions") or {}):
        await send(closing(error))
        return
    names = ("WWW-Authenticate", "Retry-After")
    headers = {name: answer[name] for name in names if name in answer} | {"Cache-Control": "no-store"}
    response = JsonResponse(answer.data, status=answer.status_code, headers=headers)
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": f"{_DENIAL}.start", "status": response.status_code, "headers": raw})
    await send({"type": f"{_DENIAL}.body", "body": response.content})


def closing(error: JWTAuthError) -> Message:
    """Return the message that closes a socket, with the reason."""
    return {"type": "websocket.close", "code": close_code(error), "reason": code_of(error)}


def disconnecting(error: JWTAuthError) -> Message:
    """Return the message that tells the application that the socket was closed."""
    return {"type": "websocket.disconnect", "code": close_code(error), "reason": code_of(error)}


def close_code(error: JWTAuthError) -> int:
    return UNAVAILABLE if isinstance(error, UnavailableError) else UNAUTHORIZED


def code_of(error: JWTAuthError) -> str:
    return cast("UnavailableError", error).code  # all errors that end sockets have a code


def text(**values: Any) -> Message:
    """Return the message that sends a JSON object."""
    return {"type": "websocket.send", "text": json.dumps(values)}


def log_end(error: JWTAuthError, request: HttpRequest) -> None:
    """Log why an open socket was closed, as a refused request is logged."""
    if isinstance(error, UnavailableError):
        log_outage(error, request)
    elif isinstance(error, RefusedError):
        log_refusal(error, request)


def answering(scope: Mapping[str, Any], send: Send) -> Send:
    """Wrap `send`: select our subprotocol if the client offered it and the application selects none."""
    if PROTOCOL not in scope["subprotocols"]:
        return send

    async def choose(message: Message) -> None:
        if message["type"] == "websocket.accept" and message.get("subprotocol") is None:
            message = {**message, "subprotocol": PROTOCOL}
        await send(message)

    return choose
