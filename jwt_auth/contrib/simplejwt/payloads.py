"""
The claims of a token before its session has begun, and the lifetimes of the classes of tokens.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from jwt_auth.conf import get_settings

# Claims that a token has as soon as its session has begun, and that code may change.
TIMED = ("exp", "iat", "jti")


class Payload(dict[str, Any]):
    """
    The claims of a token.

    Args:
        fill: adds the claims of TIMED; it is called when one of them is read.
    """

    def __init__(self, fill: Callable[[], None]) -> None:
        super().__init__()
        self._fill = fill

    def __missing__(self, name: str) -> Any:
        if name in TIMED:
            self._fill()
            if name in self.keys():  # `in self` is always true for these
                return self[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in TIMED or super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def present(self, name: str) -> Any:
        """Return the claim `name` without filling it in; None if it is not there yet."""
        return super().get(name)


class SetLifetime:
    """The lifetime of a class of tokens, from a setting that is read at each access."""

    def __init__(self, setting: str) -> None:
        self._setting = setting

    def __get__(self, instance: object, owner: type) -> timedelta:
        lifetime: timedelta = getattr(get_settings(), self._setting)
        return lifetime


def lifetime_is_set(kind: type) -> bool:
    """Return whether a class of tokens has the lifetime of the settings, and not its own."""
    definer = next(base for base in kind.__mro__ if "lifetime" in vars(base))
    return isinstance(vars(definer)["lifetime"], SetLifetime)
