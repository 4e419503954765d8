"""
The rule that decides whether a genuine token is accepted, expired or revoked.

It is pure, and the only such rule: requests, refreshes and introspection all use it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from jwt_auth.claims import Claims, later, moment
from jwt_auth.exceptions import (
    ExpiredTokenError,
    InactivePrincipalError,
    RevokedTokenError,
    StaleCredentialsError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """
    The facts about a token's session and principal. All times are aware.

    Args:
        token_denied: this one token was revoked, by its `jti`.
        session_revoked: the session was ended.
        session_ends_at: the end of the session, or of the key of the client that signed the token; None if it is not
            known. Without it a token is valid beyond the end of its session by the leeway at most.
        cutoffs: those of the user, of the client, and the global one.
        principal_active: the user and, for a client's token, the client are active.
        credentials_stale: the password is not that of the sign-in any more. Memory mode never knows that: a cutoff
            stands for it.
        key_revoked: the key that signed the token was revoked.
        key_outranked: the client's user has become staff or a superuser, for whom the key could not be issued.
        principal: the party that `principal_active` is about, for the log.
    """

    token_denied: bool
    session_revoked: bool
    session_ends_at: datetime | None
    cutoffs: tuple[datetime | None, ...]
    principal_active: bool
    credentials_stale: bool
    key_revoked: bool = False
    key_outranked: bool = False
    principal: str = "user"

    def joined(self, *others: "State") -> "State":
        """Join the facts of several sources about one token: it is refused if any of them refuses it."""
        states = (self, *others)
        return State(
            token_denied=any(state.token_denied for state in states),
            session_revoked=any(state.session_revoked for state in states),
            session_ends_at=min((end for state in states if (end := state.session_ends_at) is not None), default=None),
            cutoffs=tuple(cutoff for state in states for cutoff in state.cutoffs),
            principal_active=all(state.principal_active for state in states),
            credentials_stale=any(state.credentials_stale for state in states),
            key_revoked=any(state.key_revoked for state in states),
            key_outranked=any(state.key_outranked for state in states),
            principal=next((state.principal for state in states if not state.principal_active), self.principal),
        )


# The state that refuses nothing.
WELCOME = State(
    token_denied=False,
    session_revoked=False,
    session_ends_at=None,
    cutoffs=(),
    principal_active=True,
    credentials_stale=False,
)


def verdict(claims: Claims, state: State | None, now: datetime) -> None:
    """
    Raise an error if a token is refused, although its signature and its claims are valid.

    Args:
        state: None if its session does not exist.
        now: aware.

    Raises:
        RevokedTokenError: if it was revoked.
        ExpiredTokenError: if its session, or the client's key, has expired.
    """
    if state is WELCOME:  # the usual case in memory mode
        return
    if state is None:
        raise RevokedTokenError("there is no such session")
    if state.key_revoked:
        raise RevokedTokenError("the key is revoked")
    if state.key_outranked:
        raise RevokedTokenError("the key was issued before its user was promoted")
    if state.token_denied:
        raise RevokedTokenError("the token is denied")
    if state.session_revoked:
        raise RevokedTokenError("the session is revoked")
    if not state.principal_active:
        raise InactivePrincipalError(f"the {state.principal} is inactive")
    if refused_by_cutoff(claims, latest(state.cutoffs)):
        raise RevokedTokenError("the session began before the cutoff")
    if state.credentials_stale:
        raise StaleCredentialsError("the password was changed since")
    if state.session_ends_at is not None and state.session_ends_at <= now:
        raise ExpiredTokenError("the session, or the client's key, is over")


def latest(cutoffs: Iterable[datetime | None]) -> datetime | None:
    """Return the latest of several cutoffs, which is the one that counts; None if there is none."""
    newest = None
    for cutoff in cutoffs:  # max() over a generator needs three times as long, in each request
        if cutoff is not None and (newest is None or cutoff > newest):
            newest = cutoff
    return newest


def refused_by_cutoff(claims: Claims, cutoff: datetime | None) -> bool:
    """
    Return whether the token's session began before `cutoff`; False if there is none.

    The start of the session (`auth_time`) decides, because each refresh makes a new `iat`. A token without `auth_time`
    has only `iat`, in whole seconds: then a token from the second of the cutoff itself is refused, too.
    """
    if cutoff is None:
        return False
    if claims.auth_time is not None:
        return claims.auth_time < cutoff
    return is_from_before(moment(claims.iat), cutoff)


def is_from_before(issued_at: datetime, cutoff: datetime | None) -> bool:
    """
    Return whether a token that was issued in the second of `issued_at` may be older than `cutoff`.

    So a token from the second of the cutoff itself is, unless there is none.
    """
    return cutoff is not None and issued_at.replace(microsecond=0) < _ceil(cutoff)


def _ceil(value: datetime) -> datetime:
    floor = value.replace(microsecond=0)
    return floor if floor == value else later(floor, timedelta(seconds=1))
