"""
Another issuer's JWK Set: fetched when a token needs it, kept for as long as it may be.

    what is known           what a request does
    ----------------------  -------------------------------------------------------------------------------
    nothing                 fetches, or waits a moment for the one that does; 503 if nothing comes of it
    fresh, kid known        nothing
    fresh, kid unknown      fetches, unless that was done less than 30 s ago; 401 if the kid still is unknown
    stale, kid known        one fetches, all others go on; what is known is good for an hour after it was fetched
    stale, kid unknown      fetches as above; 503 if it fails: the key may be a new one

After a failure nobody fetches for a while that grows from 1 s to 30 s. There is no thread but those of the
requests, and nothing that a fork could lose.
"""

import logging
import re
from collections.abc import Callable, Sequence
from time import monotonic

from jwt_auth.exceptions import UnavailableError, UnknownKeyError
from jwt_auth.issuers.remote.fetching import Fetched, FetchError, Source, fetch
from jwt_auth.jose.encoding import json_object
from jwt_auth.jose.keys import Key
from jwt_auth.jose.public_keys import PublicKeys, read_jwks
from jwt_auth.process.fork_reset import Instances
from jwt_auth.process.single_flight import SingleFlight

logger = logging.getLogger("jwt_auth")

MAX_LENGTH = 65536  # bytes
TYPES = ("application/json", "+json")

FRESH_FOR = 300.0  # seconds; less if the answer's max-age says so
_FRESH_AT_LEAST = 30.0  # whatever max-age says
KEPT_FOR = 3600.0  # seconds without a successful fetch
COOL_DOWN = 30.0  # seconds between fetches for the sake of an unknown kid
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds after failures
_PATIENCE = 1.0  # seconds after a fetch has begun, in which others wait for it

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?![\d.])", re.IGNORECASE)
_NEVER = float("-inf")


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

    def __init__(self, source: Source, algorithms: Sequence[str], *, clock: Callable[[], float] = monotonic) -> None:
        self._source, self._algorithms, self._clock = source, algorithms, clock
        self._keys = PublicKeys({})
        self._fetched_at = self._due_at = self._good_until = self._retry_at = _NEVER
        self._pause = _FIRST_PAUSE
        self._attempts = 0
        self.let_go()
        _all.add(self)

    def let_go(self) -> None:
        """Hold no lock, as after a fork: it may be held by a thread that is not there."""
        self._fetching = SingleFlight(self._clock)

    def find(self, kid: str | None) -> Key:
        """
        The key named `kid`.

        Raises:
            UnknownKeyError: when the issuer has none of that name, as far as is known.
            UnavailableError: when that is not known well enough.
        """
        now, attempts = self._clock(), self._attempts
        if now >= self._due_at:
            self._fetch(attempts, wait=now >= self._good_until)
        if now >= self._good_until:
            raise UnavailableError(f"no keys of {self._source.url} are known")
        try:
            return self._keys.find(kid)
        except UnknownKeyError:
            return self._find_new(kid, attempts)

    def expire(self) -> None:
        """Fetch anew with the next token: the issuer has taken a key back."""
        self._due_at = self._retry_at = _NEVER

    def _find_new(self, kid: str | None, attempts: int) -> Key:
        """A key that was not there when last asked."""
        before = self._fetched_at
        if self._clock() >= before + COOL_DOWN:
            self._fetch(attempts, wait=True)
            if self._fetched_at == before:
                raise UnavailableError(f"it is not known whether {self._source.url} has the token's kid by now")
        return self._keys.find(kid)

    def _fetch(self, attempts: int, *, wait: bool) -> None:
        """
        Fetch, unless another thread does, or it was in vain a moment ago.

        Args:
            attempts: how many there had been when it was found that one is needed.
        """
        now = self._clock()
        if now < self._retry_at:
            return
        if self._fetching.acquire():
            try:
                if self._attempts == attempts:
                    self._attempts += 1
                    self._take(fetch(self._source), now)
            except (FetchError, ValueError) as error:
                self._fail(error)
            finally:
                self._fetching.release()
        elif wait:
            self._fetching.wait(_PATIENCE)

    def _take(self, fetched: Fetched, now: float) -> None:
        keys = read_jwks(json_object(fetched.body or b""), self._algorithms)
        if keys != self._keys:  # else the same objects stay: by those a remembered signature knows its key
            self._keys = keys
        self._fetched_at, self._good_until = now, now + KEPT_FOR
        self._due_at = now + _lifetime(fetched.cache_control)
        if self._pause > _FIRST_PAUSE:
            logger.warning("Keys of %s can be read again.", self._source.url, extra={"event": "keys_read_again"})
        self._pause, self._retry_at = _FIRST_PAUSE, _NEVER

    def _fail(self, error: Exception) -> None:
        if self._pause == _FIRST_PAUSE:
            extra = {"event": "keys_unread", "reason": str(error)}
            logger.error("Keys can't be read: %s.", error, extra=extra)
        self._retry_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def _lifetime(cache_control: str) -> float:
    """How long an answer is fresh, in seconds."""
    said = _MAX_AGE.search(cache_control)
    return min(max(float(said[1]), _FRESH_AT_LEAST), FRESH_FOR) if said else FRESH_FOR


_all = Instances(RemoteKeys.let_go)
