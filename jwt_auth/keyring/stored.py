"""
This server's own keys, from the source that KEYS names: the settings, or the rows of `SigningKey`.

`jwt_auth.signing_keys` changes the rows. No process has to be restarted then: it reads the rows again when something
has changed. Each key is parsed, or decrypted, only once.

    a process needs        and reads the rows again, if
    -------------------    -----------------------------------------------------------------------------------------
    a key that a token     - the last reading is a minute old (READ_EVERY)
    names: `find`          - the key is not known, and 5 s have passed since the last reading for an unknown key
    the keys to judge a    - a key was changed since the last reading: the query of the session returns the time of
    token by: `as_of`        the last change. In memory mode the denylist has the revoked keys instead
    the key to sign        - a key was changed since the last reading. It asks for the time of the last change if
    with: `newest`           REVOCATION_MAX_STALENESS has passed, so no process signs with a key that has been
                             inactive for longer

If the memory view learns that a key was revoked, the next call reads the rows (`expire`).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from django.db.models import QuerySet

from jwt_auth._django.connections import is_private_to_process
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
from jwt_auth.process.renewal import LONG_AGO, Lease, Renewal, StaleError

logger = logging.getLogger("jwt_auth")

# The time for which others may cache our JWK Set: the `max-age` of the JWKS endpoint.
JWKS_MAX_AGE = timedelta(seconds=300)

READ_EVERY = 60.0  # seconds
LOOK_AGAIN_AFTER = 5.0  # seconds between readings because of an unknown `kid`: anybody can make one up
_PAUSES = (0.05, LOOK_AGAIN_AFTER)  # seconds between attempts while the database does not answer

GUIDE = 'Run manage.py jwt_keys create --activate, or manage.py jwt_keys import while KEYS is still "settings".'
NO_ACTIVE_KEY = "there is no active signing key: manage.py jwt_keys create --activate makes one"
UNREADABLE_KEY = "the active signing key can't be decrypted: put back the key of ENCRYPTION_KEYS that is missing"
BROKEN_KEY = "the active signing key's row is broken: manage.py jwt_keys retire --emergency has another key take over"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """The keys in the rows at one time."""

    changed_at: datetime | None
    keys: KeySet
    revoked: frozenset[str]


_NOTHING = _Version(changed_at=None, keys=KeySet(None, {}, NO_ACTIVE_KEY), revoked=frozenset())


class StoredKeys:
    """
    The keys in the database that this process knows.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = seconds) -> None:
        self._clock = clock
        # The first one reads the rows, the second one only asks whether they have changed.
        self._renewal, self._comparison = (
            Renewal(
                read,
                failures=(UnavailableError,),
                pauses=_PAUSES,
                clock=clock,
                another_can_read=_another_thread_can_read,
            )
            for read in (self._read, self._compare)
        )
        self._made: dict[str, Key] = {}
        self.forget()
        _known.add(self)

    def forget(self) -> None:
        """Start again with nothing, as after a fork, or when the tables have been emptied."""
        self._version = _NOTHING
        self._renewal.forget()
        self._comparison.forget()
        self._look_again_at = LONG_AGO

    def find(self, kid: str | None) -> Key:
        """
        Return the key named `kid`.

        A new key is found as soon as a token names it; but if an unknown key was looked for a moment ago, only after
        LOOK_AGAIN_AFTER.

        Raises:
            RevokedKeyError: if it is revoked.
            UnknownKeyError: if there is none.
            UnavailableError: if that can't be found out.
        """
        # Taken before the look at the keys; see _look_for().
        attempts, readings = self._renewal.attempts, self._renewal.readings
        if self._clock() >= self._renewal.due_at:
            _renew(self._renewal)
        key = self._version.keys.verifying.get(kid or "")
        if key is None:
            key = self._look_for(kid or "", attempts, readings)
        return key

    def as_of(self, changed_at: datetime | None) -> KeySet:
        """Return the keys as they were when the last change of a key was at `changed_at`, or newer ones."""
        if not self._renewal.was_ever_read or self._version.changed_at != changed_at:
            self._renewal.read()
        return self._version.keys

    def newest(self) -> KeySet:
        """Return the keys as they were REVOCATION_MAX_STALENESS ago, or newer ones. Mostly no query."""
        if self._clock() >= self._comparison.due_at:
            _renew(self._comparison)
        return self._version.keys

    def expire(self) -> None:
        """Have the next call read the rows: they have certainly changed."""
        self._renewal.expire()
        self._comparison.expire()
        self._look_again_at = LONG_AGO

    def _look_for(self, kid: str, attempts: int, readings: int) -> Key:
        """
        Read the rows again for a key that is not known, and return it.

        Other threads that need an unknown key meanwhile wait for this reading.

        Args:
            attempts, readings: the renewal's counters from before the look that did not find it.
        """
        if self._clock() >= self._look_again_at:
            self._renewal.read_again(attempts)
            if self._renewal.readings == readings:
                raise UnavailableError("the signing keys can't be read, and the token may name a new one")
            self._look_again_at = self._clock() + LOOK_AGAIN_AFTER
        if kid in self._version.revoked:
            raise RevokedKeyError("the key is revoked")
        return self._version.keys.find(kid)

    def _compare(self, now: float) -> Lease:
        """Ask when a key was last changed, and read the keys if that is not the known time."""
        with outage_is_unavailable():
            self.as_of(changes_of_keys().first())
        bound = get_settings().REVOCATION_MAX_STALENESS.total_seconds()
        return Lease(bound, bound)

    def _read(self, now: float) -> Lease:
        with outage_is_unavailable():
            rows = list(SigningKey.objects.all())
        self._version = self._make_version(rows)
        return Lease(READ_EVERY)

    def _make_version(self, rows: list[SigningKey]) -> _Version:
        states = SigningKey.State
        public = {row.kid: self._public(row) for row in rows if row.state != states.REVOKED}
        verifying = {kid: key for kid, key in public.items() if key is not None}
        active, problem = self._private(next((row for row in rows if row.state == states.ACTIVE), None), verifying)
        return _Version(
            changed_at=max((row.changed_at for row in rows), default=None),
            keys=KeySet(active, verifying, problem),
            revoked=frozenset(row.kid for row in rows if row.state == states.REVOKED),
        )

    def _public(self, row: SigningKey) -> Key | None:
        """Return the verifying key; None if its row is broken, so that the other keys can still be used."""
        # The same object as long as the process lives: the cache of signatures compares keys by identity first.
        if row.kid not in self._made:
            try:
                self._made[row.kid] = _key_in(row.public_jwk.encode(), row)
            except ValueError as error:
                extra = {"event": "signing_key_unread", "kid": row.kid, "reason": str(error)}
                logger.error("Signing key %s can't be read: %s.", row.kid, error, extra=extra)
        return self._made.get(row.kid)

    def _private(self, row: SigningKey | None, verifying: Mapping[str, Key]) -> tuple[Key | None, str]:
        """Return the signing key and "", or None and the reason why there is none."""
        if row is None:
            return None, NO_ACTIVE_KEY
        if row.kid not in verifying:  # nobody could verify its signatures
            return None, BROKEN_KEY
        known = self._version.keys.active
        if known and known.kid == row.kid:
            return known, ""
        try:
            return private_key(row), ""
        except DecryptionError:
            return None, UNREADABLE_KEY
        except ValueError:
            return None, BROKEN_KEY


