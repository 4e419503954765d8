"""
The text of a token, verified as a request with it would be; its user; and the reason why it is refused.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import moment
from jwt_auth.conf import get_settings
from jwt_auth.conf.simplejwt import simplejwt_or_default
from jwt_auth.contrib.simplejwt.causes import AnotherTypeError, ExpiredAccessTokenError, as_errors_of_simplejwt
from jwt_auth.exceptions import (
    InactivePrincipalError,
    InvalidTokenError,
    MissingUserError,
    RevokedTokenError,
    StaleCredentialsError,
    UnavailableError,
)
from jwt_auth.models import UserSession
from jwt_auth.revocation.database import find_by_token, refusal_of, state_of
from jwt_auth.sessions.extensions import FormerContent, check_former, read_former
from jwt_auth.sessions.refresh_tokens import find, is_shaped_like_a_refresh_token, refuse_misuse, unsign
from jwt_auth.user_model import read_key, user_field, visible_users
from jwt_auth.verification import identify_only, verify

# Tokens that code of the project reads


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
            unsign(raw)
            raise AnotherTypeError("a refresh token")
        try:
            if not verifies:
                return identify_only(raw).all, None
            verified = verify(raw)
        except InvalidTokenError:
            if (content := read_former(raw)) is None or (verifies and content.is_access):
                raise
            if not content.is_access:
                raise AnotherTypeError("a refresh token of simplejwt") from None
            return content.claims, content.user
        if verified.one_time:
            raise InvalidTokenError("a single-use token, which only a request uses up")
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
    with as_errors_of_simplejwt():
        if not is_shaped_like_a_refresh_token(raw):
            refused = as_access_token(raw)
            if refused is not None and verifies:
                raise refused
            if refused is not None or read_former(raw) is not None:
                raise AnotherTypeError("an access token, or a sliding token")
        if verifies:
            return check_refresh_token(raw)
        session, _ = find(raw)
        if session is None:
            raise RevokedTokenError("there is no session of this handle")
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


# Refresh tokens, which are not rotated


@sensitive_variables("raw")
def check_refresh_token(raw: str) -> UserSession:
    """
    Raise the error that a refresh with a token of ours would raise, but change nothing. One query.

    Returns:
        The session of the token.
    """
    session, presented = find(raw)
    if session is None:
        raise MissingUserError("there is no session of this handle, maybe because its user was deleted")
    if refused := because_of_user_of(session) or refusal_of(session, timezone.now()):
        raise refused
    refuse_misuse(presented, session)
    return session


@sensitive_variables("raw")
def as_access_token(raw: str) -> InvalidTokenError | ExpiredAccessTokenError | None:
    """Return the reason why an access token, of ours or of simplejwt, is no refresh token; None for any other token."""
    content = None
    try:
        ends = identify_only(raw).exp
    except InvalidTokenError:
        with suppress(InvalidTokenError):
            content = read_former(raw)
        if content is None or content.is_exchanged:
            return None
        ends = content.claims["exp"]
    if moment(ends) <= timezone.now() - get_settings().LEEWAY:
        return ExpiredAccessTokenError("an access token, which has expired")
    return AnotherTypeError("an access token")


# Users


def user_of_claim(value: object) -> Any:
    """Return the user whose USER_ID_FIELD of SIMPLEJWT has the `value` of a claim; None if there is none. One query."""
    return _find(simplejwt_or_default().USER_ID_FIELD, str(value))


@sensitive_variables("raw")
def because_of_user(error: RevokedTokenError, raw: str) -> RevokedTokenError:
    """
    Return the error about the user of an access token of ours, if the user is its reason; otherwise `error`.

    A user who is deleted, or becomes inactive, or has a new password, is often noticed by the end of the sessions. At
    most two queries, for a refused token alone. If the database can't be asked, `error` is exact enough.
    """
    if type(error) is not RevokedTokenError:
        return error  # it is about the user already
    try:
        claims = identify_only(raw)
        with outage_is_unavailable():
            session = find_by_token(claims)
        if session is not None:
            return because_of_user_of(session) or error
        gone = _find(get_settings().USER_ID_FIELD, claims.sub) is None
        return MissingUserError(error.reason) if gone else error
    except (InvalidTokenError, UnavailableError):
        return error


def because_of_user_of(session: UserSession) -> RevokedTokenError | None:
    """Return the reason why the user of `session` can't use it, even if it has ended; None if there is none."""
    state = state_of(session)
    if not state.principal_active:
        return InactivePrincipalError("the user is inactive")
    return StaleCredentialsError("the password was changed since") if state.credentials_stale else None


def _find(name: str, text: str) -> Any:
    try:
        key = read_key(user_field(name), text)
    except FieldDoesNotExist:
        return None  # `manage.py check` reports the name
    if key is None:
        return None
    with outage_is_unavailable():
        return visible_users().filter(**{name: key}).first()
