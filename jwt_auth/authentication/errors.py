"""
Convert the errors of this app to exceptions of DRF.
"""

from typing import Any

from rest_framework import exceptions as drf

from jwt_auth import transports
from jwt_auth.exceptions import (
    BodyTooLargeError,
    CsrfError,
    GrantError,
    IdempotencyKeyError,
    InsufficientScopeError,
    JWTAuthError,
    RefusedError,
    TokenError,
    UnavailableError,
)


class Refused(drf.AuthenticationFailed):
    """401. DRF's exception handler sends `auth_header` as WWW-Authenticate."""

    auth_header: str


class Forbidden(drf.PermissionDenied):
    """403. DRF's exception handler sends `auth_header` as WWW-Authenticate."""

    auth_header: str


class BodyTooLarge(drf.APIException):
    """413 (RFC 9110 section 15.5.14)."""

    status_code = 413


class ServiceUnavailable(drf.APIException):
    """503 with Retry-After: the client is neither let in nor signed out."""

    status_code = 503
    wait = UnavailableError.retry_after  # DRF's exception handler sends it as Retry-After


def as_api_exception(error: JWTAuthError) -> drf.APIException:
    """Return an error as an exception that DRF answers with any exception handler of the project."""
    if isinstance(error, RefusedError):
        refused = Refused(error_body(error.detail, error.code), error.code)
        refused.auth_header = transports.challenge(token_presented=isinstance(error, TokenError))
        return refused
    if isinstance(error, CsrfError):
        return drf.PermissionDenied(error_body(error.detail, error.code), error.code)
    if isinstance(error, InsufficientScopeError):
        forbidden = Forbidden(error_body(error.detail, error.code), error.code)
        forbidden.auth_header = transports.scope_challenge(error.scopes)
        return forbidden
    if isinstance(error, BodyTooLargeError):
        return BodyTooLarge(error_body(error.detail, error.code), error.code)
    if isinstance(error, (GrantError, IdempotencyKeyError)):
        return drf.ParseError(error_body(error.detail, error.code), error.code)
    code = error.code if isinstance(error, UnavailableError) else UnavailableError.code
    return ServiceUnavailable(error_body(UnavailableError.detail, code))


def error_body(detail: Any, code: str) -> dict[str, Any]:
    """Return the body of an error response: a text for people, and a stable code for machines."""
    return {"detail": detail, "code": code}
