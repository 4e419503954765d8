"""
Extensions of sessions by packages in `contrib`: other claims in access tokens, and tokens of another package that are
still accepted while a project moves here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from jwt_auth.http.peer import Peer
from jwt_auth.models import UserSession
from jwt_auth.sessions.results import TokenPair


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerContent:
    """
    The content of a token of another package, whose signature is good; its state is not checked.

    Args:
        token_type: the other package's name for its type.
        is_access: whether requests can be sent with it.
        is_exchanged: whether it can be exchanged for a session.
        user: the user; None if there is none any more.
        sid: the id of the session that it was, or may be, exchanged for.
        claims: all its claims.
        kept: those of them that this session keeps.
    """

    token_type: str
    is_access: bool
    is_exchanged: bool
    user: Any = field(repr=False)
    sid: UUID
    claims: Mapping[str, Any] = field(repr=False)
    kept: Mapping[str, Any] = field(repr=False)


class Extension:
    """The additions of one package in `contrib`. Its methods are called even if the project does not use it."""

    def claims(self, session: UserSession) -> Mapping[str, Any]:
        """Return claims for the access tokens of `session`, beside those of CLAIMS_CALLABLE, which come first."""
        return {}

    def refresh(self, raw: str, *, peer: Peer | None, now: datetime | None) -> TokenPair | None:
        """
        Exchange a former refresh token for the tokens of a session; return None if `raw` is no such token.

        Raises:
            TokenError: if it is one, and is refused.
        """
        return None

    def check(self, raw: str, *, now: datetime | None) -> bool:
        """
        Return whether `raw` is a former refresh token that could be exchanged, or has just been; change nothing.

        Raises:
            TokenError: if it is one, and an exchange is refused.
        """
        return False

    def read(self, raw: str, *, now: datetime | None) -> FormerContent | None:
        """
        Return what is in a former token, of any type and any age; None if `raw` is no such token.

        Raises:
            InvalidTokenError: if its signature, or what it says, is wrong.
        """
        return None

    def end(self, raw: str, *, reason: str, now: datetime | None) -> UUID | None:
        """Revoke a former token, and end the session that it was exchanged for; None if `raw` is no such token."""
        return None


_extensions: list[Extension] = []


def connect_extension(extension: Extension) -> None:
    _extensions.append(extension)


def further_claims(session: UserSession) -> dict[str, Any]:
    """Return the claims of all extensions for the access tokens of `session`."""
    return {name: value for extension in _extensions for name, value in extension.claims(session).items()}


def refresh_former(raw: str, *, peer: Peer | None, now: datetime | None) -> TokenPair | None:
    """Exchange a refresh token of another package; return None if it is of none. See `Extension.refresh`."""
    pairs = (extension.refresh(raw, peer=peer, now=now) for extension in _extensions)
    return next((pair for pair in pairs if pair is not None), None)


def check_former(raw: str, *, now: datetime | None = None) -> bool:
    """Return whether `raw` is a valid refresh token of another package. See `Extension.check`."""
    return any(extension.check(raw, now=now) for extension in _extensions)


def read_former(raw: str, *, now: datetime | None = None) -> FormerContent | None:
    """Return what is in a token of another package; None if it is of none. See `Extension.read`."""
    contents = (extension.read(raw, now=now) for extension in _extensions)
    return next((content for content in contents if content is not None), None)


def end_former(raw: str, *, reason: str, now: datetime | None) -> UUID | None:
    """Revoke a token of another package; return None if it is of none. See `Extension.end`."""
    sids = (extension.end(raw, reason=reason, now=now) for extension in _extensions)
    return next((sid for sid in sids if sid is not None), None)
