"""
The DRF authentication classes, for tokens in the Authorization header or in a cookie.
"""

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from jwt_auth import transports
from jwt_auth._django.lazy_rows import aload_row, load_row, refuse_to_wait
from jwt_auth.authentication.binding import check_binding
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.authentication.missing import explain_missing_token
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
from jwt_auth.http.plain import plain
from jwt_auth.process.blocking import may_block, on_loop

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

    `request.user` is the user: just read from the database, or lazy if REVOCATION is "memory".
    `request.auth` is the token's `Claims`.

    Code without DRF's views calls `authenticate()` with Django's own request; it returns both, or None without a token.
    """

    # The issuers whose tokens are accepted; see verification.verify().
    issuers: "Issuers" = "users"

    # The request headers that the result depends on, for `Vary`.
    headers: tuple[str, ...] = ("Authorization",)

    # True to ask the database, regardless of REVOCATION.
    ask_database: bool = False

    # Whether asynchronous code gets a loaded user. If False, memory mode does not query for the user, and only
    # the user's key can be read; see verification.averify().
    load_user: bool = True

    # True for views that only revoke: a single-use token is accepted there although the cache of used tokens fails.
    only_revokes: bool = False

    @classmethod
    def with_revocation(cls, revocation: str) -> "type[Self]":
        """
        Return a subclass for views that are stricter than the project's setting: `with_revocation("database")`.

        Raises:
            ValueError: for any value but "database": no view can be less strict.
        """
        if revocation != "database":
            raise ValueError('with_revocation() accepts only "database"')
        return type(cls.__name__, (cls,), {"ask_database": True, "__module__": cls.__module__})

    @sensitive_variables("raw")
    def authenticate(self, request: HttpRequest | Request) -> tuple[Any, Claims] | None:
        note = note_on(request)
        note.varies_on = note.varies_on.union(self.headers)
        try:
            raw = self.raw_token(plain(request))
            if raw is None:
                return None
            # From here on there is a token for this class. A bad one is not ignored, but goes to refuse().
            verified = self.verify(request, raw)
        except TokenError as error:
            log_refusal(error, plain(request))
            self.refuse(request, error)
            return None
        except UnavailableError as error:
            log_outage(error, plain(request))
            raise as_api_exception(error) from error
        # For code that has the user only, such as DRF's SessionAuthentication after a middleware that set it.
        note.user, note.claims = verified.user, verified.claims
        return verified.user, verified.claims

    async def aauthenticate(self, request: HttpRequest | Request) -> tuple[Any, Claims] | None:
        """
        Do the same as authenticate(), without blocking the event loop; see verification.averify().

        A subclass overrides authenticate() only. If that method queries, it is called again in a thread.
        """
        authenticated = await on_loop(lambda: self.authenticate(request))
        if authenticated is not None:
            if self.load_user:
                await aload_row(authenticated[0])
            else:
                refuse_to_wait(authenticated[0])
        return authenticated

    @sensitive_variables("raw", "question", "known")  # with the variables of verify_once()
    def verify(self, request: HttpRequest | Request, raw: str) -> "Verified":
        """
        See verification.verify(). The verdict is remembered for the rest of the request: see `remembered`.

        REVOCATION_ON_STALE decides what happens if the known revocations are too old.
        """
        verify_once, verify_by_last_known, refuse_with = _late()
        try:
            verified = verify_once(note_on(request), raw, issuers=self.issuers, ask_database=self.ask_database)
        except RevocationUnavailableError:
            if get_settings().REVOCATION_ON_STALE == "deny" or request.method not in READ_METHODS:
                raise
            verified = verify_by_last_known(raw, issuers=self.issuers)
        if self.load_user and may_block() and _is_for_asynchronous_code(request):
            load_row(verified.user)  # here, because this runs in a thread that can query
        if verified.one_time:
            self.use_up(request, raw, verified.claims)
        refuse_with(verified.user, as_api_exception)
        return verified

    @sensitive_variables("raw")
    def use_up(self, request: HttpRequest | Request, raw: str, claims: Claims) -> None:
        """
        Use up a single-use token, once for each request.

        This is the last check, so that no token is used up that is refused anyway.
        """
        from jwt_auth.authentication.remembered import use_up_once  # needs the models

        use_up_once(note_on(request), raw, partial(self.record_use, claims), only_revokes=self.only_revokes)

    def record_use(self, claims: Claims) -> None:
        """Record the use of a single-use token; raise ReplayedTokenError if it was used before."""
        from jwt_auth.authentication.replay import burn  # needs the models

        until = claims.expires_at + get_settings().LEEWAY
        burn(claims.iss, str(claims.jti), until, only_revokes=self.only_revokes)

    def raw_token(self, request: HttpRequest) -> str | None:
        """
        Return the token of the request; None if it has none in the place where this class looks.

        Raises:
            MalformedTokenError: if there is something else than one token.
        """
        return transports.bearer_token(request)

    def refuse(self, request: HttpRequest | Request, error: TokenError) -> None:
        """Refuse a request with a bad token: a client that sets the header does so on purpose."""
        raise as_api_exception(error) from error

    def authenticate_header(self, request: HttpRequest | Request) -> str:
        refusal = refusal_of(request)
        if refusal is not None:
            return transports.challenge(token_presented=True, code=refusal.code)
        # DRF asks for the header of the first class, and only for the answer 401.
        explain_missing_token(plain(request), by_cookie="Cookie" in note_on(request).varies_on)
        return transports.challenge(token_presented=transports.is_bearer(plain(request)))


class JWTCookieAuthentication(JWTAuthentication):
    """
    Authenticates an access token in its httpOnly cookie.

    If there is a bearer header too, only the header counts, and this class does nothing. A bad cookie leaves the
    request anonymous, because browsers send cookies by themselves. A good cookie alone is not enough for a request that
    may change something: it must also come from a page of this site.

    If BROWSER_ACCESS_TOKEN is "body", this class does nothing: browsers then send access tokens in the header, for
    JWTAuthentication.
    """

    headers = ("Authorization", "Cookie")

    def authenticate(self, request: HttpRequest | Request) -> tuple[Any, Claims] | None:
        authenticated = super().authenticate(request)
        if authenticated is not None:
            try:
                guard(plain(request), by_cookie=True)
            except CsrfError as error:
                log_refusal(error, plain(request))
                raise as_api_exception(error) from error
        return authenticated

    def raw_token(self, request: HttpRequest) -> str | None:
        return None if transports.is_bearer(request) else transports.access_cookie(request)

    def refuse(self, request: HttpRequest | Request, error: TokenError) -> None:
        """Leave the request anonymous. If the view requires a user, the response says why there is none."""
        note_on(request).refusal = error


class ClientJWTAuthentication(JWTAuthentication):
    """
    Authenticates `Authorization: Bearer <token>`, with a token that an API client has signed itself.

    `request.user` is the user that the client acts as. `request.auth` is the token's `Claims`, with the client's
    scopes. `client_of(request)` is the client.
    """

    issuers: "Issuers" = "clients"

    # True if each token must be bound to its request, even if the client doesn't have to bind its tokens elsewhere.
    binding: bool = False

    @classmethod
    def with_binding(cls) -> "type[Self]":
        """Return a subclass for views that require tokens made for exactly this request: method, URI and body."""
        return type(cls.__name__, (cls,), {"binding": True, "__module__": cls.__module__})

    @sensitive_variables("raw")
    def verify(self, request: HttpRequest | Request, raw: str) -> "Verified":
        verified = super().verify(request, raw)
        if verified.client_key is not None:
            self.check_request(plain(request), raw, verified.claims, verified.client_key)
            note_on(request).client = verified.client_key.client
        return verified

    @sensitive_variables("raw")
    def check_request(self, request: HttpRequest, raw: str, claims: Claims, key: "ClientKey") -> None:
        """
        Check that a client's valid token fits the request, and use it up if it is single-use.

        Raises:
            InvalidTokenError: if it was made for another request, or was used before.
        """
        from jwt_auth.keyring.usage import note_client_key  # needs the models

        try:
            check_binding(claims.all, request, required=self.binding or key.client.requires_binding)
        except BodyTooLargeError as error:
            raise as_api_exception(error) from error
        if _is_single_use(request):
            if claims.jti is None:
                raise InvalidClaimError("jti", "is missing, and the token is single-use")
            self.use_up(request, raw, claims)
        note_client_key(key)


class UserOrClientJWTAuthentication(ClientJWTAuthentication):
    """
    Authenticates both: tokens of users, as JWTAuthentication does, and tokens that clients sign.

    Both classes in one list don't work: the first one refuses the tokens of the other.
    """

    issuers = "anyone"


def _is_for_asynchronous_code(request: HttpRequest | Request) -> bool:
    match = plain(request).resolver_match
    if match is None:
        return False
    try:
        return _is_asynchronous(match.func)
    except TypeError:  # an instance without a hash, such as one of a data class
        return iscoroutinefunction(match.func)


# Cached, because each request asks about one of the same few views.
_is_asynchronous = lru_cache(maxsize=1024)(iscoroutinefunction)


def _is_single_use(request: HttpRequest) -> bool:
    """Return whether a client's token for `request` is single-use."""
    protection = get_settings().CLIENT_REPLAY_PROTECTION
    return protection == "all" or (protection == "unsafe_methods" and request.method not in READ_METHODS)


def claims_of(request: HttpRequest | Request) -> Claims | None:
    """
    Return `request.auth`, if a token of this app authenticated `request`, else None.

    Besides, type checkers know the type of the result.
    """
    claims = getattr(request, "auth", None)  # Django's own request has one only if JWTUserMiddleware set it
    return claims if isinstance(claims, Claims) else None


def client_of(request: HttpRequest | Request) -> "RegisteredClient | None":
    """Return the client that signed the token of `request`; None for a user's token, or no token."""
    return None if claims_of(request) is None else note_on(request).client


def refusal_of(request: HttpRequest | Request) -> TokenError | None:
    """Return the reason why the cookie of `request` did not authenticate it; None if it did, or there is none."""
    return note_on(request).refusal


@cache
def _late() -> "tuple[Callable[..., Verified], Callable[..., Verified], Callable[..., None]]":
    # Imported here, because they need the models; and only once, because an import statement costs each request time.
    from jwt_auth.authentication.remembered import verify_once
    from jwt_auth.principals import refuse_with
    from jwt_auth.verification import verify_by_last_known

    return verify_once, verify_by_last_known, refuse_with
