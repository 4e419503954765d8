"""
Tokens in the body of a request: each function does what one view is for, and refuses in the words of simplejwt.

Each raises TokenError if the token is refused, and an APIException (503) in an outage. Anything but a string counts as
an invalid token: a project's serializer may have found none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf

from jwt_auth import sessions, verification
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf import rules
from jwt_auth.conf.simplejwt import simplejwt_or_default
from jwt_auth.contrib.simplejwt.causes import REVOKED, ExpiredAccessTokenError, as_errors_of_simplejwt, is_revoked
from jwt_auth.contrib.simplejwt.reading import as_access_token, because_of_user_of, check_refresh_token
from jwt_auth.exceptions import (
    ExpiredTokenError,
    IdempotencyKeyError,
    InactivePrincipalError,
    InvalidTokenError,
    RevokedTokenError,
    TokenError as RefusedToken,
    UnavailableError,
)
from jwt_auth.http.logs import log_outage, log_refusal
from jwt_auth.sessions.extensions import check_former
from jwt_auth.sessions.refresh_tokens import find, is_shaped_like_a_refresh_token


@sensitive_variables()
def exchange(raw: object, request: HttpRequest | None, no_active_account: str | Promise) -> sessions.TokenPair:
    """
    Return the new tokens for a refresh token; `no_active_account` is the text for a user who may not sign in.

    Raises:
        AuthenticationFailed: if the user is inactive, or USER_AUTHENTICATION_RULE refuses the user.
    """
    token = _text_of_token(raw)
    peer = None if request is None else sessions.peer_of(request)
    retry_key = None if request is None else request.headers.get("Idempotency-Key")
    with _in_words_of_simplejwt(request):
        try:
            _ask_rule(token)
            return _refreshed(token, peer, retry_key)
        except InactivePrincipalError as error:
            log_refusal(error, request)
            raise drf.AuthenticationFailed(str(no_active_account), "no_active_account") from error
        except InvalidTokenError as error:
            raise as_access_token(token) or error from error


@sensitive_variables()
def refuse_invalid(raw: object, request: HttpRequest | None) -> None:
    """
    Accept a refresh token, or an access token, that a request could be sent with.

    Raises:
        ValidationError: if a refresh token was revoked, or was used before.
    """
    token = _text_of_token(raw)
    with _in_words_of_simplejwt(request):
        invalid: InvalidTokenError | None = None
        if not is_shaped_like_a_refresh_token(token):
            try:
                verification.verify(token)
                return
            except InvalidTokenError as error:
                invalid = error  # another package's refresh token is none of ours, too
        try:
            if invalid is None:
                _check(token)
            elif not check_former(token):
                raise invalid
        except RevokedTokenError as error:
            if not is_revoked(error):
                raise
            log_refusal(error, request)
            raise drf.ValidationError(REVOKED) from error


@sensitive_variables()
def end(raw: object, request: HttpRequest | None) -> None:
    """
    End the session of a refresh token.

    It ends also if the token is refused, because it was used before or has expired: only its owner, or a thief, has it.
    """
    token = _text_of_token(raw)
    with _in_words_of_simplejwt(request):
        # simplejwt does not sign out by an access token.
        refused = as_access_token(token) or _refusal_of_refresh_token(token)
        if isinstance(refused, InvalidTokenError | ExpiredAccessTokenError):
            raise refused
        sessions.end(token)
        # A user who may not sign in may still sign out.
        if isinstance(refused, ExpiredTokenError) or (refused is not None and is_revoked(refused)):
            raise refused


@sensitive_variables()
def _refreshed(token: str, peer: sessions.Peer | None, retry_key: str | None) -> sessions.TokenPair:
    """Refresh; an error names the user if the session has ended because of its user. One more query for an error."""
    try:
        return sessions.refresh(token, peer=peer, retry_key=retry_key)
    except RevokedTokenError as error:
        if is_shaped_like_a_refresh_token(token) and is_revoked(error):
            session, _ = find(token)
            raise (because_of_user_of(session) if session is not None else None) or error from error
        raise


def _text_of_token(raw: object) -> str:
    return raw if isinstance(raw, str) else ""


@contextmanager
def _in_words_of_simplejwt(request: HttpRequest | None) -> Iterator[None]:
    with as_errors_of_simplejwt():
        try:
            with outage_is_unavailable():
                yield
        except (RefusedToken, IdempotencyKeyError) as error:
            log_refusal(error, request)
            raise
        except UnavailableError as error:
            log_outage(error, request)
            raise


@sensitive_variables()
def _ask_rule(token: str) -> None:
    """Raise InactivePrincipalError if USER_AUTHENTICATION_RULE refuses the user of a refresh token. One query."""
    rule: Any = simplejwt_or_default().USER_AUTHENTICATION_RULE
    if rule is None or not is_shaped_like_a_refresh_token(token):
        return
    session, _ = find(token)
    allows = rules.import_callable(rule) if isinstance(rule, str) else rule
    if session is not None and not allows(session.user):
        raise InactivePrincipalError("USER_AUTHENTICATION_RULE refuses the user")


@sensitive_variables()
def _refusal_of_refresh_token(token: str) -> RefusedToken | None:
    """Return the reason why a refresh token, also one of another package, is refused; None if it is valid."""
    try:
        _check(token)
    except RefusedToken as error:
        return error
    return None


@sensitive_variables()
def _check(token: str) -> None:
    """Raise the error that a refresh with this token would raise, but change nothing. One query for our own."""
    if is_shaped_like_a_refresh_token(token) or not check_former(token):
        check_refresh_token(token)
