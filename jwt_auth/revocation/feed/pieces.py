"""
The pieces of the feed: each is a signed document with the events that follow a cursor.

    a reader asks             and the piece has
    ----------------------    ---------------------------------------------------------------------------------------
    without a cursor          after: null. The events from the oldest one that still matters
    with a cursor of ours     after: the cursor. The events that the cursor does not cover (see `cursors`)
    with an expired cursor,   after: null. As without one: the reader starts from the beginning, and forgets nothing
    or one that is not ours

    each piece also has       next: the cursor to ask with the next time; the same one if nothing is new
                              more: true if there is more to read. Then the reader asks again at once
                              the revoked keys and the cutoff for everybody

Only the last piece, without `more`, contains everything that was committed before its `iat`. A piece with `more` is
kept for its slice of time, and the table is not read again for it. The window of its cursor `next` reaches back from
the time at which the reader began: so the request for the last piece finds what was committed meanwhile.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone as dt_timezone
from hashlib import sha256
from typing import Any

from django.db import router
from django.db.models import Count, QuerySet, Subquery
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth._django.table_sets import current_set
from jwt_auth.conf import get_settings
from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.jose import tokens
from jwt_auth.jose.keys import Key
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import RevocationEvent
from jwt_auth.process.lru import LRUCache
from jwt_auth.process.shared_work import SharedWork
from jwt_auth.revocation.feed import cursors
from jwt_auth.revocation.feed.cursors import Cursor
from jwt_auth.revocation.feed.events import MAX_OF_A_USER, SLICE, Event, EventBuilder, Row
from jwt_auth.revocation.record import Table
from jwt_auth.revocation.window import Place, Taken, Window, step

FEED_TYPE = "revocations+jwt"
LIFETIME = timedelta(seconds=60)

# Rows in one piece: few enough that the signing of a piece does not delay other requests.
PAGE = 500
MAX_LENGTH = 4 * 2**20  # of the signed text

# The pieces that a process keeps: enough for all readers that read 50,000 events from the beginning in one slice.
_KEPT = 128
_PATIENCE = 5.0  # seconds for which threads wait for the one that makes a piece; see SharedWork

_TABLE = Table(Row)
_LASTING = (RevocationEvent.Scope.KEY, RevocationEvent.Scope.ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The signed document, and the ETag of its content for conditional requests."""

    document: str = field(repr=False)
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """
    The contents of a piece, apart from its times.

    `restored` is True if the table is not the one that the cursor was made from.
    """

    restored: bool
    after: str | None
    next: str
    more: bool
    events: list[Event]


class Publisher:
    """The pieces that one process makes."""

    def __init__(self) -> None:
        self._full: LRUCache[Any, Piece] = LRUCache(_KEPT)  # those with `more`
        self._signed: LRUCache[str, Piece] = LRUCache(_KEPT)
        self._work: SharedWork[Piece] = SharedWork(_PATIENCE)
        self._ahead = timedelta(0)  # of the database's clock

    def publish(self, after: str | None) -> Piece:
        """See publish()."""
        # All other texts get the same answer. They must not be kept, because anybody can send them.
        if after is not None and _from_text(after, _start_of_slice(timezone.now())) is None:
            after = None
        work = (_tables(), after)
        return self._find(after) or self._work.result(work, lambda: self._find(after) or self._make(after))

    def _find(self, after: str | None) -> Piece | None:
        return self._full.get((_tables(), own_keys().signing.kid, _start_of_slice(timezone.now()), after))

    def _make(self, after: str | None) -> Piece:
        # Taken before the table is read: readers may rely on the feed to have all that was committed by then.
        issued_at, signer = timezone.now(), own_keys().signing
        start = _start_of_slice(issued_at)
        with outage_is_unavailable():
            content = self._read(after, start)
        etag = _etag(signer.kid, start, content)
        piece = self._signed.get(etag)
        if piece is None:
            piece = Piece(document=_sign(content, issued_at, signer), etag=etag)
            self._signed.put(etag, piece)
        if content.restored:
            # Readers of the other table's pieces would start from the beginning again, and get the same pieces.
            self._full.clear()
        if content.more:
            self._full.put((_tables(), signer.kid, start, after), piece)
        return piece

    def _read(self, after: str | None, start: datetime) -> _Content:
        """Return what follows the cursor `after`, if it can be continued, and everything if not."""
        known = _from_text(after, start)
        cursor = known or Cursor(began_at=0, place=None, window=Window())
        answer = self._ask(cursor)
        restored = answer.begins_anew and known is not None
        if answer.begins_anew:
            known, place = None, Place(start - longest_life())
            cursor = Cursor(began_at=int(start.timestamp()), place=place, window=answer.window)
        advanced, rows = _advanced(cursor, answer)
        is_complete = answer.is_complete and advanced.place is None
        # Each piece has these, because they never expire: readers drop those that the pieces no longer list.
        events = _build_events(_rows(_lasting()) + [row for row in rows if row.scope not in _LASTING], start)
        return _Content(
            restored=restored,
            after=after if known else None,
            next=_to_text(advanced),
            more=not is_complete,
            events=events,
        )

    def _ask(self, cursor: Cursor) -> Taken:
        """Take what is new, unless the reader still reads what is not."""
        if cursor.place is not None:
            return Taken(cursor.window, [], is_complete=False)
        now = timezone.now()
        answer = step(cursor.window, _TABLE, now + self._ahead, PAGE)
        if cursor.window.page is None:
            self._ahead = (answer.window.asked_at or now) - now
        return answer


