"""
Every error of this app.

Two roots, two faults: `ConfigurationError` is ours, `RefusedError` is about what a client sent.
A refusal tells the client a stable `code` and a plain `detail`; its `reason`, which check failed
and why, is for the log alone.
"""

from typing import ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class JWTAuthError(Exception):
    """Root of all errors of this app. Not raised itself."""


class ConfigurationError(JWTAuthError, ImproperlyConfigured):
    """
    Raised when the settings, a key or a callable named in the settings can't be used.

    Args:
        id: of the system check that names the fault, without the app's label.
        message: what is wrong.
        hint: how to mend it.
    """

    def __init__(self, id: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint} (jwt_auth.{id})")
        self.id, self.message, self.hint = id, message, hint


class UnavailableError(JWTAuthError):
    """Raised when the truth can't be asked: the request is neither let in nor signed out (503)."""

    code: ClassVar[str] = "unavailable"
    detail: ClassVar[str | Promise] = _("The service is temporarily unavailable. Try again.")
    retry_after: ClassVar[int] = 1  # seconds, for Retry-After (RFC 9110 section 10.2.3)


class RefusedError(JWTAuthError):
    """
    Root of what is answered with 401. Not raised itself.

    Args:
        reason: which check failed, for the log; never shown to the client.
    """

    code: ClassVar[str]
    detail: ClassVar[str | Promise]

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidCredentialsError(RefusedError):
    """Raised when a sign-in fails, for whatever cause: the client can't tell which."""

    code = "invalid_credentials"
    detail = _("No active account was found with these credentials.")


class TokenError(RefusedError):
    """Root of every refused token. Not raised itself."""

    code = "invalid_token"
    detail = _("The token is invalid.")


class InvalidTokenError(TokenError):
    """Raised for a token that was never good here. Narrower classes say why."""


class MalformedTokenError(InvalidTokenError):
    """Raised when the text isn't a token at all: length, alphabet, segments, JSON."""


class UntrustedIssuerError(InvalidTokenError):
    """Raised when no trusted issuer has the name in `iss`."""


class UnknownKeyError(InvalidTokenError):
    """Raised when the issuer has no key of that `kid`, or none for that use."""


class InvalidSignatureError(InvalidTokenError):
    """Raised when the signature, or the algorithm it claims, is not the key's."""


class InvalidClaimError(InvalidTokenError):
    """
    Raised when a claim is missing, of the wrong type, or not for us.

    Args:
        claim: the claim's name.
        problem: what is wrong with it.
    """

    def __init__(self, claim: str, problem: str) -> None:
        super().__init__(f"claim {claim!r} {problem}")
        self.claim = claim


class ExpiredTokenError(TokenError):
    """Raised for a token, or a session, whose time is over."""

    code = "token_expired"
    detail = _("The token has expired.")


class RevokedTokenError(TokenError):
    """Raised for a token that was taken back, directly or with its session, user or key."""

    code = "token_revoked"
    detail = _("The token has been revoked.")


class RefreshTokenReusedError(RevokedTokenError):
    """Raised when a refresh token comes a second time outside the grace period."""

    code = "refresh_token_reused"
    detail = _("The refresh token was used before. The session has been ended.")
