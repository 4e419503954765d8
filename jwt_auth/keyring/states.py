"""
The states of a signing key, where KEYS is "database": what each means, and when it may be left.

    state       what it does                        from there, and not before
    ---------   ---------------------------------   ------------------------------------------------------------
    STANDBY     is published, so that all get to    active, when every verifier can know it (PUBLISHED_AFTER);
                know it; signs nothing              revoked, at any time: it has signed nothing
    ACTIVE      signs; at most one does             retiring, when another takes over
    RETIRING    is published, so that what it       revoked, when the last token that it signed is dead
                signed goes on; has no private half (`dead_at`)
    REVOKED     nothing: it is published nowhere,   nothing, ever
                and no token of it is good

No move goes back. `jwt_auth.signing_keys` makes the moves; who asks for an emergency waits for nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone as timezones
from math import ceil

from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.exceptions import DecryptionError, JWTAuthError
from jwt_auth.keyring.stored import JWKS_MAX_AGE, private_key
from jwt_auth.models import SigningKey

State = SigningKey.State

# Who verifies may hold the key set for JWKS_MAX_AGE; our own processes read their keys once a minute. The rest is
# for a fetch that fails and is tried again, and for clocks that differ.
PUBLISHED_AFTER = JWKS_MAX_AGE + timedelta(minutes=2)

# No other kind of token that our keys sign lives longer than this or ACCESS_TOKEN_LIFETIME.
_OTHER_TOKENS = timedelta(seconds=300)


class KeyStateError(JWTAuthError):
    """
    Raised when a key can't be moved to another state, or not yet.

    Args:
        message: a sentence that says why, and when it becomes possible.
        possible_at: when; None if never, or if it is not a matter of time.
    """

    def __init__(self, message: str, possible_at: datetime | None = None) -> None:
        super().__init__(message)
        self.possible_at = possible_at


# When


def ready_at(key: SigningKey) -> datetime:
    """When every verifier can know a standby key."""
    return key.created_at + PUBLISHED_AFTER


def dead_at(retired_at: datetime) -> datetime:
    """When the last token is dead that a key retired at `retired_at` has signed, by whichever machine's clock."""
    settings = get_settings()
    longest = max(settings.ACCESS_TOKEN_LIFETIME, _OTHER_TOKENS)
    # A process may have signed with it for as long as it may not know that it was retired.
    return retired_at + longest + settings.REVOCATION_MAX_STALENESS + 2 * MAX_LEEWAY


# What comes next


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One move of a rotation.

    Args:
        move: "create", "activate" or "revoke".
        key: which key is moved; None for one that is to be made.
        at: from when on it is possible; None for at once.
    """

    move: str
    key: SigningKey | None = None
    at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it can be done."""
        return self.at is None or self.at <= now


def next_step(keys: Iterable[SigningKey], now: datetime, every: timedelta = timedelta(0)) -> Step:
    """
    What a rotation has to do next: first it is brought to an end, then another one begins. Pure.

    Args:
        every: how old the active key is when another rotation begins.
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
    """Raise KeyStateError when `row` can't take over from `active`, or not yet."""
    if row.state == State.ACTIVE:
        raise KeyStateError(f"Key {row.kid} is active already.")
    if row.state != State.STANDBY:
        raise KeyStateError(f"Key {row.kid} is {row.state}, and no key comes back. Create a new one.")
    # Without an active key nothing is signed at all: there is nothing to wait for.
    if active is not None and not emergency and now < ready_at(row):
        raise KeyStateError(
            f"Key {row.kid} was published at {_moment(row.created_at)}, and who verifies may not know it yet. "
            f"It can be activated from {_moment(ready_at(row))} on, {describe_wait(ready_at(row) - now)}.",
            ready_at(row),
        )
    try:
        private_key(row)
    except DecryptionError:
        raise KeyStateError(
            f"Key {row.kid} can't be decrypted, and so can't sign. Put back the key of ENCRYPTION_KEYS that is "
            "missing, or create another key."
        ) from None
    except ValueError:
        raise KeyStateError(f"Key {row.kid} is broken, and so can't sign. Create another key.") from None


def check_revocation(row: SigningKey, *, emergency: bool, now: datetime) -> None:
    """Raise KeyStateError when `row` can't be revoked, or not yet."""
    if row.state == State.REVOKED:
        raise KeyStateError(f"Key {row.kid} was revoked at {_moment(row.revoked_at)}.")
    if emergency or row.state == State.STANDBY:
        return
    if row.state == State.ACTIVE:
        possible_at = dead_at(now)
        raise KeyStateError(
            f"Key {row.kid} signs: what it signed would be refused. Retire it first; if you do so now, it can be "
            f"revoked from {_moment(possible_at)} on, {describe_wait(possible_at - now)}.",
            possible_at,
        )
    if now < (possible_at := dead_at(row.retired_at or now)):
        raise KeyStateError(
            f"Key {row.kid} retired at {_moment(row.retired_at)}, and tokens that it signed may be alive. "
            f"It can be revoked from {_moment(possible_at)} on, {describe_wait(possible_at - now)}.",
            possible_at,
        )


def no_successor(now: datetime) -> KeyStateError:
    """Why no key takes over at `now`: none is standby."""
    possible_at = now + PUBLISHED_AFTER
    return KeyStateError(
        "There is no standby key to take over. Create one; it can be activated from "
        f"{_moment(possible_at)} on, {describe_wait(PUBLISHED_AFTER)}.",
        possible_at,
    )


def _moment(moment: datetime | None) -> str:
    return "an unknown time" if moment is None else f"{moment.astimezone(timezones.utc):%Y-%m-%d %H:%M:%S} UTC"


def describe_wait(distance: timedelta) -> str:
    """How long something that can't be done yet has to wait."""
    if distance > timedelta(days=2):
        return f"in {distance.days} days"
    minutes, seconds = divmod(ceil(distance.total_seconds()), 60)
    return f"in {minutes} min {seconds} s" if minutes else f"in {seconds} s"
