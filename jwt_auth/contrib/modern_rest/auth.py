"""
The classes for `auth`, each for asynchronous and for synchronous endpoints: the package requires separate classes.
"""

from abc import abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from dmr.headers import HeaderSpec
from dmr.metadata import EndpointMetadata, ResponseSpec, ResponseSpecProvider
from dmr.openapi.objects import SecurityScheme
from dmr.security import AsyncAuth, SyncAuth
from dmr.semantic_schema import SecurityProvider

from jwt_auth import transports
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.conf import get_settings
from jwt_auth.contrib.modern_rest.answers import answered
from jwt_auth.contrib.operations import OperationAuth

# The responses of the classes besides 401, which the package declares itself.
_ANSWERS = (
    (HTTPStatus.FORBIDDEN, "The request may be forged, or the token lacks a scope.", "WWW-Authenticate"),
    (HTTPStatus.SERVICE_UNAVAILABLE, "The token can't be checked at the moment.", "Retry-After"),
)


class _RestAuth(OperationAuth, ResponseSpecProvider, SecurityProvider):
    """The base of the four classes."""

    scheme_name: str

    @property
    def www_authenticate_challenge(self) -> str:
        return transports.challenge(token_presented=False)

    @abstractmethod
    def scheme(self) -> SecurityScheme: ...

    def security_schemes(self, metadata: EndpointMetadata, controller_cls: Any) -> dict[str, Any]:
        return {self.scheme_name: self.scheme()}

    def security_requirements(self, metadata: EndpointMetadata, controller_cls: Any) -> list[dict[str, list[str]]]:
        return [{self.scheme_name: []}]

    def provide_response_specs(
        self,
        metadata: EndpointMetadata,
        controller_cls: Any,
        existing_responses: Mapping[HTTPStatus, ResponseSpec],
    ) -> list[ResponseSpec]:
        """Declare the responses: the package refuses to send a response that is not declared."""
        own = [
            ResponseSpec(
                controller_cls.error_model,
                status_code=status,
                description=description,
                headers={header: HeaderSpec(skip_validation=True)},
            )
            for status, description, header in _ANSWERS
            if status not in existing_responses
        ]
        inherited = super().provide_response_specs  # type: ignore[safe-super]  # of a base that each class adds
        return [*inherited(metadata, controller_cls, existing_responses), *own]


class _InHeader(_RestAuth):
    authentication_class = JWTAuthentication
    scheme_name = "jwtAuth"

    def scheme(self) -> SecurityScheme:
        return SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")


class _InCookie(_RestAuth):
    authentication_class = JWTCookieAuthentication
    scheme_name = "jwtCookieAuth"

    def scheme(self) -> SecurityScheme:
        return SecurityScheme(type="apiKey", security_scheme_in="cookie", name=get_settings().COOKIE_ACCESS_NAME)


class _Synchronous(_RestAuth, SyncAuth):
    def __call__(self, endpoint: Any, controller: Any) -> Any:
        with answered(controller):
            return self if self.sign_in(controller.request) else None


class _Asynchronous(_RestAuth, AsyncAuth):
    async def __call__(self, endpoint: Any, controller: Any) -> Any:
        with answered(controller):
            return self if await self.asign_in(controller.request) else None


class AccessTokenSyncAuth(_InHeader, _Synchronous):
    """
    Authenticates `Authorization: Bearer <access token>` for synchronous endpoints.

    It sets `request.user`, `request.auser()`, which returns the loaded user, and `request.auth`, the token's `Claims`;
    see JWTUserMiddleware.

    A token that is limited to scopes is refused (403), unless a subclass overrides `accepts()`.
    """


class AccessTokenAsyncAuth(_InHeader, _Asynchronous):
    """Does the same as AccessTokenSyncAuth, for asynchronous endpoints."""


class AccessCookieSyncAuth(_InCookie, _Synchronous):
    """
    Authenticates an access token in its httpOnly cookie, as JWTCookieAuthentication does, for synchronous endpoints.

    A forged request is refused (403 `csrf_failed`). A cookie with an invalid or limited token is ignored.
    """


class AccessCookieAsyncAuth(_InCookie, _Asynchronous):
    """Does the same as AccessCookieSyncAuth, for asynchronous endpoints."""
