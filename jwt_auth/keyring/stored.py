"""
Our own keys, from where KEYS says: the settings, or the rows of `SigningKey`. `jwt_auth.signing_keys` changes the rows.

No process has to be started again. Rows are read when something has changed, and each key is taken apart, or
decrypted, once. Who verifies asks in one of two ways: in database mode the query of the session tells when
the last key was changed, and a token is judged by the keys of that moment; in memory mode the denylist has
the revoked keys, and the others are read again each minute, or when a token names one that is not known.
Who signs never uses a key that has been inactive for longer than REVOCATION_MAX_STALENESS.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from django.db.models import QuerySet

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import DecryptionError, RevokedKeyError, UnavailableError
from jwt_auth.jose import jwk
from jwt_auth.jose.encoding import json_object
from jwt_auth.jose.keys import Key, KeySet, make_key
from jwt_auth.keyring.configured import configured_keys
from jwt_auth.keyring.encryption import decrypt
from jwt_auth.models import SigningKey
from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset
from jwt_auth.process.renewal import NEVER, Lease, Renewal, StaleError

logger = logging.getLogger("jwt_auth")

# How long others may keep our key set: the `max-age` of the JWKS endpoint.
JWKS_MAX_AGE = timedelta(seconds=300)

READ_EVERY = 60.0  # seconds
LOOK_AGAIN_AFTER = 5.0  # seconds between looks for a key that is not known: anybody can make one up
_PAUSES = (0.05, LOOK_AGAIN_AFTER)  # seconds between attempts while the database does not answer

GUIDE = 'Run manage.py jwt_keys create --activate, or manage.py jwt_keys import while KEYS still is "settings".'
NO_ACTIVE_KEY = "there is no active signing key: manage.py jwt_keys create --activate makes one"
UNREADABLE_KEY = "the active signing key can't be decrypted: put back the key of ENCRYPTION_KEYS that is missing"
BROKEN_KEY = "the active signing key's row is broken: manage.py jwt_keys retire --emergency has another key take over"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edition:
    """What the rows said at one moment."""

    changed_at: datetime | None
    keys: KeySet
    revoked: frozenset[str]


_NOTHING = _Edition(changed_at=None, keys=KeySet(None, {}, NO_ACTIVE_KEY), revoked=frozenset())


class StoredKeys:
    """
    The keys of the database, as this process knows them.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, *, clock: Callable[[], float] = seconds) -> None:
        self._clock = clock
        self._renewal = Renewal(self._read, failures=(UnavailableError,), pauses=_PAUSES, clock=clock)
        self._comparison = Renewal(self._compare, failures=(UnavailableError,), pauses=_PAUSES, clock=clock)
        self._made: dict[str, Key] = {}
        self.forget()
        _known.add(self)

    def forget(self) -> None:
        """Know nothing, as after a fork, or when the tables have been emptied."""
        self._edition = _NOTHING
        self._renewal.forget()
        self._comparison.forget()
        self._look_again_at = NEVER

    def find(self, kid: str | None) -> Key:
        """
        The key named `kid`, known at most a minute after it was created, or when a token names it.

        Raises:
            RevokedKeyError: if it is revoked.
            UnknownKeyError: if there is none.
            UnavailableError: if that can't be found out.
        """
        attempts, readings = self._renewal.attempts, self._renewal.readings
        if self._clock() >= self._renewal.due_at:
            _renew(self._renewal)
        key = self._edition.keys.verifying.get(kid or "")
        if key is None:
            key = self._look_for(kid or "", attempts, readings)
        return key

    def as_of(self, changed_at: datetime | None) -> KeySet:
        """The keys as they were when the last of them was changed at `changed_at`, or as they are since."""
        if not self._renewal.was_ever_read or self._edition.changed_at != changed_at:
            self._renewal.read()
        return self._edition.keys

    def newest(self) -> KeySet:
        """The keys as they were REVOCATION_MAX_STALENESS ago, or as they are since. Mostly no query."""
        if self._clock() >= self._comparison.due_at:
            _renew(self._comparison)
        return self._edition.keys

    def expire(self) -> None:
        """Have the next answer read the rows: it is known that they have changed."""
        self._renewal.expire()
        self._comparison.expire()
        self._look_again_at = NEVER

    def _look_for(self, kid: str, attempts: int, readings: int) -> Key:
        """
        A key that is not known; others that look meanwhile wait for the result.

        Args:
            attempts, readings: how many there had been when it was found that it is not known.
        """
        if self._clock() >= self._look_again_at:
            self._renewal.read_again(attempts)
            if self._renewal.readings == readings:
                raise UnavailableError("the signing keys can't be read, and the token may name a new one")
            self._look_again_at = self._clock() + LOOK_AGAIN_AFTER
        if kid in self._edition.revoked:
            raise RevokedKeyError("the key is revoked")
        return self._edition.keys.find(kid)

    def _compare(self, now: float) -> Lease:
        """Ask when a key was changed last, and read the keys if that is not the time that is known."""
        with outage_is_unavailable():
            self.as_of(changes_of_keys().first())
        bound = get_settings().REVOCATION_MAX_STALENESS.total_seconds()
        return Lease(bound, bound)

    def _read(self, now: float) -> Lease:
        with outage_is_unavailable():
            rows = list(SigningKey.objects.all())
        self._edition = self._make_edition(rows)
        return Lease(READ_EVERY)

    def _make_edition(self, rows: list[SigningKey]) -> _Edition:
        states = SigningKey.State
        public = {row.kid: self._public(row) for row in rows if row.state != states.REVOKED}
        verifying = {kid: key for kid, key in public.items() if key is not None}
        active, problem = self._private(next((row for row in rows if row.state == states.ACTIVE), None), verifying)
        return _Edition(
            changed_at=max((row.changed_at for row in rows), default=None),
            keys=KeySet(active, verifying, problem),
            revoked=frozenset(row.kid for row in rows if row.state == states.REVOKED),
        )

    def _public(self, row: SigningKey) -> Key | None:
        """The key that verifies; None when its row is broken, which is no reason to do without the others."""
        # The same object as long as the process lives: by that a remembered signature knows its key.
        if row.kid not in self._made:
            try:
                self._made[row.kid] = _key_in(row.public_jwk.encode(), row)
            except ValueError as error:
                extra = {"event": "signing_key_unread", "kid": row.kid, "reason": str(error)}
                logger.error("Signing key %s can't be read: %s.", row.kid, error, extra=extra)
        return self._made.get(row.kid)

    def _private(self, row: SigningKey | None, verifying: Mapping[str, Key]) -> tuple[Key | None, str]:
        """The key that signs, or why there is none."""
        if row is None:
            return None, NO_ACTIVE_KEY
        if row.kid not in verifying:  # nobody could verify what it signs
            return None, BROKEN_KEY
        known = self._edition.keys.active
        if known and known.kid == row.kid:
            return known, ""
        try:
            return private_key(row), ""
        except DecryptionError:
            return None, UNREADABLE_KEY
        except ValueError:
            return None, BROKEN_KEY


