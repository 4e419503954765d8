"""
Convert the handshake of a WebSocket to a request of Django, so that all rules for requests apply to it.

A handshake is a GET request (RFC 6455 section 4.1), but Django makes requests from scopes of the type "http" only.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

_SCHEMES = {"ws": "http", "wss": "https"}


def request_of(scope: Mapping[str, Any]) -> HttpRequest:
    """Return a request with the headers of a scope of the type "websocket". It has no body."""
    scheme = scope.get("scheme", "ws")
    handshake = {**scope, "type": "http", "method": "GET", "scheme": _SCHEMES.get(scheme, scheme)}
    return ASGIRequest(handshake, BytesIO())
