"""
The DRF authentication classes: one way to judge a token, and two ways for it to come.
"""

from collections.abc import Callable
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from jwt_auth import transports
from jwt_auth.authentication.binding import check_binding
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.authentication.note import note_on
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import (
    BodyTooLargeError,
    CsrfError,
    InvalidClaimError,
    RevocationUnavailableError,
    TokenError,
    UnavailableError,
)
from jwt_auth.http.csrf_guard import guard
from jwt_auth.http.logs import log_outage, log_refusal

if TYPE_CHECKING:
    from typing_extensions import Self

    from jwt_auth.models import ClientKey, RegisteredClient
    from jwt_auth.verification import Issuers, Verified

# The safe methods but TRACE (http.csrf has them all): here "safe" means fewer checks, and nobody needs them for TRACE.
# They are the SAFE_METHODS of rest_framework.permissions, whose imports this module must not have.
READ_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))


class JWTAuthentication(BaseAuthentication):
    """
    Authenticates `Authorization: Bearer <access token>`.

    `request.user` is the user: fresh from the database, or lazy where REVOCATION is "memory";
    `request.auth` is the token's `Claims`.
    """

    # Whose tokens are accepted; see verification.verify().
    issuers: "Issuers" = "users"

    # What of a request decides.
    headers: tuple[str, ...] = ("Authorization",)

    # Whether to ask the database, whatever REVOCATION says.
    ask_database: bool = False

    @classmethod
    def with_revocation(cls, revocation: str) -> "type[Self]":
        """
        This class, for views that ask for more than the project does: `with_revocation("database")`.

        Raises:
            ValueError: for anything but "database"; no view can ask for less.
        """
        if revocation != "database":
            raise ValueError('a view can ask for "database" alone')
        return type(cls.__name__, (cls,), {"ask_database": True, "__module__": cls.__module__})

    @sensitive_variables("raw")
    def authenticate(self, request: Request) -> tuple[Any, Claims] | None:
        note_on(request._request).varies_on.update(self.headers)
        try:
            raw = self.raw_token(request._request)
            if raw is None:
                return None
            # From here on the credentials are ours, and bad ones are not passed over.
            verified = self.verify(request, raw)
        except TokenError as error:
            log_refusal(error, request._request)
            self.refuse(request, error)
            return None
        except UnavailableError as error:
            log_outage(error, request._request)
            raise as_api_exception(error) from error
        return verified.user, verified.claims

    @sensitive_variables("raw")
    def verify(self, request: Request, raw: str) -> "Verified":
        """See verification.verify(); REVOCATION_ON_STALE says what follows when it knows too little."""
        verify, verify_by_last_known, refuse_with = _late()
        try:
            verified = verify(raw, issuers=self.issuers, ask_database=self.ask_database)
        except RevocationUnavailableError:
            if get_settings().REVOCATION_ON_STALE == "deny" or request.method not in READ_METHODS:
                raise
            verified = verify_by_last_known(raw, issuers=self.issuers)
        if verified.one_time:
            _use_up(verified.claims)
        refuse_with(verified.user, as_api_exception)
        return verified

    def raw_token(self, request: HttpRequest) -> str | None:
        """
        The token that came, None when none came in this way.

        Raises:
            MalformedTokenError: when what came is not one token.
        """
        return transports.bearer_token(request)

    def refuse(self, request: Request, error: TokenError) -> None:
        """What a bad token means: whoever set the header meant it."""
        raise as_api_exception(error) from error

    def authenticate_header(self, request: Request) -> str:
        refusal = refusal_of(request)
        if refusal is not None:
            return transports.challenge(token_presented=True, code=refusal.code)
        return transports.challenge(token_presented=transports.is_bearer(request._request))


