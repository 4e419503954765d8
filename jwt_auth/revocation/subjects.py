"""
The names of revoked tokens, keys and sessions in the denylist. Pure.
"""

import re
import uuid
from functools import lru_cache

_SID = re.compile(r"[0-9a-f]{32}")


def token_subject(iss: str, jti: str) -> str:
    """Return the name of a single token in the denylist."""
    return f"{iss} {jti}"


def key_subject(iss: str, kid: str) -> str:
    """Return the name of a key in the denylist."""
    return f"{iss} {kid}"


@lru_cache(maxsize=4096)  # memory mode asks for the same sessions in request after request
def is_sid(sid: str | None) -> bool:
    """Return whether `sid` is in the one spelling that we issue. Any other would escape a denylist."""
    return sid is not None and _SID.fullmatch(sid) is not None


def parse_sid(sid: str | None) -> uuid.UUID | None:
    """Return the UUID of a `sid` that is in the one spelling that we issue, else None."""
    return uuid.UUID(hex=sid) if is_sid(sid) else None
