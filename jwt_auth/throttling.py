"""
Throttles of the endpoints, on by default.

Each sign-in is counted per address. A failed sign-in is also counted per name and address, and, with a larger
budget, per name over all addresses. So guessing is slow from one address and from many, and an attacker needs many
addresses to lock a user out by failing on purpose. Failures are counted in the same two ways per account, because an
account may have several names.

If the cache fails, requests can't be counted. Then sign-ins, where passwords could be guessed, and requests that create
or change API clients and keys are answered with 503. All other requests go on without a count: no secret that they
carry can be guessed, and an outage of the cache must not take the site down.
"""

import hashlib
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.cache import DEFAULT_CACHE_ALIAS, BaseCache
from rest_framework.exceptions import ParseError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from jwt_auth._django.caches import helping_cache
from jwt_auth.authentication import client_of
from jwt_auth.authentication.note import note_on
from jwt_auth.conf import get_settings
from jwt_auth.conf.rules import parse_rate
from jwt_auth.exceptions import UnavailableError
from jwt_auth.http.logs import log_uncounted
from jwt_auth.http.peer import address_group
from jwt_auth.process.helper import HelperError
from jwt_auth.sessions.accounts import fold_name, read_name

__all__ = ["ClientThrottle", "FailedLoginThrottle", "FailedNameThrottle", "LoginThrottle"]

T = TypeVar("T")

# How often an entry is written: another request may store its own between `delete()` and `add()`.
_TRIES = 5

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
        if not _asked(key, lambda cache, made: _write(cache, made, value, timeout)):
            raise UnavailableError("the throttle's cache does not store anything")


def _write(cache: BaseCache, key: str, value: list[Any], timeout: int) -> bool:
    """
    Store the times in `value`, newest first; return False if the cache did not.

    Some caches hide their errors: an entry seems to be absent, or to be stored. Only `add()` says whether the server
    has stored the entry, so all writes use it.
    """
    if len(value) == 1:  # the entry seemed to be absent
        if cache.add(key, value, timeout):
            return True
        known = cache.get(key)
        if not known:
            return False
        value = [*value, *known]
    for _ in range(_TRIES):
        cache.delete(key)
        if cache.add(key, value, timeout):
            return True
    return False


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
            allowed = super().allow_request(request, view)
        except UnavailableError as error:
            if self.is_required and request.method not in (*SAFE_METHODS, "DELETE"):
                raise
            log_uncounted(error, request._request)
            return True
        if not allowed:
            note_on(request).limit = self.setting
        return allowed

    @property
    def setting(self) -> str:
        """The setting that has the rate, for the log."""
        return f'DEFAULT_THROTTLE_RATES["{self.scope}"]'

    def is_counted(self, request: Request, view: "APIView") -> bool:
        """Return whether the request counts; preflights and methods that the view doesn't have do not."""
        method = str(request.method)
        return method != "OPTIONS" and hasattr(view, method.lower())

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        ident = self.ident(request)
        return None if ident is None else self.hashed(ident)

    def hashed(self, ident: str) -> str:
        """Return the key in the cache. A name may have characters that memcached refuses, and should not be in it."""
        # A parser of the project may let half of a surrogate pair through.
        return f"{self.scope}.{hashlib.sha256(ident.encode(errors='surrogatepass')).hexdigest()}"

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


class HandshakeTicketThrottle(AddressThrottle):
    """Counts WebSocket tickets per user. DEFAULT_THROTTLE_RATES["jwt_auth_ticket"] changes the rate."""

    scope, default_rate, ident = "jwt_auth_ticket", UserThrottle.default_rate, UserThrottle.ident


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
    """
    Limit sign-ins per address, successful or not, by LOGIN_THROTTLE.

    Views with the same `budget` are counted together; see `SignInView`.
    """

    scope = "jwt_auth_login"
    is_required = True
    setting = "LOGIN_THROTTLE"

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        return self.hashed(f"{budget_of(view)}{self.ident(request)}")

    def get_rate(self) -> str:
        return get_settings().LOGIN_THROTTLE