class JWTCookieAuthentication(JWTAuthentication):
    """
    Authenticates an access token in its httpOnly cookie.

    A bearer header that comes as well is the one that counts, so this class then has nothing to say. A bad
    cookie leaves the request anonymous, because browsers send cookies that nobody asked them to send. A
    good one is no licence for other sites' pages: what may change something has to come from a page of ours.
    """

    headers = ("Authorization", "Cookie")

    def authenticate(self, request: Request) -> tuple[Any, Claims] | None:
        authenticated = super().authenticate(request)
        if authenticated is not None:
            try:
                guard(request._request, by_cookie=True)
            except CsrfError as error:
                log_refusal(error, request._request)
                raise as_api_exception(error) from error
        return authenticated

    def raw_token(self, request: HttpRequest) -> str | None:
        return None if transports.is_bearer(request) else transports.access_cookie(request)

    def refuse(self, request: Request, error: TokenError) -> None:
        """Go on without a user; a view that needs one says why there is none."""
        note_on(request._request).refusal = error


class ClientJWTAuthentication(JWTAuthentication):
    """
    Authenticates `Authorization: Bearer <token>`, with a token that an API client has signed itself.

    `request.user` is the user whom the client acts as, `request.auth` the token's `Claims`, with the client's
    scopes; `client_of(request)` is the client.
    """

    issuers: "Issuers" = "clients"

    # Whether each token must be bound to its request, whatever the client does elsewhere.
    binding: bool = False

    @classmethod
    def with_binding(cls) -> "type[Self]":
        """This class, for views that take only tokens made for the very request: method, URI and body."""
        return type(cls.__name__, (cls,), {"binding": True, "__module__": cls.__module__})

    @sensitive_variables("raw")
    def verify(self, request: Request, raw: str) -> "Verified":
        verified = super().verify(request, raw)
        if verified.client_key is not None:
            self.check_request(request._request, verified.claims, verified.client_key)
            note_on(request._request).client = verified.client_key.client
        return verified

    def check_request(self, request: HttpRequest, claims: Claims, key: "ClientKey") -> None:
        """
        What a client's good token still has to say of the request; then it is used up.

        Raises:
            InvalidTokenError: when it was made for another request, or used before.
        """
        from jwt_auth.authentication.last_used import note_use  # needs the models, too

        try:
            check_binding(claims.all, request, required=self.binding or key.client.requires_binding)
        except BodyTooLargeError as error:
            raise as_api_exception(error) from error
        if _is_good_for_once(request):
            if claims.jti is None:
                raise InvalidClaimError("jti", "is missing, and the token is good for once")
            _use_up(claims)
        note_use(key)


class UserOrClientJWTAuthentication(ClientJWTAuthentication):
    """
    Authenticates the tokens of both: those of users, as JWTAuthentication does, and those that clients sign.

    Both classes in one list would not: whichever comes first refuses the other's tokens.
    """

    issuers = "anyone"


def _is_good_for_once(request: HttpRequest) -> bool:
    """Whether a client's token for `request` is good for no other one."""
    protection = get_settings().CLIENT_REPLAY_PROTECTION
    return protection == "all" or (protection == "unsafe_methods" and request.method not in READ_METHODS)


def claims_of(request: Request) -> Claims | None:
    """`request.auth`, if it is a token of this app's that authenticated `request`: for type checkers, among others."""
    claims: Any = request.auth
    return claims if isinstance(claims, Claims) else None


def client_of(request: Request) -> "RegisteredClient | None":
    """The client that signed the token of `request`; None when there is none, or a user's."""
    if claims_of(request) is None:
        return None
    # A copy, because requests of one process may share the row of a client.
    return copy(note_on(request._request).client)


def refusal_of(request: Request) -> TokenError | None:
    """Why the cookie of `request` did not authenticate it."""
    return note_on(request._request).refusal


@cache
def _late() -> "tuple[Callable[..., Verified], Callable[..., Verified], Callable[..., None]]":
    # Imported here, because they need the models; and once, because an import costs each request time.
    from jwt_auth.principals import refuse_with
    from jwt_auth.verification import verify, verify_by_last_known

    return verify, verify_by_last_known, refuse_with


def _use_up(claims: Claims) -> None:
    """After all else: a token that is refused for another reason is not used up by it."""
    from jwt_auth.authentication.replay import burn

    burn(claims.iss, str(claims.jti), claims.expires_at + get_settings().LEEWAY)
