"""
Convert the errors of this app to exceptions of DRF.

Each is an ordinary APIException whose `detail` is a text with a code, so exception handlers that know nothing of this
app find both, also by `get_codes()` and `get_full_details()`.
"""

from rest_framework import exceptions as drf

from jwt_auth import transports
from jwt_auth.exceptions import (
    BodyTooLargeError,
    CsrfError,
    GrantError,
    IdempotencyKeyError,
    InsufficientScopeError,
    InsufficientUserAuthenticationError,
    JWTAuthError,
    RefusedError,
    TokenError,
    UnavailableError,
    UnknownLimitsError,
)


class Refused(drf.AuthenticationFailed):
    """401. `auth_header` is sent as WWW-Authenticate; it has the code of a refused token, which the body may lack."""

    def __init__(self, error: RefusedError) -> None:
        super().__init__(str(error.detail), error.code)
        is_about_a_token = isinstance(error, TokenError)
        self._challenge = transports.challenge(
            token_presented=is_about_a_token, code=error.code if is_about_a_token else ""
        )

    @property
    def auth_header(self) -> str:
        return self._challenge

    @auth_header.setter
    def auth_header(self, value: str) -> None:
        """Do nothing. DRF sets the challenge of the view's first class, which doesn't know why another one refused."""


class Forbidden(drf.PermissionDenied):
    """403 for a token without a required scope. DRF's exception handler sends `auth_header` as WWW-Authenticate."""

    def __init__(self, error: InsufficientScopeError) -> None:
        super().__init__(str(error.detail), error.code)
        self.auth_header = transports.scope_challenge(error.scopes)


class SignInDemanded(drf.APIException):
    """
    401 for a sign-in that is too old or too weak (RFC 9470).

    Not an AuthenticationFailed: DRF turns that into 403 if the view's first authentication class has no challenge.
    """

    status_code = 401

    def __init__(self, error: InsufficientUserAuthenticationError) -> None:
        super().__init__(str(error.detail), error.code)
        self.auth_header = transports.sign_in_challenge(
            max_age=error.max_age, acr_values=error.acr_values, amr_values=error.amr_values
        )


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
        return SignInDemanded(error) if isinstance(error, InsufficientUserAuthenticationError) else Refused(error)
    if isinstance(error, InsufficientScopeError):
        return Forbidden(error)
    if isinstance(error, (CsrfError, UnknownLimitsError)):
        return drf.PermissionDenied(str(error.detail), error.code)
    if isinstance(error, BodyTooLargeError):
        return BodyTooLarge(str(error.detail), error.code)
    if isinstance(error, (GrantError, IdempotencyKeyError)):
        return drf.ParseError(str(error.detail), error.code)
    code = error.code if isinstance(error, UnavailableError) else UnavailableError.code
    return ServiceUnavailable(str(UnavailableError.detail), code)
