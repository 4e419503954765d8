"""
The exceptions of this app.

`ConfigurationError` is a fault of the server, `UnavailableError` is an outage, and nearly all others are about a
client's request. The client receives a stable `code` and a plain `detail`. The `reason` says which check failed and
why; it is only for the log.
"""

from collections.abc import Sequence
from typing import ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

__all__ = [
    "ConfigurationError",
    "ExpiredTokenError",
    "GrantError",
    "IdempotencyKeyError",
    "InsufficientUserAuthenticationError",
    "InvalidCredentialsError",
    "InvalidScopeError",
    "InvalidTargetError",
    "InvalidTokenError",
    "JWTAuthError",
    "ReasonedError",
    "RefreshTokenReusedError",
    "RefusedError",
    "RegistrationError",
    "RevokedTokenError",
    "TokenError",
    "UnavailableError",
]


class JWTAuthError(Exception):
    """Base class of all errors of this app. Not raised itself."""


class ConfigurationError(JWTAuthError, ImproperlyConfigured):
    """
    Raised when the settings, a key or a callable named in the settings can't be used.

    Args:
        id: the id of the system check that reports the fault, without the app's label.
        message: what is wrong.
        hint: how to fix it.
    """

    def __init__(self, id: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint} (jwt_auth.{id})")
        self.id, self.message, self.hint = id, message, hint


class UnavailableError(JWTAuthError):
    """Raised when a request can't be judged, as in an outage: it is not accepted, but no one is signed out (503)."""

    code: ClassVar[str] = "unavailable"
    detail: ClassVar[str | Promise] = _("The service is temporarily unavailable. Try again.")
    retry_after: ClassVar[int] = 1  # seconds, for Retry-After (RFC 9110 section 10.2.3)


class RevocationUnavailableError(UnavailableError):
    """Raised when this process's data about revocations is older than allowed, and can't be renewed."""

    code = "revocation_unavailable"


class DecryptionError(UnavailableError):
    """Raised when no key of ENCRYPTION_KEYS decrypts a secret in the database: a fault of the server, not a client."""


class RegistrationError(JWTAuthError, ValueError):
    """
    Raised when a client or one of its keys can't be registered or changed as requested.

    The message is for people, and never shows a secret or a private key.
    """


class UnstorableTextError(JWTAuthError, ValueError):
    """Raised for a text of a session, which may come from a client, that not every database can store (400)."""


class ReasonedError(JWTAuthError):
    """
    Base class of errors that the client learns of in general terms, and the log exactly. Not raised itself.

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
    Raised when a token is valid, but lacks a required scope (403; RFC 6750 section 3.1).

    Args:
        scopes: the scopes that are required; empty if only a token without limits would do.
    """

    code: ClassVar[str] = "insufficient_scope"
    detail: ClassVar[str | Promise] = _("The token does not have the required scope.")

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(f"needs {' '.join(scopes)}")
        self.scopes = scopes


class UnknownLimitsError(JWTAuthError):
    """Raised when another package authenticated a request at an endpoint of this app with a credential of its own."""

    code: ClassVar[str] = "unknown_limits"
    detail: ClassVar[str | Promise] = _(
        "It is not known what this kind of credential may do here. Use an access token of this server."
    )


class BodyTooLargeError(JWTAuthError):
    """Raised when a body is too large to be held in memory and compared with its digest (413)."""

    code: ClassVar[str] = "body_too_large"
    detail: ClassVar[str | Promise] = _("The body is too large to be compared with the digest in the token.")


class IdempotencyKeyError(ReasonedError):
    """Raised when the Idempotency-Key of a refresh could be guessed, or was used for another exchange (400)."""

    code = "invalid_request"
    detail = _("Send a new Idempotency-Key with each exchange: 22 to 128 random characters of base64url.")


class GrantError(ReasonedError):
    """
    Base class of errors that a token endpoint answers with 400. Not raised itself.

    RFC 6749 section 5.2, RFC 8693 section 2.2.2.
    """


class InvalidTargetError(GrantError):
    """Raised when the audience is unknown, or the requester may not get tokens for it."""

    code = "invalid_target"
    detail = _("No token can be issued for this audience.")


class InvalidScopeError(GrantError):
    """Raised when more scopes are requested than are allowed, none would be granted, or the scope is malformed."""

    code = "invalid_scope"
    detail = _("This scope can't be granted.")


class UnsupportedGrantTypeError(GrantError):
    """Raised for a `grant_type` other than token exchange."""

    code = "unsupported_grant_type"
    detail = _("This grant type is not supported.")


