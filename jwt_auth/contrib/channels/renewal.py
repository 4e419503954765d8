"""
In-band renewal: before its token expires, a client sends a new access token, or a ticket, in a text message.

    {"type": "jwt_auth.renew", "token": "<access token or ticket>"}

The message is answered, and never reaches the application:

    {"type": "jwt_auth.renewed", "expires_in": 300}
    {"type": "jwt_auth.refused", "code": "token_expired"}
"""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from django.views.decorators.debug import sensitive_variables

from jwt_auth.contrib.channels.credentials import Credential, from_ticket
from jwt_auth.exceptions import MalformedTokenError
from jwt_auth.jose import tokens

# In characters. A longer message is for the application, and is not parsed here.
MAX_LENGTH = 2 * tokens.MAX_LENGTH

# The third refusal closes the socket.
MAX_REFUSALS = 3

# More attempts in a minute close the socket, because each one verifies a signature.
MAX_ATTEMPTS, PERIOD = 10, 60.0

_TYPE = "jwt_auth.renew"
_MARK = f'"{_TYPE}"'


def renewal_in(text: str | None) -> dict[str, Any] | None:
    """Return the renewal in a message; None if the message is for the application, which costs one text search."""
    if text is None or len(text) > MAX_LENGTH or _MARK not in text:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document.get("type") == _TYPE else None


@sensitive_variables()
def credential_in(renewal: Mapping[str, Any]) -> Credential:
    """Return the access token or the ticket of a renewal, or raise TokenError. Only access tokens contain dots."""
    raw = renewal.get("token")
    if not isinstance(raw, str):
        raise MalformedTokenError("the renewal has no token")
    return Credential(access_token=raw) if "." in raw else from_ticket(raw)


class Attempts:
    """Counts the renewals of one socket: each takes time, and a refused one may be a guess."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MAX_ATTEMPTS)
        self._refusals = 0

    def are_too_many(self, now: float) -> bool:
        """Count an attempt at the time `now`, in seconds of any clock; return whether it exceeds the limit."""
        full = len(self._times) == MAX_ATTEMPTS and now - self._times[0] < PERIOD
        self._times.append(now)
        return full

    def refused(self) -> bool:
        """Count a refusal; return whether it is the last one."""
        self._refusals += 1
        return self._refusals >= MAX_REFUSALS
