"""
The classes for `auth`: `NinjaAPI(auth=[AccessTokenAuth(), AccessCookieAuth()])`.
"""

import asyncio
from collections.abc import Awaitable

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security.base import AuthBase
from rest_framework.exceptions import APIException

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.contrib.operations import OperationAuth


class RefusedOperationError(HttpError):
    """A refusal that ninja answers with its status and text, also without `handle_errors`."""

    def __init__(self, error: APIException) -> None:
        super().__init__(error.status_code, str(error.detail))
        self.error = error


class _NinjaAuth(OperationAuth, AuthBase):
    def __init__(self) -> None:
        super().__init__()
        self.is_async = True  # ninja then calls this on the loop, and awaits the result

    def __call__(self, request: HttpRequest) -> Claims | Awaitable[Claims | None] | None:
        return self._aauthenticated(request) if _is_on_loop() else self._authenticated(request)

    def _authenticated(self, request: HttpRequest) -> Claims | None:
        try:
            return self.sign_in(request)
        except APIException as error:
            raise RefusedOperationError(error) from error

    async def _aauthenticated(self, request: HttpRequest) -> Claims | None:
        try:
            return await self.asign_in(request)
        except APIException as error:
            raise RefusedOperationError(error) from error


class AccessTokenAuth(_NinjaAuth):
    """
    Authenticates `Authorization: Bearer <access token>`.

    It sets `request.user`, `request.auser()`, which returns the loaded user, and `request.auth`, the token's `Claims`;
    see JWTUserMiddleware.

    A token that is limited to scopes is refused (403), unless a subclass overrides `accepts()`.
    """

    authentication_class = JWTAuthentication

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_bearerFormat = "JWT"  # noqa: N815  # ninja makes the keys of its schema from these names


class AccessCookieAuth(_NinjaAuth):
    """
    Authenticates an access token in its httpOnly cookie, as JWTCookieAuthentication does.

    A forged request is refused (403 `csrf_failed`). A cookie with an invalid or limited token is ignored.
    """

    authentication_class = JWTCookieAuthentication

    openapi_type = "apiKey"
    openapi_in = "cookie"

    def __init__(self) -> None:
        self.openapi_name = get_settings().COOKIE_ACCESS_NAME
        super().__init__()


def _is_on_loop() -> bool:
    """Return whether ninja awaits the result: it calls synchronous operations in threads without an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
