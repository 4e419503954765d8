"""
The requirements: scopes (RFC 6749 section 3.3), and the age, methods and level of the sign-in (RFC 9470).
"""

from abc import abstractmethod
from datetime import datetime, timedelta

from django.utils import timezone

from jwt_auth.claims import Claims, shown
from jwt_auth.conf.arguments import require_aware
from jwt_auth.exceptions import InsufficientScopeError, InsufficientUserAuthenticationError, JWTAuthError
from jwt_auth.jose.scopes import is_scope
from jwt_auth.permissions.combining import Requirement, joined

_SECOND = timedelta(seconds=1)


class HasScope(Requirement):
    """
    Require a token with all of `scopes`: `permission_classes = [HasScope("read")]`.

    Other requests get 403 `insufficient_scope`. A request without a token of this app, for example with a Django
    session, has no scope, regardless of the user. A token without a scope claim has none either.

    It can be used like a permission class, alone and with `&`, `|` and `~`.

    Raises:
        ValueError: without scopes, or for a text that is not a scope.
    """

    def __init__(self, *scopes: str) -> None:
        if not scopes or not all(map(is_scope, scopes)):
            raise ValueError("give at least one scope, each without spaces, quotes and backslashes")
        self.scopes = scopes

    def __repr__(self) -> str:
        return f"HasScope({', '.join(map(repr, self.scopes))})"

    def refusal(self, claims: Claims | None, now: datetime) -> JWTAuthError | None:
        fits = claims is not None and claims.scopes.issuperset(self.scopes)
        return None if fits else InsufficientScopeError(self.scopes)


class SignInRequirement(Requirement):
    """Base class of the permissions that judge the sign-in."""

    @abstractmethod
    def refusal(self, claims: Claims | None, now: datetime) -> InsufficientUserAuthenticationError | None: ...

    def check(self, claims: Claims | None, *, now: datetime | None = None) -> None:
        """
        Judge claims without DRF, as in consumers, GraphQL and plain views.

        Args:
            claims: those of a verified token; None without a token.
            now: aware; the current time if omitted.

        Raises:
            InsufficientUserAuthenticationError: if the sign-in is not as required, or the token says nothing about it.
            ValueError: for a naive `now`.
        """
        if now is not None:
            require_aware(now=now)
        if error := self.refusal(claims, now or timezone.now()):
            raise error


def demand(claims: Claims | None, *requirements: SignInRequirement) -> None:
    """
    Check all of `requirements`; see `check()`. One error names all that are not met.

    Raises:
        InsufficientUserAuthenticationError: if the sign-in is not as required, or the token says nothing about it.
    """
    now = timezone.now()
    errors = [error for each in requirements if (error := each.refusal(claims, now))]
    if errors:
        raise joined(*errors)


class SignedInWithin(SignInRequirement):
    """
    Require a sign-in that is not older: `permission_classes = [SignedInWithin(minutes=5)]`, or with a timedelta.

    A sign-in is as old as `auth_time` says, which a refresh does not change. Other requests get 401
    `insufficient_user_authentication` with `max_age` (RFC 9470 section 3). So does a request whose credential has no
    `auth_time`: a token of an API client, a Django session, and a token of another issuer that leaves the claim out.

    It can be used like a permission class, alone and with `&`, `|` and `~`.

    Raises:
        ValueError: for less than a second.
        TypeError: for anything other than a timedelta, or numbers of weeks, days, hours, minutes and seconds.
    """

    def __init__(
        self,
        age: timedelta | None = None,
        /,
        *,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        self.age = _age(age, weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)

    def __repr__(self) -> str:
        return f"SignedInWithin({self.age!r})"

    def refusal(self, claims: Claims | None, now: datetime) -> InsufficientUserAuthenticationError | None:
        if claims is None or claims.auth_time is None:
            reason = _absence(claims, "auth_time")
        # A time in the future is that of a clock that is ahead, and counts as now.
        elif now - claims.auth_time > self.age:
            age = int((now - claims.auth_time).total_seconds())
            reason = f"the sign-in is {age} s old, and at most {self._max_age} s are accepted"
        else:
            return None
        return InsufficientUserAuthenticationError(reason, max_age=self._max_age)

    @property
    def _max_age(self) -> int:
        return int(self.age.total_seconds())


class HasAMR(SignInRequirement):
    """
    Require a sign-in with all of these methods (RFC 8176): `permission_classes = [HasAMR("otp")]`.

    Other requests get 401 `insufficient_user_authentication`, with the methods in `amr_values`: a parameter of this
    app, because RFC 9470 has none for methods. So does a request whose credential has no `amr`.

    It can be used like a permission class, alone and with `&`, `|` and `~`: `HasAMR("otp") | HasAMR("hwk")` requires
    one of two methods.

    Raises:
        ValueError: without methods, or for a text that is no method.
    """

    def __init__(self, *methods: str) -> None:
        if not methods or not all(map(is_scope, methods)):
            raise ValueError('give at least one method without spaces, quotes and backslashes, such as "otp"')
        self.methods = methods

    def __repr__(self) -> str:
        return f"HasAMR({', '.join(map(repr, self.methods))})"

    def refusal(self, claims: Claims | None, now: datetime) -> InsufficientUserAuthenticationError | None:
        if claims is None or not claims.amr:
            reason = _absence(claims, "amr")
        elif not set(self.methods).issubset(claims.amr):
            reason = f"the sign-in's methods are {shown(claims.amr)}, and required are {shown(self.methods)}"
        else:
            return None
        return InsufficientUserAuthenticationError(reason, amr_values=self.methods)


class HasACR(SignInRequirement):
    """
    Require a sign-in at one of these levels, in order of preference: `permission_classes = [HasACR("gold", "silver")]`.

    Levels have no order, so name each level that is sufficient. Other requests get 401
    `insufficient_user_authentication` with `acr_values` (RFC 9470 section 3). So does a request whose credential has no
    `acr`.

    It can be used like a permission class, alone and with `&`, `|` and `~`.

    Raises:
        ValueError: without levels, or for a text that `acr_values` can't hold.
    """

    def __init__(self, *levels: str) -> None:
        if not levels or not all(map(is_scope, levels)):
            raise ValueError("give at least one level without spaces, quotes and backslashes")
        self.levels = levels

    def __repr__(self) -> str:
        return f"HasACR({', '.join(map(repr, self.levels))})"

    def refusal(self, claims: Claims | None, now: datetime) -> InsufficientUserAuthenticationError | None:
        if claims is None or claims.acr is None:
            reason = _absence(claims, "acr")
        elif claims.acr not in self.levels:
            reason = f"the sign-in's level is {shown([claims.acr])}, and accepted is {shown(self.levels)}"
        else:
            return None
        return InsufficientUserAuthenticationError(reason, acr_values=self.levels)


def _age(age: timedelta | None, **parts: float) -> timedelta:
    if not isinstance(age, timedelta | None) or not all(type(value) in (int, float) for value in parts.values()):
        names = ", ".join(parts)
        raise TypeError(f"give a timedelta, or numbers of {names}: SignedInWithin(minutes=5)")
    if age is not None and any(parts.values()):
        raise TypeError("give either a timedelta or numbers, not both")
    try:
        found = timedelta(**parts) if age is None else age
    except OverflowError as error:
        raise ValueError("SignedInWithin can't be that long") from error
    if found < _SECOND:
        raise ValueError("give the greatest age of a sign-in, at least one second: SignedInWithin(minutes=5)")
    return found


def _absence(claims: Claims | None, claim: str) -> str:
    return "no token of this app authenticated the request" if claims is None else f"the token has no {claim}"
