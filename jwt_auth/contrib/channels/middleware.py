"""
The ASGI middleware that authenticates WebSockets.
"""

from collections.abc import Iterable, MutableMapping
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from jwt_auth import transports
from jwt_auth._django.connections import aclose_old
from jwt_auth._django.handshakes import request_of
from jwt_auth.authentication.missing import explain_missing_token
from jwt_auth.claims import Claims
from jwt_auth.contrib.channels.credentials import Credential, credential_of, without_secrets
from jwt_auth.contrib.channels.messages import answering, refuse
from jwt_auth.contrib.channels.socket import Socket
from jwt_auth.exceptions import (
    CsrfError,
    InsufficientScopeError,
    NoTokenError,
    TokenError,
    UnavailableError,
)
from jwt_auth.http.logs import log_refusal
from jwt_auth.watching import Watch


class JWTWebSocketMiddleware:
    """
    Authenticates the handshakes of WebSockets, and closes each socket when its token is no longer good.

    It adds to the scope: `user`, which is loaded; `claims`; `session_id`; and `watch`, whose `verified.claims` are the
    claims of the newest token. Without a credential the last three are None. Scopes of other types pass unchanged.

    Args:
        inner: the ASGI application, such as a router of Channels.
        required: refuse handshakes without a credential. If False, their user is that of an outer middleware, or
            AnonymousUser; an invalid token in the cookie is ignored, and every other invalid credential is refused.
        scopes: the scopes that a limited token needs; see `Claims.is_limited`. If empty, no limited token is accepted,
            because applications check the user only.
    """

    def __init__(self, inner: Any, *, required: bool = True, scopes: Iterable[str] = ()) -> None:
        self.inner = inner
        self.required = required
        self.scopes = (scopes,) if isinstance(scopes, str) else tuple(scopes)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self.inner(scope, receive, send)
            return
        scope, secrets = without_secrets(scope)
        send = answering(scope, send)
        request = request_of(scope)
        try:
            watch = await self._authenticated(scope, request, secrets)
        except (TokenError, NoTokenError, CsrfError, InsufficientScopeError, UnavailableError) as error:
            if isinstance(error, UnavailableError):
                await aclose_old()
            await receive()  # "websocket.connect": a server may accept no answer before it
            await refuse(scope, send, request, error)
            return
        if watch is None:
            await self.inner(scope, receive, send)
            return
        limits = self.check_limits
        await Socket(self.inner, scope, receive, send, watch=watch, request=request, check_limits=limits).run()

    def check_limits(self, claims: Claims) -> None:
        """Raise InsufficientScopeError if a valid token may not open a socket here."""
        if claims.is_limited and (not self.scopes or not claims.scopes.issuperset(self.scopes)):
            raise InsufficientScopeError(self.scopes)

    async def _authenticated(self, scope: dict[str, Any], request: HttpRequest, secrets: list[str]) -> Watch | None:
        """Set the scope's user, claims and session, and return their watch; None for an anonymous socket."""
        try:
            credential = credential_of(request, secrets)
            if credential is not None:
                return await self._verified(scope, credential)
            if self.required:
                explain_missing_token(request, by_cookie=True)
                raise NoTokenError("the handshake has no token")
        except TokenError as error:
            if self.required or secrets or transports.is_bearer(request):
                raise
            log_refusal(error, request)
        scope.setdefault("user", AnonymousUser())
        scope.update(claims=None, session_id=None, watch=None)
        return None

    async def _verified(self, scope: dict[str, Any], credential: Credential) -> Watch:
        watch = await Watch.averify(credential.access_token, load_user=False)
        claims = watch.verified.claims
        self.check_limits(claims)
        user = await watch.verified.auser()
        await credential.use_up(watch.verified)
        await aclose_old()
        scope.update(user=user, claims=claims, session_id=claims.session_id, watch=watch)
        return watch
