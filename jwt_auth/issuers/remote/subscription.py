"""
The revocations of another issuer, which this process reads from the feed that the issuer signs.

    what is known                           what a request with a token of the issuer does
    ------------------------------------    ------------------------------------------------------------------------
    nothing                                 fetches, or waits a second at most for the thread that fetches; 503 if
                                            that fails
    a feed younger than 3/4 MAX             uses it
    a feed older than 3/4 MAX               one thread fetches, all others use the known feed
    a feed older than MAX                   as with nothing

MAX is REVOCATIONS_MAX_STALENESS of the issuer. `process.renewal` decides which thread fetches, and when after a
failure. `revocation.feed` writes such a feed.

An attacker between the two servers may send an old feed again. It undoes no revocation, because entries are only added,
and dropped when they have expired. It could hide new revocations for as long as it is valid, which is a minute.
"Unchanged" (304) is not signed, so it is only believed as long as the feed that it is about is valid.

The issuer itself can't make this process grow without limit: `kept` says which entries are kept, and for how long, and
MAX_KNOWN how many. A feed that would exceed it counts as one that can't be read, which affects the tokens of that
issuer only.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.utils import timezone

from jwt_auth.claims import LATEST, Claims, moment
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.exceptions import InvalidTokenError, RevocationUnavailableError, UnavailableError, UnknownKeyError
from jwt_auth.issuers.remote.fetching import FetchError, Source, fetch
from jwt_auth.jose import tokens
from jwt_auth.jose.keys import Key
from jwt_auth.process.clock import seconds
from jwt_auth.process.renewal import Lease, Renewal, StaleError
from jwt_auth.revocation.feed import FEED_TYPE, LIFETIME, MAX_EVENTS, MAX_LENGTH
from jwt_auth.revocation.memory.denylist import Denylist, Entry
from jwt_auth.revocation.verdict import State

logger = logging.getLogger("jwt_auth")

# The share of the bound after which the issuer is asked. The rest is for the answer.
_ASK_AFTER = 0.75
_DAY = timedelta(days=1)  # the longest MAX_LIFETIME that the settings allow
_PAUSES = (0.5, 5.0)  # seconds between attempts while the issuer does not answer: the first pause, and the longest


# The most entries of one issuer: those that are known and those of a new feed together. An issuer that runs this app
# sends MAX_EVENTS at most, and then one cutoff instead.
MAX_KNOWN = 3 * MAX_EVENTS

# Longer subjects name nothing: an `iss` or another claim has at most 255 characters, and a subject two of them.
_LONGEST_SUBJECT = 511


def feed_source(url: str, private_network: bool = False) -> Source:
    """Return the source of a feed at `url`; see fetching.Source."""
    return Source(url=url, types=(f"application/{FEED_TYPE}",), max_length=MAX_LENGTH, private_network=private_network)


class FeedError(ValueError):
    """Raised when a document is not a currently valid feed of the issuer."""


class Keys(Protocol):
    """The issuer's keys; see jwks.RemoteKeys."""

    def find(self, kid: str | None) -> Key: ...
    def expire(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A feed with a valid signature and valid times."""

    kid: str
    issued_at: datetime
    expires_at: datetime
    entries: tuple[Entry, ...]


def read_feed(raw: bytes, issuer: str, keys: Keys, now: datetime) -> Received:
    """
    Verify a feed.

    Raises:
        FeedError: when it is not a feed, is not from `issuer`, or is not valid now.
        InvalidTokenError: when the signature, or the form of the signed document, is not valid.
        UnavailableError: when the issuer's keys can't be fetched.
    """

    def find_key(kid: str | None) -> Key:
        try:
            return keys.find(kid)
        except (UnknownKeyError, UnavailableError):
            # Pauses are for requests, which anybody can send. Only the issuer's own feed leads here: no need to wait.
            keys.expire()
            return keys.find(kid)

    text = raw.decode("ascii", "replace")
    key, claims = tokens.verify_document(text, find_key, FEED_TYPE, max_length=MAX_LENGTH)
    issued_at, expires_at, leeway = _moment(claims, "iat"), _moment(claims, "exp"), get_settings().LEEWAY
    if claims.get("iss") != issuer:
        raise FeedError("it is from another issuer")
    if expires_at - issued_at > LIFETIME:
        raise FeedError("it is valid for too long")
    if issued_at > now + leeway or expires_at <= now - leeway:
        raise FeedError("it is not valid now")
    events = claims.get("events")
    if not isinstance(events, list):
        raise FeedError("it has no list of events")
    return Received(kid=key.kid, issued_at=issued_at, expires_at=expires_at, entries=tuple(_entries(events, issued_at)))


def _entries(events: list[Any], issued_at: datetime) -> Iterator[Entry]:
    for event in events:
        if not isinstance(event, Mapping):
            raise FeedError("an event is not an object")
        scope, subject = event.get("scope"), event.get("subject")
        if not isinstance(scope, str) or not isinstance(subject, str):
            raise FeedError("an event has no scope or no subject")
        cutoff = _moment(event, "cutoff") if "cutoff" in event else None
        yield Entry(None, scope, subject, cutoff, issued_at, _moment(event, "exp"))


def _moment(values: Mapping[str, Any], name: str) -> datetime:
    """Return a time of the feed; from LATEST on LATEST, so that one odd time does not make the feed unreadable."""
    value: Any = values.get(name)
    if type(value) in (int, float) and value >= 0:  # type(), because True is an int
        return moment(min(value, LATEST.timestamp()))
    raise FeedError(f"{name} is not a number of seconds")


def kept(entry: Entry, max_lifetime: timedelta) -> Entry | None:
    """
    Return an entry of a feed with the end that it has here, whatever the issuer says; None if it can refuse no token.

    The tokens that it refuses were issued before the feed was, and expire within `max_lifetime`, or are not accepted
    anyway. Only a revoked key can go on signing: its entry is kept for as long as the issuer says.
    """
    if len(entry.subject) > _LONGEST_SUBJECT or (entry.cutoff is None and entry.scope in ("user", "client", "all")):
        return None
    # Twice the leeway: for the clocks of the issuer's machines, and for ours.
    last_expiry = entry.created_at + max_lifetime + 2 * MAX_LEEWAY
    if entry.scope == "key" or (entry.expires_at is not None and entry.expires_at <= last_expiry):
        return entry
    return Entry(*entry[:-1], last_expiry)


class Subscription:
    """
    The revocations of one issuer that one process knows.

    Args:
        issuer: the issuer's name.
        source: its feed.
        keys: its keys.
        max_staleness: the maximum age of the known revocations.
        max_lifetime: the longest lifetime of the issuer's tokens.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        issuer: str,
        source: Source,
        keys: Keys,
        max_staleness: timedelta,
        *,
        max_lifetime: timedelta = _DAY,
        clock: Callable[[], float] = seconds,
    ) -> None:
        self._issuer, self._source, self._keys = issuer, source, keys
        self._bound, self._max_lifetime = max_staleness.total_seconds(), max_lifetime
        self._denylist = Denylist()
        self._known: Received | None = None
        self._etag: str | None = None
        self._renewal = Renewal(
            self._ask,
            failures=(FetchError, FeedError, InvalidTokenError, UnavailableError),
            pauses=_PAUSES,
            failed=self._log_failure,
            recovered=self._log_recovery,
            clock=clock,
        )

    def state_of(self, claims: Claims) -> State:
        """
        Return the state to judge a token of the issuer by, no older than allowed.

        Raises:
            RevocationUnavailableError: when the known feed is older, and no new one can be fetched.
        """
        try:
            self._renewal.renew()
        except StaleError as error:
            raise RevocationUnavailableError(f"the last revocations known of {self._issuer!r} are too old") from error
        return self._denylist.state_of(claims)

    def last_known_state_of(self, claims: Claims) -> State:
        """
        Return the last known state, even if it is too old.

        Raises:
            RevocationUnavailableError: when no feed was ever read.
        """
        if self._known is None:
            raise RevocationUnavailableError(f"no revocations of {self._issuer!r} were ever read")
        return self._denylist.state_of(claims)

    def _ask(self, now: float) -> Lease:
        self._fetch(timezone.now())
        return Lease(_ASK_AFTER * self._bound, self._bound)

    def _fetch(self, now: datetime) -> None:
        # Without an ETag the issuer has to send a whole feed, with a new signature.
        believes_unchanged = self._known is not None and now < self._known.expires_at
        fetched = fetch(self._source, etag=self._etag if believes_unchanged else None)
        if fetched.body is None:
            return
        feed = read_feed(fetched.body, self._issuer, self._keys, now)
        if self._known is not None and feed.issued_at < self._known.issued_at:
            raise FeedError("it is older than the one before")
        # A revoked key may be in other hands, so a feed that is signed with it is not believed.
        if self._denylist.state_of(_by_key(self._issuer, feed.kid)).key_revoked:
            raise FeedError("its key is revoked")
        self._learn(feed, now)
        self._known, self._etag = feed, fetched.etag

    def _learn(self, feed: Received, now: datetime) -> None:
        revoked_keys = self._denylist.revoked_keys
        entries = [found for entry in feed.entries if (found := kept(entry, self._max_lifetime)) is not None]
        self._denylist.forget(now - MAX_LEEWAY)
        if len(self._denylist) + len(entries) > MAX_KNOWN:
            raise FeedError(f"with what is known it has more than {MAX_KNOWN} events")
        self._denylist.add(entries, timedelta(0))
        # If another key was revoked, have the keys fetched again, so that it is removed from them.
        if self._denylist.revoked_keys - revoked_keys:
            self._keys.expire()

    def _log_failure(self, error: Exception) -> None:
        extra = {"event": "feed_unread", "reason": str(error)}
        logger.error("Revocations of %s can't be read: %s.", self._issuer, error, extra=extra)

    def _log_recovery(self) -> None:
        extra = {"event": "feed_read_again"}
        logger.warning("Revocations of %s can be read again.", self._issuer, extra=extra)


def _by_key(issuer: str, kid: str) -> Claims:
    """Return claims as of a token that the key `kid` signed, to ask the denylist about the key."""
    return Claims(iss=issuer, aud=(), sub="", iat=0, exp=0, kid=kid)
