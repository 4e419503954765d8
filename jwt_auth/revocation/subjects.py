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


@lru_cache(maxsize=4096)  # the same sessions send many requests
def parse_sid(sid: str | None) -> uuid.UUID | None:
    """Return the UUID of a `sid` in the spelling that we issue, else None: other spellings would escape a denylist."""
    return uuid.UUID(hex=sid) if sid is not None and _SID.fullmatch(sid) else None
