"""
Throttles of the endpoints, on by default.

Each sign-in is counted per address. A failed sign-in is also counted per name and address, and, with a larger
budget, per name over all addresses. So guessing is slow from one address and from many, and an attacker needs many
addresses to lock a user out by failing on purpose.

If the cache fails, requests can't be counted. Then sign-ins, where passwords could be guessed, and requests that create
or change API clients and keys are answered with 503. All other requests go on without a count: no secret that they
carry can be guessed, and an outage of the cache must not take the site down.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.auth import get_user_model
from django.core.cache import DEFAULT_CACHE_ALIAS, BaseCache
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from jwt_auth._django.caches import helping_cache, is_kept
from jwt_auth.authentication import client_of
from jwt_auth.authentication.note import note_on
from jwt_auth.conf import get_settings
from jwt_auth.conf.rules import parse_rate
from jwt_auth.exceptions import UnavailableError
from jwt_auth.http.logs import log_uncounted
from jwt_auth.http.peer import address_group
from jwt_auth.process.helper import HelperError
from jwt_auth.sessions.credentials import MAX_NAME, fold_name

__all__ = ["ClientThrottle"]

T = TypeVar("T")

if TYPE_CHECKING:
    from rest_framework.views import APIView


class CountingCache:
    """
    The default cache, as far as throttles use it.

    Raises:
        UnavailableError: if the cache fails, so that the throttle decides whether requests pass.
    """

    def get(self, key: str, default: Any) -> Any:
        return _asked(key, lambda cache, made: cache.get(made, default))

    def set(self, key: str, value: list[Any], timeout: int) -> None:
        def count(cache: BaseCache, made: str) -> bool:
            cache.set(made, value, timeout)
            # A cache that hides its errors seems empty each time, and each request the first one of its budget.
            if len(value) > 1 or is_kept(cache, made, timeout):
                return True
            cache.set(made, value, timeout)  # or somebody has emptied it just now
            return is_kept(cache, made, timeout)

        if not _asked(key, count):
            raise UnavailableError("the throttle's cache does not store anything")


def _asked(key: str, work: Callable[[BaseCache, str], T]) -> T:
    try:
        return helping_cache(DEFAULT_CACHE_ALIAS).call(key, work)
    except HelperError as error:
        raise UnavailableError(f"the throttle's cache failed: {error}") from error


class AddressThrottle(SimpleRateThrottle):
    """
    Limit requests per client address, with a sliding window.

    `is_required` says that requests don't pass while the cache fails, unless they only read, or end something (DELETE).
    """

    is_required = False
    cache = CountingCache()  # type: ignore[assignment]  # the two methods that throttles use
    default_rate = "600/min"

    def get_rate(self) -> Any:
        # Read from the settings each time, because DRF sets its attribute `THROTTLE_RATES` at import.
        return api_settings.DEFAULT_THROTTLE_RATES.get(str(self.scope), self.default_rate)

    def parse_rate(self, rate: Any) -> Any:
        return (None, None) if rate is None else parse_rate(rate)

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if not self.is_counted(request, view):
            return True
        try:
            return super().allow_request(request, view)
        except UnavailableError as error:
            if self.is_required and request.method not in (*SAFE_METHODS, "DELETE"):
                raise
            log_uncounted(error, request._request)
            return True

    def is_counted(self, request: Request, view: "APIView") -> bool:
        """Return whether the request counts; preflights and methods that the view doesn't have do not."""
        method = str(request.method)
        return method != "OPTIONS" and hasattr(view, method.lower())

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        ident = self.ident(request)
        # Hashed, because a name may have characters that memcached keys can't have, and should not be in a cache.
        return None if ident is None else f"{self.scope}.{hashlib.sha256(ident.encode()).hexdigest()}"

    def ident(self, request: Request) -> str | None:
        """Return the key of the budget; None if the request is not counted."""
        return address_group(request._request)


class RefreshThrottle(AddressThrottle):
    """DEFAULT_THROTTLE_RATES["jwt_auth_refresh"] changes the rate."""

    scope = "jwt_auth_refresh"


class RevokeThrottle(AddressThrottle):
    """DEFAULT_THROTTLE_RATES["jwt_auth_revoke"] changes the rate."""

    scope = "jwt_auth_revoke"


