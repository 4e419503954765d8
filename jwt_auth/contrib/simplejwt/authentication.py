"""
The authentication class with the headers, the errors and the methods of simplejwt's.

DRF may import it before the apps are ready, so nothing here imports a model at import.
"""

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework import HTTP_HEADER_ENCODING
from rest_framework.request import Request

from jwt_auth import authentication
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.simplejwt import simplejwt_or_default
from jwt_auth.contrib.simplejwt.causes import AnotherTypeError, refusal
from jwt_auth.contrib.simplejwt.exceptions import AuthenticationFailed, InvalidToken
from jwt_auth.exceptions import InvalidTokenError, RevokedTokenError, TokenError, UnavailableError
from jwt_auth.http.logs import log_outage, log_refusal
from jwt_auth.http.plain import plain

__all__ = [
    "JWTAuthentication",
    "JWTStatelessUserAuthentication",
    "JWTTokenUserAuthentication",
    "TokenClaims",
    "default_user_authentication_rule",
]

# The request that is being authenticated: simplejwt's methods don't have it as an argument.
_request: ContextVar[HttpRequest | Request | None] = ContextVar("jwt_auth_simplejwt_request", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims(Claims):
    """
    `request.auth`: the claims, and `token["user_id"]`, `token.get("plan")`, `"plan" in token`, and `str(token)`.

    `user` is the user of the token, which `get_user()` returns without a query.
    """

    raw: str = field(default="", repr=False, compare=False)
    user: Any = field(default=None, repr=False, compare=False)

    token_type = "access"  # noqa: S105  # a word of simplejwt, and no secret

    @property
    def payload(self) -> Mapping[str, Any]:
        """All claims of the token, as received."""
        return self.all

    def __getitem__(self, name: str) -> Any:
        return self.all[name]

    def __contains__(self, name: object) -> bool:
        return name in self.all

    def get(self, name: str, default: Any = None) -> Any:
        return self.all.get(name, default)

    def __str__(self) -> str:
        return self.raw


class JWTAuthentication(authentication.JWTAuthentication):
    """
    Authenticates the access token in the header that SIMPLEJWT names, and refuses it with simplejwt's bodies.

    A project may override the methods that simplejwt has, or call them in its own code. Each token that
    `get_validated_token()` returns has been checked for revocation, and has its user.
    """

    # The realm in WWW-Authenticate; REALM if it is empty.
    www_authenticate_realm = ""

    @property
    def headers(self) -> tuple[str, ...]:  # type: ignore[override]  # constant in the base class
        return (simplejwt_or_default().AUTH_HEADER_NAME.removeprefix("HTTP_").replace("_", "-").title(),)

    def authenticate(self, request: HttpRequest | Request) -> tuple[Any, Claims] | None:
        former = _request.set(request)
        try:
            return super().authenticate(request)
        finally:
            _request.reset(former)

    def raw_token(self, request: HttpRequest) -> Any:
        header = self.get_header(_request.get() or request)
        return None if header is None else self.get_raw_token(header)

    @sensitive_variables("raw")
    def verify(self, request: HttpRequest | Request, raw: Any) -> Any:
        from jwt_auth.principals import refuse_with  # needs the models, as the next line does
        from jwt_auth.verification import Verified

        token = self.get_validated_token(raw)
        user = self.get_user(token)
        refuse_with(user, refusal)
        return Verified(claims=token, user=user)

    def authenticate_header(self, request: HttpRequest | Request) -> str:
        scheme = simplejwt_or_default().AUTH_HEADER_TYPES[0]
        return f'{scheme} realm="{self.www_authenticate_realm or get_settings().REALM}"'

    # The attribute and the methods of simplejwt

    @property
    def user_model(self) -> Any:
        """The project's user model."""
        return get_user_model()

    def get_header(self, request: HttpRequest | Request) -> bytes | None:
        """Return the header with the token; None if there is none."""
        header = request.META.get(simplejwt_or_default().AUTH_HEADER_NAME)
        return header.encode(HTTP_HEADER_ENCODING, "replace") if isinstance(header, str) else header

    def get_raw_token(self, header: bytes) -> bytes | None:
        """
        Return the token in `header`; None if its first word is none of AUTH_HEADER_TYPES, exactly as written there.

        Raises:
            AuthenticationFailed: if it is one of them, and not exactly one word follows.
        """
        kind, *rest = header.split() or [b""]
        if kind.decode(HTTP_HEADER_ENCODING) not in simplejwt_or_default().AUTH_HEADER_TYPES:
            return None
        if len(rest) != 1:
            detail = _("Authorization header must contain two space-delimited values")
            raise AuthenticationFailed(detail, code="bad_authorization_header")
        return rest[0]

    @sensitive_variables("raw_token", "raw")
    def get_validated_token(self, raw_token: bytes | str) -> TokenClaims:
        """
        Return the token if it is valid: signature, claims, revocation, user. At most one query.

        Raises:
            InvalidToken: if it is refused, also because of its user.
            APIException: 503 in an outage.
        """
        request = _request.get()
        asked = None if request is None else plain(request)
        raw = raw_token.decode(HTTP_HEADER_ENCODING) if isinstance(raw_token, bytes) else str(raw_token)
        try:
            verified = self._verified(request, raw)
        except TokenError as error:
            log_refusal(error, asked)
            raise refusal(_explained(error, raw)) from error
        except UnavailableError as error:
            log_outage(error, asked)
            raise refusal(error) from error
        return _readable(verified.claims, raw, verified.user)

    def get_user(self, validated_token: Any) -> Any:
        """
        Return the user of a token; no query for one of `get_validated_token()`, whose user has been checked.

        Raises:
            InvalidToken: if the token names no user.
            AuthenticationFailed: if the user does not exist, or is inactive.
        """
        if isinstance(validated_token, TokenClaims):
            return validated_token.user
        from jwt_auth.contrib.simplejwt.reading import user_of_claim  # needs the models

        try:
            value = validated_token[simplejwt_or_default().USER_ID_CLAIM]
        except KeyError as error:
            raise InvalidToken(_("Token contained no recognizable user identification")) from error
        user = user_of_claim(value)
        if user is None:
            raise AuthenticationFailed(_("User not found"), code="user_not_found")
        if not user.is_active:
            raise AuthenticationFailed(_("User is inactive"), code="user_inactive")
        return user

    @sensitive_variables("raw")
    def _verified(self, request: HttpRequest | Request | None, raw: str) -> Any:
        if request is not None:
            return super().verify(request, raw)
        from jwt_auth.principals import refuse_with  # needs the models, as the next line does
        from jwt_auth.verification import verify

        verified = verify(raw, issuers=self.issuers, ask_database=self.ask_database)
        if verified.one_time:
            self.record_use(verified.claims)
        refuse_with(verified.user, refusal)
        return verified


class JWTStatelessUserAuthentication(JWTAuthentication):
    """
    The same under the name that simplejwt gives to authentication without a query for the user.

    Here the query that asks for revocations reads the user, too. With REVOCATION "memory" there is no query.
    """


JWTTokenUserAuthentication = JWTStatelessUserAuthentication


def default_user_authentication_rule(user: Any) -> bool:
    """Return whether `user` is an active user, and not None."""
    return user is not None and user.is_active


@sensitive_variables("raw")
def _explained(error: TokenError, raw: str) -> TokenError:
    """Return the error that names the reason as exactly as simplejwt does. See `because_of_user` for the queries."""
    from jwt_auth.contrib.simplejwt.reading import because_of_user  # needs the models, as the next lines do
    from jwt_auth.sessions.extensions import read_former
    from jwt_auth.sessions.refresh_tokens import unsign

    if isinstance(error, RevokedTokenError):
        return because_of_user(error, raw)
    with suppress(InvalidTokenError):
        unsign(raw)
        return AnotherTypeError(error.reason)
    with suppress(InvalidTokenError, UnavailableError):
        former = read_former(raw)
        if former is not None and not former.is_access:
            return AnotherTypeError(error.reason)
    return error


_NAMES = tuple(item.name for item in fields(Claims))


def _readable(claims: Claims, raw: str, user: Any) -> TokenClaims:
    """Return `claims` of the token `raw`, which was verified, as the token of a request."""
    return TokenClaims(**{name: getattr(claims, name) for name in _NAMES}, raw=raw, user=user)
