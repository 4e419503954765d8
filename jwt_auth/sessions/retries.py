"""
Retries: the proof that a request repeats one whose answer was lost.

A client may send a random Idempotency-Key with a refresh, and the same key again if no answer comes. Nobody else
knows the key, not even a thief with the refresh token. The row keeps a digest of the key of the newest rotation.
"""

import hashlib
import re
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

from jwt_auth.exceptions import IdempotencyKeyError
from jwt_auth.models import UserSession

# 22 characters of base64url have room for 128 random bits, and a UUID of version 4, which has 122, fits too. The
# quotation marks are those of a structured field (RFC 9651).
_KEY = re.compile(r'("?)([A-Za-z0-9_-]{22,128})\1')


@sensitive_variables("key")
def digest_of(key: str, handle: str) -> UUID:
    """
    Return the digest of an Idempotency-Key for the session `handle`.

    Raises:
        IdempotencyKeyError: if the key could be guessed, or is not in base64url.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise IdempotencyKeyError("the key is not 22 to 128 characters of base64url")
    sha256 = hashlib.sha256(f"{handle}.{match[2]}".encode()).digest()
    # With a valid version, because MariaDB stores no other UUIDs.
    return UUID(bytes=sha256[:16], version=4)


def refuse_repeated(retry: UUID | None, session: UserSession) -> None:
    """
    Raise IdempotencyKeyError if the rotation before had the same key.

    A client that never changed its key would keep it beside the refresh token, and a thief would copy both.
    """
    if retry is not None and retry == session.retry_digest:
        raise IdempotencyKeyError("the key is that of the exchange before")
