"""
The mechanics of permissions with arguments: DRF's lists, `&`, `|` and `~`, and the refusal with its challenge.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import async_to_sync
from django.utils import timezone
from rest_framework.permissions import (
    NOT,
    BasePermission,
    BasePermissionMetaclass,
    OperandHolder,
    SingleOperandHolder,
)
from rest_framework.request import Request

from jwt_auth.authentication import claims_of
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.claims import Claims
from jwt_auth.exceptions import InsufficientUserAuthenticationError, JWTAuthError
from jwt_auth.http.logs import log_refusal
from jwt_auth.http.plain import plain

if TYPE_CHECKING:
    from typing_extensions import Self

_Question: TypeAlias = Callable[[Any], bool]


class _Item(BasePermissionMetaclass, OperandHolder, SingleOperandHolder):
    """
    An item of DRF's lists of permissions. These lists have classes, so each instance of it is a class.

    DRF's own combinations refuse a request without a reason, and so without a challenge. Those of this module are used
    wherever one operand is of this class, also by `IsAuthenticated & HasScope("read")`: Python asks the right operand
    first if its type is derived from the type of the left one. Hence the three base classes: they are the types of all
    the operands that DRF knows.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> "Self":  # type: ignore[misc]  # mypy has no Self for metaclasses
        return super().__new__(cls, cls.__name__, (BasePermission,), {})

    # DRF's own methods would compare operands.
    __eq__ = type.__eq__
    __hash__ = type.__hash__

    def __and__(self, other: Any) -> OperandHolder:
        return _Combination(_Both, self, other)

    def __rand__(self, other: Any) -> OperandHolder:
        return _Combination(_Both, other, self)

    # mypy: for other classes `|` makes a union of types.
    def __or__(self, other: Any) -> OperandHolder:  # type: ignore[override]  # see above
        return _Combination(_Either, self, other)

    def __ror__(self, other: Any) -> OperandHolder:  # type: ignore[override]  # see above
        return _Combination(_Either, other, self)

    def __invert__(self) -> SingleOperandHolder:
        return _Combination(NOT, self)


class Requirement(_Item):
    """Base class of permissions with arguments that judge a token's claims."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return a permission for one request, as DRF instantiates permission classes."""
        return _Single(self)

    # Returns the reason to refuse a request with these claims at `now`; None to accept it.
    @abstractmethod
    def refusal(self, claims: Claims | None, now: datetime) -> JWTAuthError | None: ...


class _Combination(_Item):
    def __init__(self, operator: Callable[..., Any], *operands: Any) -> None:
        self._operator = operator
        self._operands = operands

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._operator(*(operand() for operand in self._operands))


class _Permission(BasePermission):
    """
    A permission of one request, which knows why it refused that request.

    DRF reads `message` only after a refusal by the whole item of the list. DRF's own error can't carry the challenge,
    so ours is raised there: raising earlier would break `|` and `~`. An unauthenticated request gets DRF's 401.
    """

    # The reason for the last answer; None for an acceptance, and if another class refused.
    error: JWTAuthError | None = None

    _asked: tuple[Request, Any] | None = None

    @property
    def message(self) -> None:
        if self.error is None or self._asked is None or self._asked[0].successful_authenticator is None:
            return
        request, view = self._asked
        error = self.error
        if isinstance(error, InsufficientUserAuthenticationError):
            error = joined(error, *_others_unmet(request, view))
            log_refusal(error, plain(request))
        raise as_api_exception(error)


class _Single(_Permission):
    def __init__(self, requirement: Requirement) -> None:
        self._requirement = requirement

    def has_permission(self, request: Request, view: Any) -> bool:
        self._asked = request, view
        self.error = self._requirement.refusal(claims_of(request), timezone.now())
        return self.error is None

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        return self.has_permission(request, view)


class _Pair(_Permission):
    def __init__(self, first: Any, second: Any) -> None:
        self._first, self._second = first, second

    def has_permission(self, request: Request, view: Any) -> bool:
        self._asked = request, view
        return self._is_met(lambda each: _awaited(each.has_permission(request, view)))

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        self._asked = request, view
        return self._is_met(lambda each: _awaited(each.has_object_permission(request, view, obj)))

    # Returns whether the operands are as required, by their answers to `question`; sets `error`.
    @abstractmethod
    def _is_met(self, question: _Question) -> bool: ...


class _Both(_Pair):
    """The first operand that refuses decides the answer; if another sign-in could help, the second adds its own."""

    def _is_met(self, question: _Question) -> bool:
        self.error = None
        if question(self._first):
            if question(self._second):
                return True
            self.error = _error_of(self._second)
            return False
        self.error = _error_of(self._first)
        if isinstance(self.error, InsufficientUserAuthenticationError) and isinstance(self._second, _Permission):
            question(self._second)
            if isinstance(self._second.error, InsufficientUserAuthenticationError):
                self.error = joined(self.error, self._second.error)
        return False


class _Either(_Pair):
    """If both operands refuse, the answer is that of the first one that another sign-in could satisfy, if any."""

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        self._asked = request, view
        # As DRF does: an operand that refused the view must not accept the object.
        return self._is_met(
            lambda each: (
                _awaited(each.has_permission(request, view))
                and _awaited(each.has_object_permission(request, view, obj))
            )
        )

    def _is_met(self, question: _Question) -> bool:
        self.error = None
        if question(self._first) or question(self._second):
            return True
        errors = [error for each in (self._first, self._second) if (error := _error_of(each))]
        of_sign_ins = [error for error in errors if isinstance(error, InsufficientUserAuthenticationError)]
        self.error = next(iter([*of_sign_ins, *errors]), None)
        return False


def _awaited(answer: Any) -> bool:
    """Return the answer of a permission. One of adrf may return a coroutine, which would count as true."""
    return bool(async_to_sync(_result_of)(answer) if isawaitable(answer) else answer)


async def _result_of(answer: Awaitable[Any]) -> Any:
    return await answer


def _error_of(permission: Any) -> JWTAuthError | None:
    return permission.error if isinstance(permission, _Permission) else None


def _others_unmet(request: Request, view: Any) -> Iterator[InsufficientUserAuthenticationError]:
    """Yield what the items of the view's list miss in the sign-in, so that one new sign-in is enough for all."""
    for permission in view.get_permissions():
        if isinstance(permission, _Permission) and not permission.has_permission(request, view):
            error = permission.error
            if isinstance(error, InsufficientUserAuthenticationError):
                yield error


def joined(
    first: InsufficientUserAuthenticationError, *others: InsufficientUserAuthenticationError
) -> InsufficientUserAuthenticationError:
    """
    Return one error with all requirements, so that one new sign-in is enough.

    If no level satisfies all of them, only those of the first error that has any are named.
    """
    errors = (first, *others)
    levels: tuple[str, ...] = ()
    for error in errors:
        common = tuple(level for level in levels if level in error.acr_values)
        levels = common or levels or error.acr_values
    ages = [error.max_age for error in errors if error.max_age is not None]
    return InsufficientUserAuthenticationError(
        "; ".join(dict.fromkeys(error.reason for error in errors)),
        max_age=min(ages, default=None),
        acr_values=levels,
        amr_values=tuple(dict.fromkeys(method for error in errors for method in error.amr_values)),
    )