class SessionsThrottle(AddressThrottle):
    """DEFAULT_THROTTLE_RATES["jwt_auth_sessions"] changes the rate."""

    scope = "jwt_auth_sessions"


class UserThrottle(AddressThrottle):
    """
    Limit what a user changes, over all addresses; other users at the same address have budgets of their own.

    DEFAULT_THROTTLE_RATES["jwt_auth_user"] changes the rate.
    """

    scope = "jwt_auth_user"
    default_rate = "60/min"

    def is_counted(self, request: Request, view: "APIView") -> bool:
        return request.method not in SAFE_METHODS and super().is_counted(request, view)

    def ident(self, request: Request) -> str | None:
        return str(request.user.pk)


class VerifyThrottle(AddressThrottle):
    """DEFAULT_THROTTLE_RATES["jwt_auth_verify"] changes the rate."""

    scope = "jwt_auth_verify"


class ExchangeThrottle(AddressThrottle):
    """DEFAULT_THROTTLE_RATES["jwt_auth_exchange"] changes the rate."""

    scope = "jwt_auth_exchange"


class IntrospectThrottle(AddressThrottle):
    """DEFAULT_THROTTLE_RATES["jwt_auth_introspect"] changes the rate."""

    scope = "jwt_auth_introspect"


class ClientsThrottle(AddressThrottle):
    """DEFAULT_THROTTLE_RATES["jwt_auth_clients"] changes the rate."""

    scope = "jwt_auth_clients"
    is_required = True


class RevokeClientThrottle(ClientsThrottle):
    """The same budget, for a request that revokes."""

    is_required = False


class ClientThrottle(AddressThrottle):
    """
    Limit the requests of each API client, over all its keys and addresses. For `throttle_classes` of your views.

    Requests of users are not counted.

    DEFAULT_THROTTLE_RATES["jwt_auth_client"] changes the rate.
    """

    scope = "jwt_auth_client"

    def is_counted(self, request: Request, view: "APIView") -> bool:
        return True

    def ident(self, request: Request) -> str | None:
        client = client_of(request)
        return None if client is None else client.client_id


class LoginThrottle(AddressThrottle):
    """Limit sign-ins per address, successful or not, by LOGIN_THROTTLE."""

    scope = "jwt_auth_login"
    is_required = True

    def get_rate(self) -> str:
        return get_settings().LOGIN_THROTTLE


class FailedLoginThrottle(LoginThrottle):
    """
    Limit failed sign-ins per name and address to `times` the budget of LOGIN_THROTTLE in sixty times the period.

    `allow_request()` only checks the budget; `failed()` counts.
    """

    scope = "jwt_auth_login_failures"
    times = 3

    def parse_rate(self, rate: Any) -> tuple[int, int]:
        requests, seconds = super().parse_rate(rate)
        return self.times * requests, 60 * seconds

    def ident(self, request: Request) -> str | None:
        name = login_name(request)
        return None if name is None else f"{address_group(request._request)} {name}"

    def throttle_success(self) -> bool:
        return True

    def failed(self, request: Request, view: "APIView") -> None:
        """Count one failure."""
        self.allow_request(request, view)  # reads the history
        super().throttle_success()


class FailedNameThrottle(FailedLoginThrottle):
    """Limit failed sign-ins per name, over all addresses."""

    scope = "jwt_auth_login_failures_by_name"
    times = 10

    def ident(self, request: Request) -> str | None:
        return login_name(request)


def login_name(request: Request) -> str | None:
    """
    Return the login name of a sign-in, in the form that all its spellings share; None if it can't be anybody's name.
    """
    note = note_on(request)
    if note.login_name is None:
        data: Any = request.data
        name = data.get(get_user_model().USERNAME_FIELD)
        # A longer name is refused by the view, and must not cost time before that.
        note.login_name = fold_name(name) if isinstance(name, str) and len(name) <= MAX_NAME else None
    return note.login_name


# The scopes whose rates DEFAULT_THROTTLE_RATES can change.
ADJUSTABLE = tuple(
    sorted(str(throttle.scope) for throttle in AddressThrottle.__subclasses__() if throttle is not LoginThrottle)
)
