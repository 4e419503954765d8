"""
The DRF authentication class.

DRF imports it while its own `views` are being imported, maybe before the apps are ready: this module
imports no model, and nothing that needs `rest_framework.views`.
"""

import logging
from typing import Any

from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from jwt_auth import transports
from jwt_auth.claims import Claims
from jwt_auth.exceptions import JWTAuthError, RefusedError, TokenError, UnavailableError
from jwt_auth.peer import client_address

logger = logging.getLogger("jwt_auth")


class JWTAuthentication(BaseAuthentication):
    """
    Authenticates `Authorization: Bearer <access token>`.

    `request.user` is the user, fresh from the database; `request.auth` is the token's `Claims`.
    """

    @sensitive_variables("raw")
    def authenticate(self, request: Request) -> tuple[Any, Claims] | None:
        # Imported here, because it needs the models.
        from jwt_auth.verification import verify

        try:
            raw = transports.bearer_token(request._request)
            if raw is None:
                return None
            # From here on the credentials are ours, and bad ones are refused instead of passed over.
            verified = verify(raw)
        except TokenError as error:
            address = client_address(request._request)
            logger.info("Token refused: %s.", error.reason, extra={"code": error.code, "ip_address": address})
            raise as_api_exception(error) from error
        except UnavailableError as error:
            logger.error("Token can't be verified: %s.", error)
            raise as_api_exception(error) from error
        return verified.user, verified.claims

    def authenticate_header(self, request: Request) -> str:
        return transports.challenge(token_presented=transports.is_bearer(request._request))


class Refused(drf.AuthenticationFailed):
    """401; DRF's handler makes WWW-Authenticate of `auth_header`."""

    auth_header: str


class ServiceUnavailable(drf.APIException):
    """503 with Retry-After: neither let in nor signed out."""

    status_code = 503
    wait = UnavailableError.retry_after  # DRF's handler makes Retry-After of it


def as_api_exception(error: JWTAuthError) -> drf.APIException:
    """A refusal or an outage as one that DRF answers whichever handler the project uses."""
    if isinstance(error, RefusedError):
        refused = Refused(error_body(error.detail, error.code), error.code)
        refused.auth_header = transports.challenge(token_presented=isinstance(error, TokenError))
        return refused
    return ServiceUnavailable(error_body(UnavailableError.detail, UnavailableError.code))


def error_body(detail: Any, code: str) -> dict[str, Any]:
    """The body of every error: a text for people and a stable code for machines."""
    return {"detail": detail, "code": code}
