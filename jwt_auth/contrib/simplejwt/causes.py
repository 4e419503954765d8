"""
The errors of this app in the words of simplejwt, which clients and tests of a project compare.

Its clients know a few texts and codes only. The log has the exact reason, as for all other views.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.contrib.simplejwt.exceptions import ExpiredTokenError as OfExpired, InvalidToken, TokenError
from jwt_auth.exceptions import (
    ExpiredTokenError,
    IdempotencyKeyError,
    InactivePrincipalError,
    InvalidTokenError,
    JWTAuthError,
    MissingUserError,
    RevokedTokenError,
    StaleCredentialsError,
    TokenError as RefusedToken,
    UnavailableError,
)

EXPIRED, INVALID = _("Token is expired"), _("Token is invalid")
REVOKED, OF_ANOTHER_TYPE = _("Token is blacklisted"), _("Token has wrong type")

# The errors about the user of a token, each with its text and its code.
_ABOUT_USERS: dict[type[RefusedToken], tuple[str | Promise, str]] = {
    MissingUserError: (_("User not found"), "user_not_found"),
    InactivePrincipalError: (_("User is inactive"), "user_inactive"),
    StaleCredentialsError: (_("The user's password has been changed."), "password_changed"),
}


class AnotherTypeError(InvalidTokenError):
    """Raised for a token of ours that is not of the type that is asked for."""


class ExpiredAccessTokenError(ExpiredTokenError):
    """Raised for an expired access token where a refresh token is asked for."""


def text_of(error: RefusedToken) -> str | Promise:
    """Return the text for the reason why a token was refused."""
    if isinstance(error, ExpiredTokenError):
        return EXPIRED
    if isinstance(error, AnotherTypeError):
        return OF_ANOTHER_TYPE
    return REVOKED if isinstance(error, RevokedTokenError) else INVALID


def is_revoked(error: RefusedToken) -> bool:
    """Return whether a token was revoked or used up, and not refused because of its user."""
    return isinstance(error, RevokedTokenError) and type(error) not in _ABOUT_USERS


def refusal(error: JWTAuthError) -> APIException:
    """Return the exception for an access token that does not authenticate a request; 503 in an outage."""
    if not isinstance(error, RefusedToken):
        return as_api_exception(error)
    for kind, (detail, code) in _ABOUT_USERS.items():
        if isinstance(error, kind):
            return InvalidToken(detail, code=code)
    reason = {"token_class": "AccessToken", "token_type": "access", "message": text_of(error)}
    return InvalidToken({"detail": _("Given token not valid for any token type"), "messages": [reason]})


def as_token_error(error: RefusedToken) -> TokenError:
    """Return the error of simplejwt's token classes for a token that is refused."""
    return (OfExpired if isinstance(error, ExpiredTokenError) else TokenError)(text_of(error))


@contextmanager
def as_errors_of_simplejwt() -> Iterator[None]:
    """Raise the refusals of the block as simplejwt's TokenError, and its other errors as those of DRF."""
    try:
        with outage_is_unavailable():
            yield
    except RefusedToken as error:
        raise as_token_error(error) from error
    except (IdempotencyKeyError, UnavailableError) as error:
        raise as_api_exception(error) from error
