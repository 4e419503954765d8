"""
Every error of this app.

`ConfigurationError` is our fault, `UnavailableError` is an outage, and nearly all else is about what a client
sent. The client is told a stable `code` and a plain `detail`; the `reason`, which check failed and why, is for
the log alone.
"""

from collections.abc import Sequence
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


class RevocationUnavailableError(UnavailableError):
    """Raised when what this process knows about revocations is older than it may be, and can't be renewed."""

    code = "revocation_unavailable"


class DecryptionError(UnavailableError):
    """Raised when no key of ENCRYPTION_KEYS fits what is in the database: our fault, and no client's."""


class RegistrationError(JWTAuthError, ValueError):
    """
    Raised when a client or its key can't be what is asked for.

    The message is for people, and never shows a secret or a private key.
    """


class ReasonedError(JWTAuthError):
    """
    Root of what the client is told in general, and the log in particular. Not raised itself.

    Args:
        reason: what exactly is wrong; never shown to the client.
    """

    code: ClassVar[str]
    detail: ClassVar[str | Promise]

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CsrfError(ReasonedError):
    """Raised when a request that a cookie would authenticate may come from another site's page (403)."""

    code = "csrf_failed"
    detail = _("The request does not come from a page of this site.")


class InsufficientScopeError(JWTAuthError):
    """
    Raised when a token is good, but not for this (403; RFC 6750 section 3.1).

    Args:
        scopes: what it would have to have.
    """

    code: ClassVar[str] = "insufficient_scope"
    detail: ClassVar[str | Promise] = _("The token is not good for this.")

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(f"needs {' '.join(scopes)}")
        self.scopes = scopes


class BodyTooLargeError(JWTAuthError):
    """Raised when a body is larger than what may be held in memory to be compared with its digest (413)."""

    code: ClassVar[str] = "body_too_large"
    detail: ClassVar[str | Promise] = _("The body is too large to be compared with the digest in the token.")


class GrantError(ReasonedError):
    """Root of what a token endpoint answers with 400 (RFC 6749 section 5.2; RFC 8693 section 2.2.2). Not raised."""


class InvalidTargetError(GrantError):
    """Raised when whoever asks gets no tokens for that audience."""

    code = "invalid_target"
    detail = _("No token can be had for this audience.")


class InvalidScopeError(GrantError):
    """Raised when more is asked for than may be had, or what is asked for is no scope."""

    code = "invalid_scope"
    detail = _("This scope can't be had.")


class UnsupportedGrantTypeError(GrantError):
    """Raised for another `grant_type` than token exchange."""

    code = "unsupported_grant_type"
    detail = _("There is no such grant type.")


class RefusedError(ReasonedError):
    """Root of what is answered with 401. Not raised itself."""


class InvalidCredentialsError(RefusedError):
    """Raised when a sign-in fails, for whatever cause: the client can't tell which."""

    code = "invalid_credentials"
    detail = _("No active account was found with these credentials.")


class NoTokenError(RefusedError):
    """Raised when a request brings no token where it must."""

    code = "not_authenticated"
    detail = _("Authentication credentials were not provided.")


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


class RevokedKeyError(UnknownKeyError):
    """Raised when the key of that `kid` was taken back, and with it all that it signed."""

    code = "token_revoked"
    detail = _("The token has been revoked.")


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


class ReplayedTokenError(InvalidTokenError):
    """Raised when a token that is good for once comes a second time."""

    code = "token_replayed"
    detail = _("The token was used before.")


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
