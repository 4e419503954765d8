"""
The revocation feed for other servers: one signed document with every event that still matters.

Each document is complete, so that a reader needs no history: it replaces what the reader knew, and an event whose
transaction commits late is in the next document. The feed does not say who revoked, or why.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone as dt_timezone
from functools import lru_cache
from hashlib import sha256
from math import ceil
from typing import Any

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import LATEST, later
from jwt_auth.conf import get_settings
from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.jose import tokens
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import RevocationEvent
from jwt_auth.process.clock import seconds
from jwt_auth.process.single_flight import SingleFlight
from jwt_auth.revocation.memory.denylist import Entry
from jwt_auth.revocation.verdict import latest

FEED_TYPE = "revocations+jwt"
LIFETIME = timedelta(seconds=60)

# An ETag is valid for one slice of time. So a document is only reported as unchanged if it was signed in the same
# slice, and has most of its lifetime left.
SLICE = timedelta(seconds=20)

# Above either limit the feed has one global cutoff instead of the events: too much is refused, never too little.
MAX_EVENTS = 50_000
MAX_LENGTH = 8 * 2**20  # of the signed text

# A forked child may inherit it locked, with no thread to release it; then it waits in vain, but only for _PATIENCE.
_making = SingleFlight(seconds)
_PATIENCE = 5.0  # seconds for which other threads wait, counted from when one began to make a feed

Scope = RevocationEvent.Scope
Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The signed document, and the ETag of its content for conditional requests."""

    document: str = field(repr=False)
    etag: str


def publish(*, now: datetime | None = None) -> Feed:
    """
    Return the feed as of now. One query if nothing has happened in this slice of time, two otherwise.

    Raises:
        UnavailableError: when the database can't be queried.
    """
    start = _start_of_slice(now or timezone.now())
    with outage_is_unavailable():
        # Within a slice no event leaves the window, and events are never changed: an equal number is the same events.
        return _made_once(own_keys().signing.kid, start, _window(start).count())


def _made_once(kid: str, start: datetime, count: int) -> Feed:
    """Make the feed in one thread while others wait for it: a long one takes seconds, and need not be made twice."""
    begun = _making.acquire(_PATIENCE)
    try:
        return _remembering()(kid, start, count)
    finally:
        if begun:
            _making.release()


@cached_until_settings_change
def _remembering() -> Callable[[str, datetime, int], Feed]:
    return lru_cache(maxsize=1)(_publish)


def _publish(kid: str, start: datetime, count: int) -> Feed:
    # Taken before the table is read: readers may rely on the feed to have all that was committed by then.
    issued_at = timezone.now()
    events = _single_events(start) if count <= MAX_EVENTS else _coarse_events(start)
    text = _text(events)
    if len(text) > _room():
        events = _coarse_events(start)
        text = _text(events)
    claims = {
        "iss": get_settings().ISSUER,
        "iat": int(issued_at.timestamp()),
        "exp": int((issued_at + LIFETIME).timestamp()),
        "events": events,
    }
    return Feed(
        document=tokens.encode(claims, own_keys().signing, FEED_TYPE, max_length=MAX_LENGTH),
        etag=sha256(f"{kid} {start.timestamp()} {text}".encode()).hexdigest(),
    )


def _room() -> int:
    """Return the greatest length of the events as JSON with which the encoded document fits into MAX_LENGTH."""
    return MAX_LENGTH // 4 * 3 - 4096


def _text(events: list[Event]) -> str:
    return json.dumps(events, separators=(",", ":"))


def _start_of_slice(now: datetime) -> datetime:
    seconds = int(now.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(SLICE.total_seconds()), dt_timezone.utc)


def _window(start: datetime) -> QuerySet[RevocationEvent]:
    """Return all events that could refuse an unexpired token in the slice that begins at `start`."""
    return RevocationEvent.objects.filter(Q(expires_at__gt=start - longest_life()) | Q(expires_at=None))


def _single_events(start: datetime) -> list[Event]:
    entries = [Entry(*row) for row in _window(start).values_list(*Entry._fields)]
    return _events(filter(_is_ours, entries), start)


def _events(entries: Iterable[Entry], start: datetime) -> list[Event]:
    """Return one event for each subject, in an order that does not depend on the database."""
    found: dict[tuple[str, str], tuple[datetime | None, datetime]] = {}
    for entry in entries:
        until = _until(entry, start)
        if until > start:
            cutoff, other = found.get((entry.scope, entry.subject), (None, until))
            found[entry.scope, entry.subject] = latest((cutoff, entry.cutoff)), max(until, other)
    return [_event(scope, subject, *facts) for (scope, subject), facts in sorted(found.items())]


def _event(scope: str, subject: str, cutoff: datetime | None, until: datetime) -> Event:
    event: Event = {"scope": scope, "subject": subject, "exp": ceil(min(until, LATEST).timestamp())}
    return event if cutoff is None else {**event, "cutoff": min(cutoff, LATEST).timestamp()}


def _until(entry: Entry, start: datetime) -> datetime:
    """Return the time when the last token that the event refuses has expired."""
    life = longest_life()
    if entry.expires_at is None:
        return start + SLICE + life
    return max(entry.created_at + life, entry.expires_at)


def _is_ours(entry: Entry) -> bool:
    """Return whether it is about tokens that we issue; clients' keys and other servers' tokens concern only us."""
    if entry.scope == Scope.CLIENT and entry.cutoff is None:
        return False  # its row was changed, and no token was revoked
    return entry.scope not in (Scope.TOKEN, Scope.KEY) or entry.subject.startswith(f"{get_settings().ISSUER} ")


def _coarse_events(start: datetime) -> list[Event]:
    keys = [Entry(*row) for row in _window(start).filter(scope=Scope.KEY).values_list(*Entry._fields)]
    newest = _window(start).aggregate(cutoff=Max("cutoff"), created=Max("created_at"))
    # A session that was ended may have been started by a machine whose clock was ahead.
    moment = later(max(filter(None, newest.values())), get_settings().LEEWAY)
    everybody = _event(Scope.ALL, "", moment, start + SLICE + longest_life())
    return [*_events(filter(_is_ours, keys), start), everybody]
