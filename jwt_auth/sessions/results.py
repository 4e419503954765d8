"""
The results of a sign-in and a refresh.
"""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """
    A signed access token without a refresh token, for a client that has one.

    `expires_in` is in seconds, and so is `refresh_expires_in`: the session ends then unless it is refreshed.

    If the session is not persistent, its cookies end with the browser.
    """

    raw: str = field(repr=False)
    expires_in: int
    refresh_expires_in: int
    is_persistent: bool = True


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
