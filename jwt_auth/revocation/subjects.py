"""
The names of revoked tokens, keys and sessions in the denylist. Pure.
"""

import uuid


def token_subject(iss: str, jti: str) -> str:
    """Return the name of a single token in the denylist."""
    return f"{iss} {jti}"


def key_subject(iss: str, kid: str) -> str:
    """Return the name of a key in the denylist."""
    return f"{iss} {kid}"


def parse_sid(sid: str | None) -> uuid.UUID | None:
    """Return the UUID of a `sid` that is in the one spelling that we issue, else None."""
    try:
        parsed = uuid.UUID(hex=sid)
    except (ValueError, TypeError, AttributeError):
        return None
    return parsed if parsed.hex == sid else None
