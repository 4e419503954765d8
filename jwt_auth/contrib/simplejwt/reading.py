"""
Read the text of a token, and verify it as a request with it would be. Errors are those of simplejwt.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.contrib.simplejwt.exceptions import TokenError
from jwt_auth.exceptions import (
    ExpiredTokenError,
    InvalidTokenError,
    RevokedTokenError,
    TokenError as TokenRefusedError,
    UnavailableError,
)
from jwt_auth.models import UserSession
from jwt_auth.revocation import database
from jwt_auth.sessions import refresh_tokens
from jwt_auth.sessions.extensions import FormerContent, check_former, read_former
from jwt_auth.sessions.refresh_tokens import is_shaped_like_a_refresh_token
from jwt_auth.verification import identify_only, verify

INVALID, EXPIRED, BLACKLISTED = _("Token is invalid"), _("Token is expired"), _("Token is blacklisted")
OTHER_TYPE = _("Token has wrong type")


@sensitive_variables("raw")
def read_access_token(raw: str, *, verifies: bool = True) -> tuple[Mapping[str, Any], Any]:
    """
    Return the claims of an access token, and its user.

    Args:
        verifies: False for a token that may have expired, or be revoked; it has no user then.

    Raises:
        TokenError: if the token is refused. A single-use token is, since only a request can use it up.
        ServiceUnavailable: of DRF, if the database can't be asked.
    """
    with as_errors_of_simplejwt():
        if is_shaped_like_a_refresh_token(raw):
            refresh_tokens.unsign(raw)
            raise TokenError(OTHER_TYPE)
        try:
            if not verifies:
                return identify_only(raw).all, None
            verified = verify(raw)
        except InvalidTokenError:
            if (content := read_former(raw)) is None or (verifies and content.is_access):
                raise
            if not content.is_access:
                raise TokenError(OTHER_TYPE) from None
            return content.claims, content.user
    if verified.one_time:
        raise TokenError(INVALID)
    return verified.claims.all, verified.user


@sensitive_variables("raw")
def read_refresh_token(raw: str, *, verifies: bool = True) -> UserSession:
    """
    Return the session of a refresh token, which is not rotated.

    Args:
        verifies: False for a token whose session may have ended.

    Raises:
        TokenError: if the token is refused.
        ServiceUnavailable: of DRF, if the database can't be asked.
    """
    if not is_shaped_like_a_refresh_token(raw):
        read_access_token(raw, verifies=verifies)
        raise TokenError(OTHER_TYPE)
    with as_errors_of_simplejwt():
        session, presented = refresh_tokens.find(raw)
        if session is None:
            raise TokenError(BLACKLISTED)
        if verifies:
            if refusal := database.refusal_of(session, timezone.now()):
                raise refusal
            refresh_tokens.refuse_misuse(presented, session)
    return session


@sensitive_variables("raw")
def read_former_token(raw: str, *, verifies: bool = True) -> FormerContent | None:
    """
    Return what is in a refresh token that simplejwt itself has issued, and that is accepted for a while; None for any
    other token.

    Args:
        verifies: False for a token that may have expired, or was revoked.

    Raises:
        TokenError: if an exchange for a session is refused.
        ServiceUnavailable: of DRF, if the database can't be asked.
    """
    if is_shaped_like_a_refresh_token(raw):
        return None
    with as_errors_of_simplejwt():
        content = read_former(raw)
        if content is None or content.is_access:
            return None
        if verifies:
            check_former(raw)
    return content


@contextmanager
def as_errors_of_simplejwt() -> Iterator[None]:
    """Raise the refusals of the block as TokenError, and its outages as an error of DRF."""
    try:
        with outage_is_unavailable():
            yield
    except TokenRefusedError as error:
        raise as_token_error(error) from error
    except UnavailableError as error:
        raise as_api_exception(error) from error


def as_token_error(error: TokenRefusedError) -> TokenError:
    """Return the error of simplejwt for a refused token."""
    if isinstance(error, ExpiredTokenError):
        return TokenError(EXPIRED)
    return TokenError(BLACKLISTED if isinstance(error, RevokedTokenError) else INVALID)
