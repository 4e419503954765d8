"""
Refresh tokens: their format, and the rule for a token that was used before.

A refresh token carries a counter `k`; the session's row has the counter `n` of the newest token.

    case        condition                                       answer
    ---------   ---------------------------------------------   -----------------------------------------
    COALESCED   k == n > 0, rotated within the grace period     returns token n again; n stays
    FRESH       k == n otherwise                                n becomes n + 1; returns token n + 1
    RETRIED     k == n - 1, with the key of the rotation        returns token n; n stays
    GRACE       k == n - 1, rotated within the grace period     returns token n; n stays
    SHARED      as COALESCED or GRACE, but by another peer,     the session ends: a second peer follows each rotation
                in the third consecutive rotation
    REUSED      k <= n - 1 otherwise                            the session ends: two peers may hold its tokens
    AHEAD       k > n, with a valid signature                   the session ends: a leaked key, or a database
                                                                that was restored to an earlier state
    (refused)   session revoked, expired or before a cutoff,    refused by `verdict` before the case is
                user inactive, or password changed              determined

`retries` has the rule for RETRIED, and `sharing` that for SHARED. "Within the grace period" is bounded on both sides:
a rotation that another machine's clock has put into the future is tolerated for as long as one in the past, if it lies
ahead by LEEWAY at most.

A token is `<handle>.<counter>.<signature>`. The same row always gives the same token. The server therefore
stores no token, and can return the same successor again if an answer was lost or two requests came at once.
"""

import re
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

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
    RETRIED = auto()
    GRACE = auto()
    SHARED = auto()
    REUSED = auto()
    AHEAD = auto()


MISUSES = (Case.SHARED, Case.REUSED, Case.AHEAD)
TOLERATED = (Case.COALESCED, Case.GRACE)


def judge(
    presented: int,
    newest: int,
    rotated_at: datetime | None,
    now: datetime,
    grace: timedelta,
    *,
    arrived_at: datetime | None = None,
    has_key: bool = False,
) -> Case:
    """
    Return the case of a refresh token, whatever peer presents it. Pure.

    Args:
        presented: the counter of the token.
        newest: the counter of the session.
        rotated_at: the time of the session's last rotation; None if there was none.
        now: the time after the row was read; aware, as `rotated_at` is.
        grace: ROTATION_GRACE_PERIOD.
        arrived_at: the time of the request, if it has waited since.
        has_key: whether the request has the Idempotency-Key of that rotation.
    """
    asked_at = arrived_at or now
    in_grace = rotated_at is not None and asked_at - rotated_at < grace and rotated_at - now < grace
    if presented > newest:
        return Case.AHEAD
    if presented == newest:
        return Case.COALESCED if in_grace else Case.FRESH
    if presented == newest - 1 and has_key:
        return Case.RETRIED
    return Case.GRACE if presented == newest - 1 and in_grace else Case.REUSED


def case_of(
    presented: int,
    session: UserSession,
    now: datetime,
    *,
    arrived_at: datetime | None = None,
    retry: UUID | None = None,
) -> Case:
    """
    Return the case of a refresh token of `session`, which is live, whatever peer presents it.

    Args:
        presented, now, arrived_at: as for judge().
        retry: the digest of the request's Idempotency-Key.
    """
    has_key = retry is not None and retry == session.retry_digest
    rotated_at, grace = _past(session.rotated_at, now), get_settings().ROTATION_GRACE_PERIOD
    return judge(presented, session.counter, rotated_at, now, grace, arrived_at=arrived_at, has_key=has_key)


def _past(rotated_at: datetime | None, now: datetime) -> datetime | None:
    """Return the time of a rotation; None, which gives no grace, if it lies too far in the future to know its age."""
    if rotated_at is None or not wall_clock.is_ahead(rotated_at, now):
        return rotated_at
    wall_clock.warn("the last rotation of a refresh token", rotated_at, now)
    return None


def misuse_error(presented: int, session: UserSession, case: Case) -> RevokedTokenError:
    """Return the error for a case of MISUSES."""
    if case is Case.AHEAD:
        return RevokedTokenError(f"counter {presented} is ahead of {session.counter}")
    if case is Case.SHARED:
        reason = "two peers used the grace period of three consecutive rotations"
        return RefreshTokenReusedError(f"counter {presented}: {reason}")
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
