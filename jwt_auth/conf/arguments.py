"""
Checks of the arguments of public functions: a mistake of the caller ends before anything is written. Pure.

Only types are told, no values: an argument in the wrong place may be a token or a password.
"""

from datetime import datetime
from typing import Any

from django.utils.functional import Promise


def require(value: object, name: str, kind: type, how: str = "") -> None:
    """
    Check that an argument has the type that its annotation says.

    Args:
        how: how to get such a value, for the message.

    Raises:
        TypeError: if it has another one.
    """
    if not isinstance(value, kind):
        text = f"{name} must be of type {kind.__name__}, not {type(value).__name__}"
        raise TypeError(f"{text}: {how}" if how else text)


def require_text(value: object, name: str) -> None:
    """Check that an argument for people is a str, or a lazy translation, which becomes one when it is written."""
    if not isinstance(value, Promise):
        require(value, name, str)


def require_aware(**moments: Any) -> None:
    """
    Check that each argument is an aware datetime, or None.

    Raises:
        TypeError: if one is something else.
        ValueError: if one is a naive datetime, which would be off by the hours of the time zone.
    """
    for name, moment in moments.items():
        if moment is None:
            continue
        require(moment, name, datetime)
        if moment.utcoffset() is None:
            raise ValueError(f"{name} must be an aware datetime: django.utils.timezone.now() returns one")


def require_record(reason: object, **moments: Any) -> None:
    """Check what is recorded of a revocation: see require() and require_aware()."""
    require_text(reason, "reason")
    require_aware(**moments)
