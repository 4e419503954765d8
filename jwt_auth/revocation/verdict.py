"""
The rule that says whether a genuine token is still welcome. Pure, and the only one: requests, refreshes
and introspection all ask it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from jwt_auth.claims import Claims, moment
from jwt_auth.exceptions import ExpiredTokenError, RevokedTokenError


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known about a token's session and principal. `cutoffs`: the user's and the global one."""

    token_denied: bool
    session_revoked: bool
    session_ends_at: datetime
    cutoffs: tuple[datetime | None, ...]
    principal_active: bool
    credentials_stale: bool


def verdict(claims: Claims, state: State | None, now: datetime) -> None:
    """
    Judge a token whose signature and claims were found good.

    Args:
        state: None when its session is not there.

    Raises:
        RevokedTokenError: when it was taken back.
        ExpiredTokenError: when its session is over.
    """
    if state is None:
        raise RevokedTokenError("there is no such session")
    if state.token_denied:
        raise RevokedTokenError("the token is denied")
    if state.session_revoked:
        raise RevokedTokenError("the session is revoked")
    if not state.principal_active:
        raise RevokedTokenError("the user is inactive")
    if is_before(claims, latest(state.cutoffs)):
        raise RevokedTokenError("the session began before the cutoff")
    if state.credentials_stale:
        raise RevokedTokenError("the password was changed since")
    if state.session_ends_at <= now:
        raise ExpiredTokenError("the session is over")


def latest(cutoffs: Iterable[datetime | None]) -> datetime | None:
    """The one cutoff that several levels make together."""
    return max((cutoff for cutoff in cutoffs if cutoff is not None), default=None)


def is_before(claims: Claims, cutoff: datetime | None) -> bool:
    """
    Whether a token falls to `cutoff`.

    A session's beginning decides, because each refresh brings a new `iat`. A token without one has only
    `iat`, in whole seconds: the second of the cutoff itself is refused with it.
    """
    if cutoff is None:
        return False
    if claims.auth_time is not None:
        return claims.auth_time < cutoff
    return moment(claims.iat) < _ceil(cutoff)


def _ceil(value: datetime) -> datetime:
    floor = value.replace(microsecond=0)
    return floor if floor == value else floor + timedelta(seconds=1)
