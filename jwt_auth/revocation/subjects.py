"""
How the denylist names what is revoked. Pure.
"""

import uuid


def token_subject(iss: str, jti: str) -> str:
    """How a single token is named in the denylist."""
    return f"{iss} {jti}"


def key_subject(iss: str, kid: str) -> str:
    """How a key is named in the denylist."""
    return f"{iss} {kid}"


def parse_sid(sid: str | None) -> uuid.UUID | None:
    """A `sid` in the one spelling that we issue, or None."""
    try:
        parsed = uuid.UUID(hex=sid)
    except (ValueError, TypeError, AttributeError):
        return None
    return parsed if parsed.hex == sid else None
