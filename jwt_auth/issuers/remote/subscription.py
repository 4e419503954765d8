"""
The revocations of another issuer, as this process knows them from the feed that the issuer signs.

`revocation.feed` writes such a feed. `process.renewal` says who asks for it and when; when what is known is older than
REVOCATIONS_MAX_STALENESS, requests get 503.

Entries are only added, and go when they have expired, so that an old feed that is shown again undoes no revocation.
It could hide new ones for as long as it is valid: a minute. "Unchanged" is believed no longer than the feed that it
is said of.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.utils import timezone

from jwt_auth.claims import Claims, moment
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.exceptions import InvalidTokenError, RevocationUnavailableError, UnavailableError, UnknownKeyError
from jwt_auth.issuers.remote.fetching import FetchError, Source, fetch
from jwt_auth.jose import tokens
from jwt_auth.jose.keys import Key
from jwt_auth.process.clock import seconds
from jwt_auth.process.renewal import Lease, Renewal, StaleError
from jwt_auth.revocation.feed import FEED_TYPE, LIFETIME, MAX_LENGTH
from jwt_auth.revocation.memory.denylist import Denylist, Entry
from jwt_auth.revocation.verdict import State

logger = logging.getLogger("jwt_auth")

# The share of the bound after which the issuer is asked. The rest is for the answer.
_ASK_AFTER = 0.75
_PAUSES = (0.5, 5.0)  # seconds between attempts while it does not answer


def feed_source(url: str, private_network: bool = False) -> Source:
    """A feed at `url`; see fetching.Source."""
    return Source(url=url, types=(f"application/{FEED_TYPE}",), max_length=MAX_LENGTH, private_network=private_network)


class FeedError(ValueError):
    """Raised when what came is no feed of the issuer that is valid now."""


class Keys(Protocol):
    """The issuer's keys; see jwks.RemoteKeys."""

    def find(self, kid: str | None) -> Key: ...
    def expire(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A feed whose signature and times were found good."""

    kid: str
    issued_at: datetime
    expires_at: datetime
    entries: tuple[Entry, ...]


def read_feed(raw: bytes, issuer: str, keys: Keys, now: datetime) -> Received:
    """
    Verify a feed.

    Raises:
        FeedError: when it isn't one, is not by `issuer`, or is not valid now.
        InvalidTokenError: when the signature, or what it stands under, is not good.
        UnavailableError: when the issuer's keys can't be had.
    """

    def find_key(kid: str | None) -> Key:
        try:
            return keys.find(kid)
        except (UnknownKeyError, UnavailableError):
            keys.expire()  # nobody but the issuer can bring us here, so there is no need to wait
            return keys.find(kid)

    text = raw.decode("ascii", "replace")
    key, claims = tokens.verify_document(text, find_key, FEED_TYPE, max_length=MAX_LENGTH)
    issued_at, expires_at, leeway = _moment(claims, "iat"), _moment(claims, "exp"), get_settings().LEEWAY
    if claims.get("iss") != issuer:
        raise FeedError("it is by another issuer")
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
            raise FeedError("an event is no object")
        scope, subject = event.get("scope"), event.get("subject")
        if not isinstance(scope, str) or not isinstance(subject, str):
            raise FeedError("an event has no scope or no subject")
        cutoff = _moment(event, "cutoff") if "cutoff" in event else None
        yield Entry(None, scope, subject, cutoff, issued_at, _moment(event, "exp"))


def _moment(values: Mapping[str, Any], name: str) -> datetime:
    value: Any = values.get(name)
    if type(value) in (int, float):  # type(), because True is an int
        with suppress(OverflowError, ValueError, OSError):
            return moment(value)
    raise FeedError(f"{name} is not a number of seconds")


class Subscription:
    """
    What one process knows of the revocations of one issuer.

    Args:
        issuer: its name.
        source: where its feed is.
        keys: its keys.
        max_staleness: how old what is known may be.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        issuer: str,
        source: Source,
        keys: Keys,
        max_staleness: timedelta,
        *,
        clock: Callable[[], float] = seconds,
    ) -> None:
        self._issuer, self._source, self._keys = issuer, source, keys
        self._bound = max_staleness.total_seconds()
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
        What `verdict` wants to know about a token of the issuer, no older than allowed.

        Raises:
            RevocationUnavailableError: when that can't be had.
        """
        try:
            self._renewal.renew()
        except StaleError as error:
            raise RevocationUnavailableError(f"the last revocations known of {self._issuer!r} are too old") from error
        return self._denylist.state_of(claims)

    def last_known_state_of(self, claims: Claims) -> State:
        """See state_of(); however old that is, provided that a feed was ever read."""
        if self._known is None:
            raise RevocationUnavailableError(f"no revocations of {self._issuer!r} were ever read")
        return self._denylist.state_of(claims)

    def _ask(self, now: float) -> Lease:
        self._fetch(timezone.now())
        return Lease(_ASK_AFTER * self._bound, self._bound)

    def _fetch(self, now: datetime) -> None:
        believes_unchanged = self._known is not None and now < self._known.expires_at
        fetched = fetch(self._source, etag=self._etag if believes_unchanged else None)
        if fetched.body is None:
            return
        feed = read_feed(fetched.body, self._issuer, self._keys, now)
        if self._known is not None and feed.issued_at < self._known.issued_at:
            raise FeedError("it is older than the one before")
        if self._denylist.state_of(_by_key(self._issuer, feed.kid)).key_revoked:
            raise FeedError("its key is revoked")
        self._learn(feed, now)
        self._known, self._etag = feed, fetched.etag

    def _learn(self, feed: Received, now: datetime) -> None:
        revoked_keys = self._denylist.revoked_keys
        self._denylist.add(feed.entries, timedelta(0))
        self._denylist.forget(now - MAX_LEEWAY)
        if self._denylist.revoked_keys - revoked_keys:
            self._keys.expire()

    def _log_failure(self, error: Exception) -> None:
        extra = {"event": "feed_unread", "reason": str(error)}
        logger.error("Revocations of %s can't be read: %s.", self._issuer, error, extra=extra)

    def _log_recovery(self) -> None:
        extra = {"event": "feed_read_again"}
        logger.warning("Revocations of %s can be read again.", self._issuer, extra=extra)


def _by_key(issuer: str, kid: str) -> Claims:
    return Claims(iss=issuer, aud=(), sub="", iat=0, exp=0, kid=kid)
