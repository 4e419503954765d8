"""
Read one piece of another issuer's feed: verify its signature and its times, and parse its events.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from jwt_auth.claims import LATEST, moment
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import UnavailableError, UnknownKeyError
from jwt_auth.issuers.remote.refusals import FeedError
from jwt_auth.jose import tokens
from jwt_auth.jose.keys import Key
from jwt_auth.revocation.feed.cursors import MAX_LENGTH as MAX_CURSOR
from jwt_auth.revocation.feed.pieces import FEED_TYPE, LIFETIME, MAX_LENGTH
from jwt_auth.revocation.memory.denylist import Entry

# A cursor is a text of the issuer's, and nothing else is known about it. It is sent in a URL.
_CURSOR = re.compile(rf"[A-Za-z0-9._~-]{{1,{MAX_CURSOR}}}")

# Longer subjects name nothing: an `iss` or another claim has at most 255 characters, and a subject two of them.
_LONGEST_SUBJECT = 511


class Keys(Protocol):
    """The issuer's keys; see jwks.RemoteKeys."""

    def find(self, kid: str | None) -> Key: ...
    def expire(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """
    A piece with a valid signature and valid times.

    Args:
        after: the cursor that it follows; None if it starts from the beginning.
        next: the cursor to ask with the next time.
        more: whether it is not the last one.
    """

    kid: str
    issued_at: datetime
    expires_at: datetime
    after: str | None
    next: str
    more: bool
    entries: tuple[Entry, ...]


def read_feed(raw: bytes, issuer: str, keys: Keys, now: datetime) -> Received:
    """
    Verify a piece of a feed.

    Raises:
        FeedError: when it is not a piece of a feed, is not from `issuer`, or is not valid now.
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
        raise FeedError("the feed is from another issuer")
    if expires_at - issued_at > LIFETIME:
        raise FeedError("the feed is valid for too long")
    if issued_at > now + leeway or expires_at <= now - leeway:
        raise FeedError("the feed is not valid now")
    after, more, events = claims.get("after"), claims.get("more"), claims.get("events")
    if not isinstance(more, bool) or not isinstance(events, list):
        raise FeedError("the feed has no list of events, or does not say whether there are more pieces")
    return Received(
        kid=key.kid,
        issued_at=issued_at,
        expires_at=expires_at,
        after=None if after is None else _cursor(after),
        next=_cursor(claims.get("next")),
        more=more,
        entries=tuple(_entries(events, issued_at)),
    )


def _cursor(value: object) -> str:
    if not isinstance(value, str) or not _CURSOR.fullmatch(value):
        raise FeedError("the feed has no valid cursor")
    return value


def _entries(events: list[Any], issued_at: datetime) -> Iterator[Entry]:
    for event in events:
        if not isinstance(event, Mapping):
            raise FeedError("an event is not an object")
        scope, subject = event.get("scope"), event.get("subject")
        if not isinstance(scope, str) or not isinstance(subject, str):
            raise FeedError("an event has no scope or no subject")
        if len(subject) > _LONGEST_SUBJECT:
            continue
        cutoff = _moment(event, "cutoff") if "cutoff" in event else None
        yield Entry(None, scope, subject, cutoff, issued_at, _moment(event, "exp"))


def _moment(values: Mapping[str, Any], name: str) -> datetime:
    """Return a time of the feed, at most LATEST, so that one odd time does not make the feed unreadable."""
    value: Any = values.get(name)
    if type(value) in (int, float) and value >= 0:  # type(), because True is an int
        return moment(min(value, LATEST.timestamp()))
    raise FeedError(f"{name} is not a number of seconds")
