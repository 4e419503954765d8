"""
Refresh tokens: their format, and the rule for a token that was used before.

A refresh token carries a counter `k`; the session's row has the counter `n` of the newest token.

    case        condition                                       answer
    ---------   ---------------------------------------------   -----------------------------------------
    COALESCED   k == n > 0, rotated within the grace period     returns token n again; n stays
    FRESH       k == n otherwise                                n becomes n + 1; returns token n + 1
    GRACE       k == n - 1, rotated within the grace period     returns token n; n stays
    REUSED      k <= n - 1 otherwise                            the session ends: two parties may hold its tokens
    AHEAD       k > n, with a valid signature                   the session ends: a leaked key, or a database
                                                                that was restored to an earlier state
    (refused)   session revoked, expired or before a cutoff,    refused by `verdict` before the case is
                user inactive, or password changed              determined

A token is `<handle>.<counter>.<signature>`. The same row always gives the same token. The server therefore
stores no token, and can return the same successor again if an answer was lost or two requests came at once.
"""

import re
from datetime import datetime, timedelta
from enum import Enum, auto

from django.core.signing import BadSignature, Signer
from django.views.decorators.debug import sensitive_variables

from jwt_auth.conf import get_settings
from jwt_auth.exceptions import MalformedTokenError, RefreshTokenReusedError, RevokedTokenError
from jwt_auth.keyring.configured import refresh_keys
from jwt_auth.models import UserSession
from jwt_auth.revocation import database, wall_clock

_REFRESH_TOKEN = re.compile(r"[0-9a-f]{32}\.[0-9]{1,10}\.[A-Za-z0-9_-]{43}")


class Case(Enum):
    """The case of a refresh token whose session is live; the table above has the consequences."""

    FRESH = auto()
    COALESCED = auto()
    GRACE = auto()
    REUSED = auto()
    AHEAD = auto()


MISUSES = (Case.REUSED, Case.AHEAD)


def judge(presented: int, newest: int, rotated_at: datetime | None, now: datetime, grace: timedelta) -> Case:
    """
    Return the case of a refresh token. Pure.

    Args:
        presented: the counter of the token.
        newest: the counter of the session.
        rotated_at: the time of the session's last rotation; None if there was none.
        now: aware, as `rotated_at` is.
        grace: ROTATION_GRACE_PERIOD.
    """
    in_grace = rotated_at is not None and now - rotated_at < grace
    if presented > newest:
        return Case.AHEAD
    if presented == newest:
        return Case.COALESCED if in_grace else Case.FRESH
    return Case.GRACE if presented == newest - 1 and in_grace else Case.REUSED


def case_of(presented: int, session: UserSession, now: datetime) -> Case:
    """Return the case of a refresh token of `session`, which is live."""
    return judge(presented, session.counter, _past(session.rotated_at, now), now, get_settings().ROTATION_GRACE_PERIOD)


def _past(rotated_at: datetime | None, now: datetime) -> datetime | None:
    """Return the time of a rotation; None if it lies in the future, so that its age is unknown: there is no grace."""
    if rotated_at is None or not wall_clock.is_ahead(rotated_at, now):
        return rotated_at
    wall_clock.warn("the last rotation of a refresh token", rotated_at, now)
    return None


def misuse_error(presented: int, session: UserSession, case: Case) -> RevokedTokenError:
    """Return the error for a case of MISUSES."""
    if case is Case.AHEAD:
        return RevokedTokenError(f"counter {presented} is ahead of {session.counter}")
    return RefreshTokenReusedError(f"counter {presented} was used before, now {session.counter}")


def refuse_misuse(presented: int, session: UserSession, now: datetime) -> None:
    """Raise the error that `refresh` would raise for misuse, but don't end the session. For read-only checks."""
    case = case_of(presented, session, now)
    if case in MISUSES:
        raise misuse_error(presented, session, case)


# Format and signature


def is_shaped_like_a_refresh_token(raw: str) -> bool:
    """Return whether `raw` has the form of a refresh token. The signature is not checked."""
    return _REFRESH_TOKEN.fullmatch(raw) is not None


@sensitive_variables("raw")
def find(raw: str) -> tuple[UserSession | None, int]:
    """
    Return the session of a refresh token, loaded for `database.state_of`, and the token's counter.

    Raises:
        MalformedTokenError: if `raw` is not a refresh token of ours.
    """
    handle, presented = unsign(raw)
    return database.find_by_handle(handle), presented


def sign(session: UserSession) -> str:
    """Return the newest refresh token of `session`."""
    return _signer().sign(f"{session.handle}.{session.counter}")


@sensitive_variables("raw")
def unsign(raw: str) -> tuple[str, int]:
    """
    Return the handle of the session, and the counter, of a refresh token.

    Raises:
        MalformedTokenError: if `raw` is not a refresh token of ours.
    """
    if not _REFRESH_TOKEN.fullmatch(raw):
        raise MalformedTokenError("not a refresh token")
    try:
        handle, counter = _signer().unsign(raw).split(".")
    except BadSignature:
        raise MalformedTokenError("the refresh token's signature is wrong") from None
    return handle, int(counter)


def _signer() -> Signer:
    key, *fallbacks = refresh_keys()
    return Signer(key=key, fallback_keys=list[bytes | str](fallbacks), salt="jwt_auth.refresh", sep=".")
