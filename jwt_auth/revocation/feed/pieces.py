"""
The pieces of the feed: each is a signed document with the events that follow a cursor.

    a reader asks             and the piece has
    ----------------------    ---------------------------------------------------------------------------------------
    without a cursor          after: null. The events from the oldest one that still matters
    with a cursor of ours     after: the cursor. The events that the cursor does not cover (see `cursors`)
    with an expired cursor,   after: null. As without one: the reader starts from the beginning, and forgets nothing
    or one that is not ours

    each piece also has       next: the cursor to ask with the next time; the same one if nothing is new
                              more: true if there were more than PAGE rows. Then the reader asks again at once
                              the revoked keys and the cutoff for everybody

Only the last piece, without `more`, contains everything that was committed before its `iat`. A piece with `more` is
kept for its slice of time, and the table is not read again for it. Events of its range that commit later are in gaps of
its cursor `next`, and the request for the last piece asks for them.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone as dt_timezone
from hashlib import sha256
from typing import Any

from django.db import router
from django.db.models import Count, Min, Q, QuerySet, Subquery
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
from jwt_auth.revocation.memory.numbers import LOOK_BACK

FEED_TYPE = "revocations+jwt"
LIFETIME = timedelta(seconds=60)

# Rows in one piece: few enough that the signing of a piece does not delay other requests.
PAGE = 500
MAX_LENGTH = 4 * 2**20  # of the signed text

# The pieces that a process keeps: enough for all readers that read 50,000 events from the beginning in one slice.
_KEPT = 128
_PATIENCE = 5.0  # seconds for which threads wait for the one that makes a piece; see SharedWork

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
            content = _read(after, start)
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


@cached_until_settings_change
def publisher() -> Publisher:
    """Return the publisher of this process."""
    return Publisher()


def publish(after: str | None = None) -> Piece:
    """
    Return the piece that follows the cursor `after`; the first one without a cursor.

    Two queries if nothing is new, three if sessions or tokens were revoked; two or three more at the beginning.

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


def _read(after: str | None, start: datetime) -> _Content:
    """Return what follows the cursor `after`, if it can be continued, and everything if not."""
    cursor = _from_text(after, start)
    new = _new(cursor) if cursor else None
    restored = cursor is not None and new is None
    if cursor is None or new is None:
        after, cursor = None, _beginning(start)
        new = _new(cursor) or []
    # Each piece has these, because they never expire: readers drop those that the pieces no longer list.
    rows = _rows(_lasting()) + [row for row in new if row.scope not in _LASTING]
    return _Content(
        restored=restored,
        after=after,
        next=after if after and not new else _to_text(_advanced(cursor, new, start)),
        more=len(new) == PAGE,
        events=_build_events(rows, start),
    )


def _lasting() -> QuerySet[RevocationEvent]:
    """
    Return the events of our own keys, and that of the newest cutoff for everybody.

    The keys of API clients concern no other server, and an earlier cutoff refuses nothing that the newest does not.
    """
    own = _events().filter(scope=RevocationEvent.Scope.KEY, subject__startswith=f"{get_settings().ISSUER} ")
    newest = _events().filter(scope=RevocationEvent.Scope.ALL).order_by("-cutoff").values("pk")[:1]
    return own.union(_events().filter(pk=Subquery(newest)), all=True)


def _new(cursor: Cursor) -> list[Row] | None:
    """
    Return the first rows that the cursor does not cover; None if the event that it names is not in the table.

    If the rows of the gaps alone fill a piece, the table is not compared until a later piece.
    """
    missing = (Q(pk__range=(gap.first, gap.last)) for gap in cursor.gaps)
    unread = Q(Q(pk__gte=cursor.newest), *missing, _connector=Q.OR)
    rows = _rows(_events().filter(unread).order_by("pk")[: PAGE + 1])
    new = [row for row in rows if row.id != cursor.newest]
    is_same = not cursor.mark or cursor.mark in {row.mark for row in rows if row.id == cursor.newest}
    return new[:PAGE] if is_same or (len(rows) > PAGE and rows[-1].id < cursor.newest) else None


def _beginning(start: datetime) -> Cursor:
    """Return a cursor from before the oldest event that still matters."""
    life = longest_life()
    recent = _events().filter(expires_at__gt=start - life)
    unexpired = recent.filter(Q(created_at__gt=start - life) | Q(expires_at__gt=start))
    oldest = unexpired.aggregate(oldest=Min("pk"))["oldest"]
    if oldest is None:
        oldest = _events().order_by("-pk").values_list("pk", flat=True).first() or 1
    # Events are counted, not numbers: an open transaction may have been given any amount of numbers.
    older = _events().filter(pk__lt=oldest).order_by("-pk").values_list("pk", flat=True)
    first = older[LOOK_BACK - 1 : LOOK_BACK].first() or 1
    return Cursor(newest=first - 1, mark="", made_at=int(start.timestamp()))


def _advanced(cursor: Cursor, new: list[Row], start: datetime) -> Cursor:
    mark = new[-1].mark if new and new[-1].id > cursor.newest else cursor.mark
    return cursor.advance([row.id for row in new], mark, int(start.timestamp()), _life())


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


def _life() -> int:
    """Return the seconds for which an event may matter, from any moment of a slice."""
    return int((longest_life() + SLICE).total_seconds()) + 1


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
    return None if cursor.has_expired(int(start.timestamp()), _life()) else cursor


def _hmac(text: str) -> str:
    return salted_hmac("jwt_auth.revocation.feed", text, algorithm="sha256").hexdigest()[:32]