class RefusedError(ReasonedError):
    """Base class of errors that are answered with 401. Not raised itself."""


class InvalidCredentialsError(RefusedError):
    """Raised when a sign-in fails. It is the same for every cause, so that the client can't tell which."""

    code = "invalid_credentials"
    detail = _("No active account was found with these credentials.")


class StepRefusedError(InvalidCredentialsError):
    """Raised when a later step of a sign-in fails. It is the same for every cause, and for an unknown user's ticket."""

    detail = _("This step failed. Try again, or start the sign-in again.")


class ReauthenticationRefusedError(InvalidCredentialsError):
    """Raised when a re-authentication fails."""

    detail = _("These credentials are not those of the signed-in user.")


class NoTokenError(RefusedError):
    """Raised when a request has no token, but needs one."""

    code = "not_authenticated"
    detail = _("Authentication credentials were not provided.")


class ExchangeRefusedError(InvalidCredentialsError):
    """Raised when there is no Django session, or token of another package, that can be exchanged for tokens."""

    code = NoTokenError.code
    detail = NoTokenError.detail


class InsufficientUserAuthenticationError(RefusedError):
    """
    Raised when a credential is valid, but its user has to sign in again, or in another way (RFC 9470 section 3).

    Args:
        reason: what the sign-in lacks.
        max_age: the greatest accepted age of a sign-in, in seconds; None for any.
        acr_values: the accepted levels, in order of preference; empty for any.
        amr_values: the methods that are required.
    """

    code = "insufficient_user_authentication"
    detail = _("Sign in again, or in another way, to do this.")

    def __init__(
        self,
        reason: str,
        *,
        max_age: int | None = None,
        acr_values: Sequence[str] = (),
        amr_values: Sequence[str] = (),
    ) -> None:
        super().__init__(reason)
        self.max_age, self.acr_values, self.amr_values = max_age, tuple(acr_values), tuple(amr_values)


class TokenError(RefusedError):
    """
    Base class of the errors for refused tokens. Not raised itself.

    `sid` is the id of the token's session, and `user_id` the primary key of its user, as text. They are for the log,
    and None unless a signature of this server, which was verified, vouches for them.
    """

    code = "invalid_token"
    detail = _("The token is invalid.")

    sid: str | None = None
    user_id: str | None = None


class InvalidTokenError(TokenError):
    """Raised for a token that was never valid here. Subclasses say why."""


class MalformedTokenError(InvalidTokenError):
    """Raised when the text isn't a token at all: length, alphabet, segments, JSON."""


class UntrustedIssuerError(InvalidTokenError):
    """Raised when no trusted issuer has the name in `iss`."""


class UnknownKeyError(InvalidTokenError):
    """Raised when the issuer has no key with that `kid`, or none for that use."""


class RevokedKeyError(UnknownKeyError):
    """Raised when the key with that `kid` was revoked, and with it every token that it signed."""

    code = "token_revoked"
    detail = _("The token has been revoked.")


class InvalidSignatureError(InvalidTokenError):
    """Raised when the signature, or the algorithm in the header, is not the key's."""


class InvalidClaimError(InvalidTokenError):
    """
    Raised when a claim is missing, of the wrong type, or has a value that is not accepted here.

    Args:
        claim: the claim's name.
        problem: what is wrong with it.
    """

    def __init__(self, claim: str, problem: str) -> None:
        super().__init__(f"claim {claim!r} {problem}")
        self.claim = claim


class ReplayedTokenError(InvalidTokenError):
    """Raised when a single-use token is used a second time."""

    code = "token_replayed"
    detail = _("The token was used before.")


class ExpiredTokenError(TokenError):
    """Raised for a token that has expired, itself or with its session."""

    code = "token_expired"
    detail = _("The token has expired.")


class RevokedTokenError(TokenError):
    """Raised for a token that was revoked, directly or with its session, its user or its client."""

    code = "token_revoked"
    detail = _("The token has been revoked.")


class MissingUserError(RevokedTokenError):
    """Raised when the user of a token no longer exists."""


class InactivePrincipalError(RevokedTokenError):
    """Raised when the user of a token, or the client that signed it, is inactive."""


class StaleCredentialsError(RevokedTokenError):
    """Raised when the user of a token has another password than at the sign-in."""


class RefreshTokenReusedError(RevokedTokenError):
    """Raised when a refresh token is reused after the grace period, or by two peers in three consecutive rotations."""

    code = "refresh_token_reused"
    detail = _("The refresh token was used before. The session has been ended.")