def _renew(renewal: Renewal) -> None:
    try:
        renewal.renew()
    except StaleError as error:
        raise UnavailableError(f"the signing keys can't be read: {error.__cause__ or error}") from error


def private_key(row: SigningKey) -> Key:
    """
    The key that signs, in a row that has one.

    Raises:
        DecryptionError: when no key of ENCRYPTION_KEYS fits.
        ValueError: when what is there is another key, or none.
    """
    key = _key_in(decrypt(row.encrypted_private_jwk), row)
    if key.signing is None:
        raise ValueError("the private half is missing")
    return key


def _key_in(document: bytes, row: SigningKey) -> Key:
    """The key in a cell of `row`, which has to be the one that the row is called after; raise ValueError."""
    try:
        key = make_key(jwk.load(json_object(document)), row.algorithm)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    if key.kid != row.kid:
        raise ValueError("it is another key")
    return key


@cached_until_settings_change
def _stored() -> StoredKeys:
    """The keys of this process."""
    return StoredKeys()


def own_keys() -> KeySet:
    """
    The keys to sign with and to publish.

    Raises:
        ConfigurationError: when a configured key can't be used.
        UnavailableError: when the database can't be asked.
    """
    return _stored().newest() if get_settings().KEYS == "database" else configured_keys()


def source_of_own_keys() -> KeySet | StoredKeys:
    """Where a key that a token names is found, mostly without a query; `keys_as_of` or the denylist judges it."""
    return _stored() if get_settings().KEYS == "database" else configured_keys()


def keys_as_of(changed_at: datetime | None) -> KeySet:
    """See StoredKeys.as_of()."""
    return _stored().as_of(changed_at)


def changes_of_keys() -> QuerySet[SigningKey, datetime]:
    """When keys were changed, the newest change first."""
    return SigningKey.objects.order_by("-changed_at").values_list("changed_at", flat=True)


def expire() -> None:
    """See StoredKeys.expire()."""
    if get_settings().KEYS == "database":
        _stored().expire()


def forget() -> None:
    """Read everything anew: after a fork, or when the tables have been emptied."""
    _known.reset()


_known = ForkReset(StoredKeys.forget)
