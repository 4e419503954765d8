"""
Scopes (RFC 6749 section 3.3): what one may be called, and how several stand in a text. Pure.
"""

import re

_SCOPE = re.compile(r"[!#-\[\]-~]{1,255}")


def is_scope(value: object) -> bool:
    """Whether `value` is a single scope: printable ASCII without spaces, quotes and backslashes."""
    return isinstance(value, str) and _SCOPE.fullmatch(value) is not None


def parse_scope(scope: str) -> frozenset[str]:
    """The single scopes of a `scope`, which have one space between them; raise ValueError."""
    scopes = scope.split(" ") if scope else []
    if not all(map(is_scope, scopes)):
        raise ValueError("not scopes with one space between them")
    return frozenset(scopes)
