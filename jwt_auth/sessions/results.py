"""
The results of a sign-in and a refresh.
"""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A signed access token; `expires_in` is in seconds."""

    raw: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """
    The tokens that a sign-in or a refresh returns.

    `expires_in` and `refresh_expires_in` are in seconds.

    If the session is not persistent, its cookies end with the browser.
    """

    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)
    refresh_expires_in: int
    session_id: UUID
    is_persistent: bool = True
