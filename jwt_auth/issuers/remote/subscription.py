"""
The revocations of another issuer, which this process reads from the feed that the issuer signs, piece by piece.

    what is known                           what a request with a token of the issuer does
    ------------------------------------    ------------------------------------------------------------------------
    nothing                                 fetches, or waits a second at most for the thread that fetches; 503 if
                                            that fails
    revocations younger than 3/4 MAX        uses them
    revocations older than 3/4 MAX          one thread fetches, all others use the known ones
    revocations older than MAX              as with nothing

MAX is REVOCATIONS_MAX_STALENESS of the issuer. `process.renewal` decides which thread fetches, and when after a
failure. `revocation.feed` writes such a feed.

    a piece                                 what follows
    ------------------------------------    ------------------------------------------------------------------------
    follows the cursor that was sent, or    its entries are added, and its `next` is sent the next time: at once if
    starts from the beginning (`after` is   there are more pieces
    null)
    follows another cursor: it was shown    it is ignored, and the next request has no cursor: a complete reading
    before, or one before it is missing     repairs any break
    is not signed, not valid now, or older  the same
    than the last one
    the cursor is refused (400)             the same
    can't be fetched                        the next request sends the same cursor

Entries are only added, and are dropped when they expire: a reading from the beginning forgets nothing. An attacker
between the two servers can't leave a piece out, because the next piece follows a cursor that only the missing one
contains. The attacker can show the newest piece again, and so hide new revocations, as long as this piece is valid: for
a minute.
"Unchanged" (304) is not signed, so it is only believed as long as the piece that it is about is valid.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone

from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.exceptions import InvalidTokenError, RevocationUnavailableError, UnavailableError
from jwt_auth.issuers.remote.fetching import Fetched, FetchError, Source, fetch
from jwt_auth.issuers.remote.pieces import Keys, Received, read_feed
from jwt_auth.issuers.remote.refusals import FeedError, Refusals
from jwt_auth.process.clock import seconds
from jwt_auth.process.renewal import Lease, Renewal, StaleError
from jwt_auth.revocation.feed.events import SLICE
from jwt_auth.revocation.feed.pieces import FEED_TYPE, MAX_LENGTH
from jwt_auth.revocation.subjects import key_subject
from jwt_auth.revocation.verdict import State

logger = logging.getLogger("jwt_auth")

# The share of the bound after which the issuer is asked. The rest is for the answer.
_ASK_AFTER = 0.75
_PAUSES = (0.5, 5.0)  # seconds between attempts while the issuer does not answer: the first pause, and the longest

# The most seconds for all pieces of one reading. After that, the next attempt continues from the last cursor.
_LONGEST_READING = 30.0


def feed_source(url: str, private_network: bool = False) -> Source:
    """Return the source of a feed at `url`; see fetching.Source."""
    return Source(url=url, types=(f"application/{FEED_TYPE}",), max_length=MAX_LENGTH, private_network=private_network)


class Subscription:
    """
    The revocations of one issuer that one process knows.

    Args:
        issuer: the issuer's name.
        source: its feed.
        keys: its keys.
        max_staleness: the maximum age of the known revocations.
        max_lifetime: the longest lifetime of the issuer's tokens, and so the longest time for which an entry is needed.
        clock: a monotonic clock, in seconds.
        fetch: the function that fetches; see fetching.fetch().
    """

    def __init__(
        self,
        issuer: str,
        source: Source,
        keys: Keys,
        max_staleness: timedelta,
        *,
        max_lifetime: timedelta,
        clock: Callable[[], float] = seconds,
        fetch: Callable[..., Fetched] = fetch,
    ) -> None:
        self._issuer, self._source, self._keys = issuer, source, keys
        self._bound, self._clock, self._fetch = max_staleness.total_seconds(), clock, fetch
        # A token that was issued at the same moment may live that long, by a clock that is behind.
        self._refusals = Refusals(max_lifetime + 2 * MAX_LEEWAY, MAX_LEEWAY)
        self._cursor: str | None = None
        self._last: Received | None = None  # the last piece without `more`
        self._etag: str | None = None  # that of the piece for `_cursor`, if it was fetched before
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
            RevocationUnavailableError: when the known revocations are older, and no new ones can be fetched.
        """
        try:
            self._renewal.renew()
        except StaleError as error:
            raise RevocationUnavailableError(f"the last revocations known of {self._issuer!r} are too old") from error
        return self._refusals.state_of(claims)

    def last_known_state_of(self, claims: Claims) -> State:
        """
        Return the last known state, even if it is too old.

        Raises:
            RevocationUnavailableError: when the feed was never read to its end.
        """
        if not self._renewal.was_ever_read:
            raise RevocationUnavailableError(f"no revocations of {self._issuer!r} were ever read")
        return self._refusals.state_of(claims)

    def _ask(self, now: float) -> Lease:
        while self._read_piece(timezone.now()):
            if self._clock() > now + _LONGEST_READING:
                raise FetchError(
                    f"{self._source.url}: the feed has more pieces than fit in {_LONGEST_READING:.0f} seconds"
                )
        return Lease(_ASK_AFTER * self._bound, self._bound)

    def _read_piece(self, now: datetime) -> bool:
        """Fetch the piece that follows the cursor, and learn it. Return whether there are more."""
        try:
            fetched = self._fetch(self._source, etag=self._known_etag(now), query=self._query())
            if fetched.body is None:
                return False
            piece = read_feed(fetched.body, self._issuer, self._keys, now)
            self._check(piece)
            self._learn(piece, now)
        except (FeedError, InvalidTokenError):
            self._forget_cursor()
            raise
        except FetchError as error:
            if error.status == 400:
                self._forget_cursor()
            raise
        is_unchanged = not piece.more and piece.next == self._cursor
        self._cursor, self._etag = piece.next, fetched.etag if is_unchanged else None
        if not piece.more:
            self._last = piece
        return piece.more

    def _query(self) -> str:
        return "" if self._cursor is None else f"after={self._cursor}"

    def _known_etag(self, now: datetime) -> str | None:
        # Without an ETag the issuer has to send a piece with a new signature.
        return self._etag if self._last is not None and now < self._last.expires_at else None

    def _check(self, piece: Received) -> None:
        if piece.after not in (self._cursor, None):
            raise FeedError("the piece follows another cursor")
        # Within a slice a process signs a piece once, and machines' clocks differ.
        tolerance = SLICE + get_settings().LEEWAY
        if not piece.more and self._last is not None and piece.issued_at < self._last.issued_at - tolerance:
            raise FeedError("the piece is older than the one before")
        # A revoked key may be in other hands, so a feed that is signed with it is not believed.
        if key_subject(self._issuer, piece.kid) in self._refusals.revoked_keys:
            raise FeedError("the key of the feed is revoked")

    def _learn(self, piece: Received, now: datetime) -> None:
        revoked_keys = self._refusals.revoked_keys
        self._refusals.add(piece.entries, piece.issued_at, now)
        # If another key was revoked, have the keys fetched again, so that it is removed from them.
        if self._refusals.revoked_keys - revoked_keys:
            self._keys.expire()

    def _forget_cursor(self) -> None:
        self._cursor = self._etag = None

    def _log_failure(self, error: Exception) -> None:
        extra = {"event": "feed_unread", "reason": str(error)}
        logger.error("Revocations of %s can't be read: %s.", self._issuer, error, extra=extra)

    def _log_recovery(self) -> None:
        extra = {"event": "feed_read_again"}
        logger.warning("Revocations of %s can be read again.", self._issuer, extra=extra)