def _another_thread_can_read() -> bool:
    return not is_private_to_process(SigningKey.objects.all().db)


def _renew(renewal: Renewal) -> None:
    try:
        renewal.renew()
    except StaleError as error:
        raise UnavailableError(f"the signing keys can't be read: {error.__cause__ or error}") from error


def private_key(row: SigningKey) -> Key:
    """
    Return the signing key in a row that has one.

    Raises:
        DecryptionError: if none of ENCRYPTION_KEYS decrypts it.
        ValueError: if it is not a key, or not the one that the row's `kid` names.
    """
    key = _key_in(decrypt(row.encrypted_private_jwk), row)
    if key.signing is None:
        raise ValueError("the private half is missing")
    return key


def _key_in(document: bytes, row: SigningKey) -> Key:
    """Return the key in a cell of `row`; raise ValueError if it is broken, or not the one that `row.kid` names."""
    try:
        key = make_key(jwk.load(json_object(document)), row.algorithm)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    if key.kid != row.kid:
        raise ValueError("it is another key")
    return key


@cached_until_settings_change
def _stored() -> StoredKeys:
    """Return the keys that this process knows."""
    return StoredKeys()


def own_keys() -> KeySet:
    """
    Return the keys to sign with and to publish.

    Raises:
        ConfigurationError: if a configured key can't be used.
        UnavailableError: if the database can't be asked.
    """
    return _stored().newest() if get_settings().KEYS == "database" else configured_keys()


def source_of_own_keys() -> KeySet | StoredKeys:
    """
    Return the source in which a key that a token names is found, mostly without a query.

    The key may have been revoked a moment ago: `keys_as_of`, or the denylist, decides that.
    """
    return _stored() if get_settings().KEYS == "database" else configured_keys()


def keys_as_of(changed_at: datetime | None) -> KeySet:
    """See StoredKeys.as_of()."""
    return _stored().as_of(changed_at)


def changes_of_keys() -> QuerySet[SigningKey, datetime]:
    """Return the times at which keys were changed, the newest first."""
    return SigningKey.objects.order_by("-changed_at").values_list("changed_at", flat=True)


def expire() -> None:
    """See StoredKeys.expire()."""
    if get_settings().KEYS == "database":
        _stored().expire()


def forget() -> None:
    """Start again with nothing, when the tables have been emptied. After a fork the child does so by itself."""
    _known.reset()


_known = ForkReset(StoredKeys.forget)
