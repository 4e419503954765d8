"""
What other servers are told about revocations: one signed document with every event that still matters.

It is complete each time, so that a reader needs no history. It replaces what it knew, and an event whose
transaction commits late is simply in the next one. Nothing in it says who revoked, or why.
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

# An ETag is good for one slice of time. So "unchanged" is only said of a document that was signed in the same
# slice, and has most of its life before it.
SLICE = timedelta(seconds=20)

# Beyond either, one cutoff for everybody stands for all the single events: too much is refused, never too little.
MAX_EVENTS = 50_000
MAX_LENGTH = 8 * 2**20  # of the signed text

# A forked child may find it held for ever, and then waits in vain for as long as this, and no more.
_making = SingleFlight(seconds)
_PATIENCE = 5.0  # seconds after one has begun to make a feed, in which others wait for it

Scope = RevocationEvent.Scope
Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The signed document, and the name of its content for conditional requests."""

    document: str = field(repr=False)
    etag: str


def publish(*, now: datetime | None = None) -> Feed:
    """
    The feed as of now. One query if nothing has happened in this slice of time, two otherwise.

    Raises:
        UnavailableError: when the database can't be asked.
    """
    start = _start_of_slice(now or timezone.now())
    with outage_is_unavailable():
        # Within a slice no event leaves the window, and events are never changed: as many as before are the same.
        return _made_once(own_keys().signing.kid, start, _window(start).count())


def _made_once(kid: str, start: datetime, count: int) -> Feed:
    """To make a long one takes seconds: others wait for it, for none has to be made twice."""
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
    # Before the table is read: a reader may rely on all that was committed by then.
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
    """How long the events may be as JSON, for the whole to fit when it is encoded."""
    return MAX_LENGTH // 4 * 3 - 4096


def _text(events: list[Event]) -> str:
    return json.dumps(events, separators=(",", ":"))


def _start_of_slice(now: datetime) -> datetime:
    seconds = int(now.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(SLICE.total_seconds()), dt_timezone.utc)


def _window(start: datetime) -> QuerySet[RevocationEvent]:
    """All events that a living token could fall to in the slice from `start` on."""
    return RevocationEvent.objects.filter(Q(expires_at__gt=start - longest_life()) | Q(expires_at=None))


def _single_events(start: datetime) -> list[Event]:
    entries = [Entry(*row) for row in _window(start).values_list(*Entry._fields)]
    return _events(filter(_is_ours, entries), start)


def _events(entries: Iterable[Entry], start: datetime) -> list[Event]:
    """One event for each subject, in an order that does not depend on the database."""
    found: dict[tuple[str, str], tuple[datetime | None, datetime]] = {}
    for entry in entries:
        until = _until(entry, start)
        if until > start:
            cutoff, other = found.get((entry.scope, entry.subject), (None, until))
            found[entry.scope, entry.subject] = latest((cutoff, entry.cutoff)), max(until, other)
    return [_event(scope, subject, *facts) for (scope, subject), facts in sorted(found.items())]


def _event(scope: str, subject: str, cutoff: datetime | None, until: datetime) -> Event:
    event: Event = {"scope": scope, "subject": subject, "exp": ceil(until.timestamp())}
    return event if cutoff is None else {**event, "cutoff": cutoff.timestamp()}


def _until(entry: Entry, start: datetime) -> datetime:
    """When the last token that the event refuses is dead."""
    life = longest_life()
    if entry.expires_at is None:
        return start + SLICE + life
    return max(entry.created_at + life, entry.expires_at)


def _is_ours(entry: Entry) -> bool:
    """Whether it is about tokens that we issue: a client's key and another server's token are our own affair."""
    if entry.scope == Scope.CLIENT and entry.cutoff is None:
        return False  # its row was changed, and nothing was taken back
    return entry.scope not in (Scope.TOKEN, Scope.KEY) or entry.subject.startswith(f"{get_settings().ISSUER} ")


def _coarse_events(start: datetime) -> list[Event]:
    keys = [Entry(*row) for row in _window(start).filter(scope=Scope.KEY).values_list(*Entry._fields)]
    newest = _window(start).aggregate(cutoff=Max("cutoff"), created=Max("created_at"))
    # A session that has been ended may have begun by a clock that was ahead.
    moment = max(filter(None, newest.values())) + get_settings().LEEWAY
    everybody = _event(Scope.ALL, "", moment, start + SLICE + longest_life())
    return [*_events(filter(_is_ours, keys), start), everybody]
