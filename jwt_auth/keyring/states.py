"""
The states of a signing key, for KEYS = "database": their meaning, and the earliest time to leave each.

    state       meaning                             next state, and the earliest time
    ---------   ---------------------------------   ------------------------------------------------------------
    STANDBY     is published, so that verifiers     active, when every verifier can know it (PUBLISHED_AFTER);
                learn it; signs nothing             revoked, at any time: it has signed nothing
    ACTIVE      is published, and signs; there is   retiring, when another key takes over
                at most one
    RETIRING    is published, so that the tokens    revoked, when the last token that it signed has expired
                it signed stay valid; its private   (`dead_at`)
                half is deleted
    REVOKED     is not published; none of its       none
                tokens is accepted

A key never returns to an earlier state. `jwt_auth.signing_keys` moves keys from state to state; in an emergency it
does not wait.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone as timezones
from math import ceil

from jwt_auth.conf import get_settings
from jwt_auth.conf.audiences import MAX_SERVICE_TOKEN_LIFETIME
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.exceptions import DecryptionError, JWTAuthError
from jwt_auth.keyring.stored import JWKS_MAX_AGE, private_key
from jwt_auth.models import SigningKey

State = SigningKey.State

# Verifiers may keep the key set for JWKS_MAX_AGE; our own processes read their keys once a minute. The rest is
# for a fetch that fails and is tried again, and for clocks that differ.
PUBLISHED_AFTER = JWKS_MAX_AGE + timedelta(minutes=2)


class KeyStateError(JWTAuthError):
    """
    Raised when a key can't be moved to another state, or not yet.

    Args:
        message: a sentence that says why, and when it becomes possible.
        possible_at: the time when it becomes possible; None if never, or if it does not depend on time.
    """

    def __init__(self, message: str, possible_at: datetime | None = None) -> None:
        super().__init__(message)
        self.possible_at = possible_at


# Times


def ready_at(key: SigningKey) -> datetime:
    """Return the time from which every verifier can know a standby key."""
    return key.created_at + PUBLISHED_AFTER


def dead_at(retired_at: datetime) -> datetime:
    """Return when the last token of a key that retired at `retired_at` has expired, by every machine's clock."""
    settings = get_settings()
    # Service tokens are the longest-lived of the other kinds that our keys sign.
    longest = max(settings.ACCESS_TOKEN_LIFETIME, MAX_SERVICE_TOKEN_LIFETIME)
    # A process that does not know yet that the key was retired may still have signed with it.
    return retired_at + longest + settings.REVOCATION_MAX_STALENESS + 2 * MAX_LEEWAY


# The next step


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One move of a rotation.

    Args:
        move: "create", "activate" or "revoke".
        key: the key to move; None for one that is to be created.
        at: the earliest time; None for at once.
    """

    move: str
    key: SigningKey | None = None
    at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Return whether the step is possible at `now`."""
        return self.at is None or self.at <= now


def next_step(keys: Iterable[SigningKey], now: datetime, every: timedelta = timedelta(0)) -> Step:
    """
    Return the next step of a rotation; a rotation is completed before another one begins. No query.

    Args:
        every: the age of the active key at which another rotation begins.
    """
    rows = sorted(keys, key=lambda row: row.created_at)
    standby = [row for row in rows if row.state == State.STANDBY]
    retiring = [row for row in rows if row.state == State.RETIRING]
    active = next((row for row in rows if row.state == State.ACTIVE), None)
    if active is None:
        return Step(move="activate", key=standby[0]) if standby else Step(move="create")
    steps = [Step(move="revoke", key=row, at=dead_at(row.retired_at or now)) for row in retiring]
    steps += [Step(move="activate", key=row, at=ready_at(row)) for row in standby[:1]]
    due = [step for step in steps if step.is_due(now)]
    return (due or steps or [Step(move="create", at=(active.activated_at or now) + every)])[0]


# Guards


def check_activation(row: SigningKey, active: SigningKey | None, *, emergency: bool, now: datetime) -> None:
    """Raise KeyStateError if `row` can't take over from `active`, or can't yet."""
    if row.state == State.ACTIVE:
        raise KeyStateError(f"Key {row.kid} is active already.")
    if row.state != State.STANDBY:
        raise KeyStateError(f"Key {row.kid} is {row.state}, and can't become active again. Create a new one.")
    # Without an active key no token is signed at all: there is nothing to wait for.
    if active is not None and not emergency and now < ready_at(row):
        raise KeyStateError(
            f"Key {row.kid} was published at {_moment(row.created_at)}, and verifiers may not know it yet. "
            f"It can be activated from {_moment(ready_at(row))} on, {describe_wait(ready_at(row) - now)}.",
            ready_at(row),
        )
    try:
        private_key(row)
    except DecryptionError:
        raise KeyStateError(
            f"Key {row.kid} can't be decrypted, and so can't sign. Restore the missing key of ENCRYPTION_KEYS, "
            "or create another signing key."
        ) from None
    except ValueError:
        raise KeyStateError(f"Key {row.kid} is broken, and so can't sign. Create another key.") from None


def check_revocation(row: SigningKey, *, emergency: bool, now: datetime) -> None:
    """Raise KeyStateError if `row` can't be revoked, or can't yet."""
    if row.state == State.REVOKED:
        raise KeyStateError(f"Key {row.kid} was revoked at {_moment(row.revoked_at)}.")
    if emergency or row.state == State.STANDBY:
        return
    if row.state == State.ACTIVE:
        possible_at = dead_at(now)
        raise KeyStateError(
            f"Key {row.kid} is active: its tokens would be refused. Retire it first; if you do so now, it can be "
            f"revoked from {_moment(possible_at)} on, {describe_wait(possible_at - now)}.",
            possible_at,
        )
    if now < (possible_at := dead_at(row.retired_at or now)):
        raise KeyStateError(
            f"Key {row.kid} retired at {_moment(row.retired_at)}, and tokens that it signed may still be valid. "
            f"It can be revoked from {_moment(possible_at)} on, {describe_wait(possible_at - now)}.",
            possible_at,
        )


def check_is_active(key: SigningKey) -> None:
    """
    Raises:
        KeyStateError: when `key` is not the active key, so that it can't be retired.
    """
    if key.state != State.ACTIVE:
        raise KeyStateError(f"Key {key.kid} is {key.state}: only the active key can be retired.")


def no_successor(now: datetime) -> KeyStateError:
    """Return the error for a key that can't retire at `now`, because no standby key can take over."""
    possible_at = now + PUBLISHED_AFTER
    return KeyStateError(
        "There is no standby key to take over. Create one; it can be activated from "
        f"{_moment(possible_at)} on, {describe_wait(PUBLISHED_AFTER)}.",
        possible_at,
    )


def _moment(moment: datetime | None) -> str:
    return "an unknown time" if moment is None else f"{moment.astimezone(timezones.utc):%Y-%m-%d %H:%M:%S} UTC"


def describe_wait(distance: timedelta) -> str:
    """Return a waiting time for people to read, such as "in 5 min 0 s"."""
    if distance > timedelta(days=2):
        return f"in {distance.days} days"
    minutes, seconds = divmod(ceil(distance.total_seconds()), 60)
    return f"in {minutes} min {seconds} s" if minutes else f"in {seconds} s"
