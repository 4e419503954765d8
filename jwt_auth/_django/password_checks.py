"""
The method by which users check a password, of all classes that define one.

Django's ModelBackend, and most others, call `user.check_password()`. No signal is sent before it, so the method is
replaced, once, in each class that defines it. A `check_password` that is no plain function is left as it is, and so
is `acheck_password`: nothing hears of their checks.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import isfunction
from typing import Any

_MARK = "jwt_auth_heard_by"


def hear_password_checks(models: Iterable[type[Any]], before: Callable[[Any], str | None]) -> None:
    """
    From now on, call `before` with the user before users of `models` check a password.

    Args:
        before: returns None, or a password to check instead of the one that was given.
    """
    for owner in {owner for model in models for owner in model.__mro__}:
        check = vars(owner).get("check_password")
        if isfunction(check) and not hasattr(check, _MARK):
            setattr(owner, "check_password", _heard(check, before))  # noqa: B010  # `type` has no such attribute


def _heard(check: Callable[..., Any], before: Callable[[Any], str | None]) -> Callable[..., Any]:
    @wraps(check)
    def check_password(self: Any, *args: Any, **kwargs: Any) -> Any:
        instead = before(self)
        if instead is None:
            return check(self, *args, **kwargs)
        if args:  # the password is the first one
            return check(self, instead, *args[1:], **kwargs)
        return check(self, **dict.fromkeys(kwargs, instead))

    setattr(check_password, _MARK, before)
    return check_password