class FailedLoginThrottle(LoginThrottle):
    """
    Limit failed sign-ins per name and address to `times` the budget of LOGIN_THROTTLE in sixty times the period.

    `allow_request()` only checks the budget; `failed()` counts.

    Args:
        account: the account whose failures are counted instead, whatever names they were for.
    """

    scope = "jwt_auth_login_failures"
    times = 3

    # Set by DRF.
    num_requests: int
    duration: int

    def __init__(self, account: str | None = None) -> None:
        super().__init__()
        self.account = account

    def parse_rate(self, rate: Any) -> tuple[int, int]:
        requests, seconds = super().parse_rate(rate)
        return self.times * requests, 60 * seconds

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        name = login_name(request, view)
        if self.account is None and name is None:
            return None
        subject = f"name {name}" if self.account is None else f"account {self.account}"
        return self.hashed(f"{budget_of(view)}{subject} {self.group(request)}")

    def group(self, request: Request) -> str:
        """Return the addresses that are counted together."""
        return address_group(request._request)

    def throttle_success(self) -> bool:
        return True

    def is_over(self, request: Request, view: "APIView") -> bool:
        """Return whether no failure is left."""
        return not self.allow_request(request, view)

    def failed(self, request: Request, view: "APIView", *, counts: bool = True) -> bool:
        """
        Count one failure, if it `counts` and one is left; return whether it was counted.

        The cache is written to in any case, so that it takes the same time.
        """
        self.allow_request(request, view)  # reads the history, which others may have written since the last time
        counted = counts and len(self.history) < self.num_requests
        if counted:
            self.history.insert(0, self.now)
        self.cache.set(str(self.key), self.history, self.duration)
        return counted


class FailedNameThrottle(FailedLoginThrottle):
    """Limit failed sign-ins per name, over all addresses."""

    scope = "jwt_auth_login_failures_by_name"
    times = 10

    def group(self, request: Request) -> str:
        return ""


class Failures:
    """
    The failures of one sign-in: of its name, and of the accounts that it leads to.

    The budgets of a name are checked before the sign-in, and answered with 429. Those of an account must not show,
    since they would tell which names lead to the same account: above them, no password is compared, and the answer is
    that to a wrong one.

    Raises:
        ParseError: if the view has a name field, and the body has no name whose failures could be counted. So nobody
            guesses without a budget.
    """

    def __init__(self, request: Request, view: Any) -> None:
        name = login_name(request, view)
        if name is None and view.name_field is not None:
            raise ParseError("The login name can't be read.")
        self._request, self._view, self._name = request, view, name
        self._answers: dict[Any, bool] = {}

    def are_too_many(self, pk: Any) -> bool:
        """Return whether the account `pk` had no failure left when this was first asked; None is nobody's account."""
        if pk is None and self._name is None:
            return False
        if pk not in self._answers:
            # All are asked, so that it takes the same time.
            answers = [throttle.is_over(self._request, self._view) for throttle in self._budgets_of(pk)]
            self._answers[pk] = any(answers)
        return self._answers[pk]

    def ask_again(self, pk: Any) -> bool:
        """Return whether the account `pk` has no failure left; the cache is asked in any case."""
        self._answers.pop(pk, None)
        return self.are_too_many(pk)

    def closed_one(self) -> bool:
        """Return whether an account that was asked for had no failure left."""
        return any(self._answers.values())

    def count(self, pks: Collection[Any]) -> None:
        """
        Count a failure for the name, if there is one, and for the accounts `pks`.

        An unknown name takes the time of an account. What an address sends beyond its own budget is compared with
        nothing, and does not count over all addresses: one address must not lock a user out everywhere.
        """
        budgets = [] if self._name is None else [(FailedLoginThrottle(), FailedNameThrottle())]
        # An unknown account has a budget only by its name: otherwise all sign-ins without a name would share one.
        nobody = [] if self._name is None else [None]
        for by_address, over_all in [*budgets, *map(self._budgets_of, pks or nobody)]:
            counted = by_address.failed(self._request, self._view)
            over_all.failed(self._request, self._view, counts=counted)

    def _budgets_of(self, pk: Any) -> tuple[FailedLoginThrottle, FailedNameThrottle]:
        account = f"nobody {self._name}" if pk is None else f"pk {pk}"
        return FailedLoginThrottle(account), FailedNameThrottle(account)


def login_name(request: Request, view: Any) -> str | None:
    """
    Return the login name of a sign-in, in the form that all its spellings share; None if there is none, or it can't be
    anybody's name.
    """
    note = note_on(request)
    if note.login_name is None:
        name = read_name(view.get_login_name(request))
        note.login_name = None if name is None else fold_name(name)
    return note.login_name


def budget_of(view: Any) -> str:
    """Return the prefix of the cache keys of a view's budgets."""
    name = getattr(view, "budget", "")  # a project's own view may have none
    return f"{name} " if name else ""


# The scopes whose rates DEFAULT_THROTTLE_RATES can change.
ADJUSTABLE = tuple(sorted(str(each.scope) for each in AddressThrottle.__subclasses__() if each is not LoginThrottle))
