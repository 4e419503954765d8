"""
Read the credential of a handshake, and remove it from the application's scope.

A client sends exactly one of these. A browser can send the last three only:

    header        Authorization: Bearer <access token>
    subprotocol   Sec-WebSocket-Protocol: jwt_auth, jwt_auth.bearer.<access token>
    ticket        Sec-WebSocket-Protocol: jwt_auth, jwt_auth.ticket.<ticket>
    cookie        the access cookie, from a page of this site

If there is one of the first three, the cookie is ignored. No token is read from the URL: proxies and servers log URLs,
and browsers keep them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from asgiref.sync import sync_to_async
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from jwt_auth import transports
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.authentication.handshake_tickets import HandshakeTicket, open_sealed
from jwt_auth.exceptions import CsrfError, MalformedTokenError
from jwt_auth.http.csrf import check
from jwt_auth.http.csrf_guard import provenance_of
from jwt_auth.http.logs import log_token_in_url
from jwt_auth.verification import Verified

# The subprotocol in the answer. A browser fails the connection if it has offered subprotocols, and none is selected.
PROTOCOL = "jwt_auth"

_PREFIX = "jwt_auth."
_BEARER, _TICKET = "jwt_auth.bearer.", "jwt_auth.ticket."
_HEADER = b"sec-websocket-protocol"

# Names that other packages use for a token in the URL.
_NAMES_IN_URLS = frozenset(("token", "access_token", "jwt"))
_MAX_QUERY = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An access token that is not verified yet, and the WebSocket ticket that it was in, if any."""

    access_token: str = field(repr=False)
    ticket: HandshakeTicket | None = None

    async def use_up(self, verified: Verified) -> None:
        """
        Use up the ticket, or a single-use token. Call this after all other checks.

        A single-use token in a ticket was used up when the ticket was issued.

        Raises:
            ReplayedTokenError: when it was used before.
            UnavailableError: when the record of used tickets and tokens can't be asked.
        """
        if self.ticket is not None:
            await sync_to_async(self.ticket.use_up)()
        elif verified.one_time:
            await sync_to_async(JWTAuthentication().record_use)(verified.claims)


@sensitive_variables("raw")
def from_ticket(raw: str) -> Credential:
    """Return the credential in a ticket; raise TokenError if the ticket is not valid."""
    ticket = open_sealed(raw)
    return Credential(access_token=ticket.access_token, ticket=ticket)


def without_secrets(scope: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a copy of `scope` without the subprotocols that contain a secret, and these subprotocols."""
    offered = [str(name) for name in scope.get("subprotocols") or ()]
    secrets = [name for name in offered if _is_secret(name)]
    headers = [
        (name, b", ".join(_public(value)) if bytes(name).lower() == _HEADER else value)
        for name, value in scope.get("headers") or ()
    ]
    kept = [(name, value) for name, value in headers if value or bytes(name).lower() != _HEADER]
    return {**scope, "headers": kept, "subprotocols": [name for name in offered if not _is_secret(name)]}, secrets


def _is_secret(name: str) -> bool:
    return name.strip().lower().startswith(_PREFIX)


def _public(header: bytes) -> list[bytes]:
    names = [name.strip() for name in bytes(header).split(b",")]
    return [name for name in names if name and not _is_secret(name.decode("latin-1"))]


def credential_of(request: HttpRequest, secrets: list[str]) -> Credential | None:
    """
    Return the credential of a handshake, None if it has none.

    Raises:
        TokenError: when it has several credentials, or a malformed one, or an invalid ticket.
        CsrfError: when it has the cookie, and its `Origin` is not of this site or is missing.
    """
    _warn_of_url(request)
    bearer = transports.bearer_token(request)
    if len(secrets) + (bearer is not None) > 1:
        raise MalformedTokenError("the handshake has several credentials")
    if secrets:
        return _in_subprotocol(secrets[0])
    token = _cookie(request) if bearer is None else bearer
    return None if token is None else Credential(access_token=token)


@sensitive_variables()
def _in_subprotocol(name: str) -> Credential:
    if name.startswith(_BEARER):
        return Credential(access_token=name.removeprefix(_BEARER))
    if name.startswith(_TICKET):
        return from_ticket(name.removeprefix(_TICKET))
    raise MalformedTokenError(f"a subprotocol begins with {_PREFIX!r}, and holds neither a token nor a ticket")


def _cookie(request: HttpRequest) -> str | None:
    """
    Return the access token in the cookie.

    Any page can begin a handshake; the browser sends the cookie with it, and lets the page read the messages. SameSite
    does not protect against sibling hosts, and CORS does not apply to WebSockets. So `Origin` decides, in each
    CSRF_MODE: browsers send it with each handshake (RFC 6455 section 10.2).
    """
    raw = transports.access_cookie(request)
    if raw is None:
        return None
    try:
        sent = provenance_of(request)
    except DisallowedHost as error:
        raise CsrfError(f"the host is not allowed: {error}") from error
    check(replace(sent, fetch_site=None), by_cookie=True)
    return raw


def _warn_of_url(request: HttpRequest) -> None:
    query = request.META.get("QUERY_STRING", "")[:_MAX_QUERY]
    if query and not _NAMES_IN_URLS.isdisjoint(name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)):
        warn_of_token_in_url()


@cache
def warn_of_token_in_url() -> None:
    """Log once per process that clients send tokens in URLs."""
    log_token_in_url()
