"""
The JWK Set of another issuer: fetched when a token needs it, and used for a limited time.

    what is known           what a request does
    ----------------------  ---------------------------------------------------------------------------------
    nothing, or too old     fetches, or waits a second at most for the thread that fetches; 503 if that fails
    fresh, kid known        uses the key
    fresh, kid unknown      fetches, unless the last fetch was less than COOL_DOWN ago; 401 if the kid is still
                            unknown
    due, kid known          one thread fetches, all others use the key, up to an hour after the last fetch
    due, kid unknown        fetches as above; 503 if that fails: the key may be a new one
    all keys of the set     401, as for an unknown kid: the next fetch would return the same keys. The log names
    are for other           the keys. If any entry is broken instead (weak, ambiguous, unreadable), the fetch has
    algorithms              failed

`process.renewal` decides which thread fetches, and when after a failure.
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

FRESH_FOR = 300.0  # seconds; less if the response has a shorter max-age
_FRESH_AT_LEAST = 30.0  # seconds; even if max-age is shorter, so that it can't make each request fetch
KEPT_FOR = 3600.0  # seconds that the keys are used without a successful fetch: an outage of the issuer is bridged
COOL_DOWN = 30.0  # seconds between fetches because of an unknown kid: anybody can make one up
_PAUSES = (1.0, 30.0)  # seconds after failures: the first one, and the longest

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?![\d.])", re.IGNORECASE)


def jwks_source(url: str, private_network: bool = False) -> Source:
    """Return the source of a JWK Set at `url`; see fetching.Source."""
    return Source(url=url, types=TYPES, max_length=MAX_LENGTH, private_network=private_network)


class RemoteKeys:
    """
    The keys that one issuer publishes.

    Args:
        source: the JWK Set.
        algorithms: those of the issuer; see public_keys.read_jwks().
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, source: Source, algorithms: Sequence[str], *, clock: Callable[[], float] = seconds) -> None:
        self._source, self._algorithms, self._clock = source, algorithms, clock
        self._keys = PublicKeys({})
        self._renewal = Renewal(
            self._fetch,
            failures=(FetchError,),
            pauses=_PAUSES,
            failed=self._log_failure,
            recovered=self._log_recovery,
            clock=clock,
        )

    def find(self, kid: str | None) -> Key:
        """
        Return the key named `kid`.

        Raises:
            UnknownKeyError: if the issuer has no such key.
            UnavailableError: if that can't be found out now.
        """
        renewal = self._renewal
        attempts = renewal.attempts  # before the look at the keys; see Renewal.read_again()
        try:
            renewal.renew()
        except StaleError as error:
            url, failure = self._source.url, error.__cause__ or "another thread is still fetching"
            reason = str(failure).removeprefix(f"{url}: ")
            raise UnavailableError(f"no keys of {url} are known: {reason}") from error
        try:
            return self._keys.find(kid)
        except UnknownKeyError:
            return self._find_new(kid, attempts)

    def expire(self) -> None:
        """Have the next token fetch the keys again: the issuer has revoked one."""
        self._renewal.expire()

    def _find_new(self, kid: str | None, attempts: int) -> Key:
        """Return a key that is not in the known set; fetch the set for it, unless that was done a moment ago."""
        readings = self._renewal.readings
        if self._clock() >= self._renewal.read_at + COOL_DOWN:
            self._renewal.read_again(attempts)
            if self._renewal.readings == readings:
                raise UnavailableError(f"it is not known whether {self._source.url} now has the token's kid")
        try:
            return self._keys.find(kid)
        except UnknownKeyError as error:
            raise UnknownKeyError(f"{self._source.url}: {self._unusable(kid) or error.reason}") from error

    def _unusable(self, kid: str | None) -> str:
        """Return why no key can be used, or at least not the one named `kid`; "" if they are for ALGORITHMS."""
        keys = self._keys
        others = keys.others.values() if not keys.named else filter(None, [keys.others.get(kid or "")])
        found = ", ".join(dict.fromkeys(others))
        return found and f"it has {found}, for none of ALGORITHMS ({', '.join(self._algorithms)})"

    def _fetch(self, now: float) -> Lease:
        fetched = fetch(self._source)
        try:
            keys = read_jwks(json_object(fetched.body or b""), self._algorithms)
        except ValueError as error:
            raise FetchError(f"{self._source.url}: {error}") from error
        # If nothing has changed, the same objects stay: the cache of signatures compares keys by identity first.
        if keys != self._keys:
            known, self._keys = self._keys, keys
            self._log_left_out(known)
        return Lease(_lifetime(fetched.cache_control), KEPT_FOR)

    def _log_left_out(self, known: PublicKeys) -> None:
        keys = self._keys
        for kid, reason in keys.left_out.items() - known.left_out.items():
            extra = {"event": "key_left_out", "kid": kid, "reason": reason}
            logger.error("Key %s of %s is not used: %s.", kid, self._source.url, reason, extra=extra)
        # Keys of other algorithms are usual beside a usable key.
        if not keys.named:
            reason = f"{self._source.url}: {self._unusable(None)}"
            extra = {"event": "keys_unusable", "reason": reason}
            hint = "All tokens of this issuer are refused; set ALGORITHMS to the algorithm that it signs with"
            logger.error("Keys can't be used: %s. %s.", reason, hint, extra=extra)

    def _log_failure(self, error: Exception) -> None:
        extra = {"event": "keys_unread", "reason": str(error)}
        logger.error("Keys can't be read: %s.", error, extra=extra)

    def _log_recovery(self) -> None:
        logger.warning("Keys of %s can be read again.", self._source.url, extra={"event": "keys_read_again"})


def _lifetime(cache_control: str) -> float:
    """Return how long a response with this Cache-Control is fresh, in seconds."""
    said = _MAX_AGE.search(cache_control)
    return min(max(float(said[1]), _FRESH_AT_LEAST), FRESH_FOR) if said else FRESH_FOR