@cached_until_settings_change
def publisher() -> Publisher:
    """Return the publisher of this process."""
    return Publisher()


def publish(after: str | None = None) -> Piece:
    """
    Return the piece that follows the cursor `after`; the first one without a cursor.

    Two queries if nothing is new, four if something is, and one more if sessions or tokens were revoked; at the
    beginning one or two more.

    Raises:
        UnavailableError: when the database can't be queried.
    """
    return publisher().publish(after)


def _tables() -> str:
    """Return the name of the tables in use, because tenants may each have their own."""
    return current_set(router.db_for_read(RevocationEvent))


def _sign(content: _Content, issued_at: datetime, signer: Key) -> str:
    claims = {
        "iss": get_settings().ISSUER,
        "iat": int(issued_at.timestamp()),
        "exp": int((issued_at + LIFETIME).timestamp()),
        "after": content.after,
        "next": content.next,
        "more": content.more,
        "events": content.events,
    }
    return tokens.encode(claims, signer, FEED_TYPE, max_length=MAX_LENGTH)


def _etag(kid: str, start: datetime, content: _Content) -> str:
    values = [kid, start.timestamp(), content.after, content.next, content.more, content.events]
    return sha256(json.dumps(values).encode()).hexdigest()


def _start_of_slice(now: datetime) -> datetime:
    seconds = int(now.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(SLICE.total_seconds()), dt_timezone.utc)


# Reading


def _advanced(cursor: Cursor, answer: Taken) -> tuple[Cursor, list[Row]]:
    """Return the cursor after `answer`, and after the next of all unexpired rows if it has not read these; and rows."""
    window, place, rows = answer.window, cursor.place, answer.rows
    if place is not None:
        found, place = _TABLE.unexpired(place, PAGE)
        rows = rows + found
        window = window.seen(found)
        if place is not None and place.expires_at is None:
            place = None  # the rows without an end are in each piece; see _lasting()
    # While nothing is new, the cursor stays the same for a slice of time, in every process.
    return Cursor(
        began_at=cursor.began_at, place=place, window=window.asked_in_steps_of(SLICE, cursors.MAX_SECONDS)
    ), rows


def _lasting() -> QuerySet[RevocationEvent]:
    """
    Return the events of our own keys, and that of the newest cutoff for everybody.

    The keys of API clients concern no other server, and an earlier cutoff refuses nothing that the newest does not.
    """
    own = _events().filter(scope=RevocationEvent.Scope.KEY, subject__startswith=f"{get_settings().ISSUER} ")
    newest = _events().filter(scope=RevocationEvent.Scope.ALL).order_by("-cutoff").values("pk")[:1]
    return own.union(_events().filter(pk=Subquery(newest)), all=True)


def _build_events(rows: list[Row], start: datetime) -> list[Event]:
    settings = get_settings()
    builder = EventBuilder(issuer=settings.ISSUER, life=longest_life(), leeway=settings.LEEWAY, start=start)
    users = builder.users_of(rows)
    over_limit: set[str] = set()
    if users:
        unexpired = _events().filter(sub__in=users, expires_at__gt=start).order_by()
        counted = unexpired.values_list("sub").annotate(number=Count("pk")).filter(number__gt=MAX_OF_A_USER)
        over_limit = {sub for sub, _ in counted}
    return builder.build(rows, over_limit)


def _events() -> QuerySet[RevocationEvent]:
    return RevocationEvent.objects.all()


def _rows(events: QuerySet[RevocationEvent]) -> list[Row]:
    return [Row(*row) for row in events.values_list(*Row._fields)]


# Cursors as text with an HMAC: readers can't write their own, so there are no more cursors than pieces


def _to_text(cursor: Cursor) -> str:
    text = cursors.write(cursor)
    return f"{text}.{_hmac(text)}"


def _from_text(after: str | None, start: datetime) -> Cursor | None:
    """Return the cursor, or None if it is not ours or has expired."""
    text, _, hmac = (after or "").rpartition(".")
    if not constant_time_compare(hmac, _hmac(text)):
        return None
    cursor = cursors.read(text)
    return None if cursor.has_expired(int(start.timestamp())) else cursor


def _hmac(text: str) -> str:
    return salted_hmac("jwt_auth.revocation.feed", text, algorithm="sha256").hexdigest()[:32]
