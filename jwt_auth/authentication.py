"""
The DRF authentication class.

DRF imports it while its own `views` are being imported, maybe before the apps are ready: this module
imports no model, and nothing that needs `rest_framework.views`.
"""

import logging
from typing import Any

from django.db import InterfaceError, OperationalError
from rest_framework import exceptions as drf
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from jwt_auth import transports
from jwt_auth.claims import Claims
from jwt_auth.exceptions import RefusedError, TokenError, UnavailableError

logger = logging.getLogger("jwt_auth")

# What Django raises when a database can't be reached or has no room; a mistake in a query is none of these.
OUTAGES = (UnavailableError, OperationalError, InterfaceError)


class JWTAuthentication(BaseAuthentication):
    """
    Authenticates `Authorization: Bearer <access token>`.

    `request.user` is the user, fresh from the database; `request.auth` is the token's `Claims`.
    """

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
            logger.info("Token refused: %s.", error.reason, extra={"code": error.code})
            raise as_api_exception(error) from error
        except OUTAGES as error:
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


def as_api_exception(error: Exception) -> drf.APIException:
    """An error of this app, or an outage, as one that DRF answers whichever handler the project uses."""
    if isinstance(error, RefusedError):
        refused = Refused(error_body(error.detail, error.code), error.code)
        refused.auth_header = transports.challenge(token_presented=isinstance(error, TokenError))
        return refused
    return ServiceUnavailable(error_body(UnavailableError.detail, UnavailableError.code))


def error_body(detail: Any, code: str) -> dict[str, Any]:
    """The body of every error: a text for people and a stable code for machines."""
    return {"detail": detail, "code": code}
