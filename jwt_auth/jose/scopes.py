"""
The syntax of scopes (RFC 6749 section 3.3): of a single one, and of several in one string. Pure.
"""

import re

_SCOPE = re.compile(r"[!#-\[\]-~]{1,255}")


def is_scope(value: object) -> bool:
    """Return whether `value` is a single scope: printable ASCII without spaces, quotes and backslashes."""
    return isinstance(value, str) and _SCOPE.fullmatch(value) is not None


def parse_scope(scope: str) -> frozenset[str]:
    """Split `scope` into single scopes, which must have one space between them; raise ValueError."""
    scopes = scope.split(" ") if scope else []
    if not all(map(is_scope, scopes)):
        raise ValueError("not scopes with one space between them")
    return frozenset(scopes)
