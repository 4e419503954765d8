"""
Strict parsers for base64url and JSON: ambiguous input raises ValueError.

A second spelling of a token would escape a denylist, and attackers can exploit two parsers that read one
document differently (RFC 8725 section 2.4; RFC 7519 section 4).
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

MAX_DEPTH = 32

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
# May be half of a surrogate pair: legal in JSON, but no database and no header can hold it.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def base64url_encode(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def base64url_decode(text: str) -> bytes:
    """Decode `text`, which must have no padding and no stray bits (RFC 4648 section 3.5); raise ValueError."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError("not base64url")
    value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url_encode(value) != text:
        raise ValueError("not canonical base64url")
    return value


def json_object(document: bytes) -> dict[str, Any]:
    """
    Parse a JSON object: UTF-8 without a BOM, no duplicate names, no NaN or Infinity, at most 32 levels.

    Raises:
        ValueError: for anything else.
    """
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None  # its own text would repeat a byte
    if text.startswith("\ufeff"):
        raise ValueError("byte order mark")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    _check_depth(value, MAX_DEPTH)
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_depth(value: object, levels: int) -> None:
    if isinstance(value, dict | list):
        if not levels:
            raise ValueError("nested too deeply")
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, levels - 1)
