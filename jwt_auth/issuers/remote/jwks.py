"""
Another issuer's JWK Set: fetched when a token needs it, kept for as long as it may be.

    what is known           what a request does
    ----------------------  -------------------------------------------------------------------------------
    nothing                 fetches, or waits a moment for the thread that does; 503 if nothing comes of it
    fresh, kid known        nothing
    fresh, kid unknown      fetches, unless that was done less than COOL_DOWN ago; 401 if the kid still is unknown
    due, kid known          one thread fetches, all others go on; the set is good for an hour after it was fetched
    due, kid unknown        fetches as above; 503 if it fails: the key may be a new one

`process.renewal` says who fetches and when, also after failures.
"""

import logging
import re
from collections.abc import Callable, Sequence

from jwt_auth.exceptions import UnavailableError, UnknownKeyError
from jwt_auth.issuers.remote.fetching import FetchError, Source, fetch
from jwt_auth.jose.encoding import json_object
from jwt_auth.jose.keys import Key
from jwt_auth.jose.public_keys import PublicKeys, read_jwks
from jwt_auth.process.clock import seconds
from jwt_auth.process.renewal import Lease, Renewal, StaleError

logger = logging.getLogger("jwt_auth")

MAX_LENGTH = 65536  # bytes
TYPES = ("application/json", "+json")

FRESH_FOR = 300.0  # seconds; less if the answer's max-age says so
_FRESH_AT_LEAST = 30.0  # whatever max-age says
KEPT_FOR = 3600.0  # seconds without a successful fetch
COOL_DOWN = 30.0  # seconds between fetches for the sake of an unknown kid
_PAUSES = (1.0, 30.0)  # seconds after failures

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?![\d.])", re.IGNORECASE)


def jwks_source(url: str, private_network: bool = False) -> Source:
    """A JWK Set at `url`; see fetching.Source."""
    return Source(url=url, types=TYPES, max_length=MAX_LENGTH, private_network=private_network)


class RemoteKeys:
    """
    The keys of one issuer, which publishes them.

    Args:
        source: where.
        algorithms: of the issuer; see public_keys.read_jwks().
        clock: seconds that only go forward.
    """

    def __init__(self, source: Source, algorithms: Sequence[str], *, clock: Callable[[], float] = seconds) -> None:
        self._source, self._algorithms, self._clock = source, algorithms, clock
        self._keys = PublicKeys({})
        self._renewal = Renewal(
            self._fetch,
            failures=(FetchError, ValueError),
            pauses=_PAUSES,
            failed=self._log_failure,
            recovered=self._log_recovery,
            clock=clock,
        )

    def find(self, kid: str | None) -> Key:
        """
        The key named `kid`.

        Raises:
            UnknownKeyError: if the issuer has no key of that name, as far as is known.
            UnavailableError: if that is not known well enough.
        """
        renewal = self._renewal
        attempts = renewal.attempts
        try:
            renewal.renew()
        except StaleError as error:
            raise UnavailableError(f"no keys of {self._source.url} are known") from error
        try:
            return self._keys.find(kid)
        except UnknownKeyError:
            return self._find_new(kid, attempts)

    def expire(self) -> None:
        """Fetch again with the next token: the issuer has revoked a key."""
        self._renewal.expire()

    def _find_new(self, kid: str | None, attempts: int) -> Key:
        """A key that is not in the set that is known."""
        readings = self._renewal.readings
        if self._clock() >= self._renewal.read_at + COOL_DOWN:
            self._renewal.read_again(attempts)
            if self._renewal.readings == readings:
                raise UnavailableError(f"it is not known whether {self._source.url} has the token's kid by now")
        return self._keys.find(kid)

    def _fetch(self, now: float) -> Lease:
        fetched = fetch(self._source)
        keys = read_jwks(json_object(fetched.body or b""), self._algorithms)
        if keys != self._keys:  # else the same objects stay: a remembered signature knows its key by them
            self._keys = keys
        return Lease(_lifetime(fetched.cache_control), KEPT_FOR)

    def _log_failure(self, error: Exception) -> None:
        extra = {"event": "keys_unread", "reason": str(error)}
        logger.error("Keys can't be read: %s.", error, extra=extra)

    def _log_recovery(self) -> None:
        logger.warning("Keys of %s can be read again.", self._source.url, extra={"event": "keys_read_again"})


def _lifetime(cache_control: str) -> float:
    """How long an answer is fresh, in seconds."""
    said = _MAX_AGE.search(cache_control)
    return min(max(float(said[1]), _FRESH_AT_LEAST), FRESH_FOR) if said else FRESH_FOR
