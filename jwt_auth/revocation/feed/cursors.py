"""
A cursor of the feed: what its reader has read, in a few numbers, so that no server remembers readers. Pure.

Every process of the issuer answers a cursor alike, because all of it is about rows of the database: the window of the
protocol (`revocation.window`), and how far the reader has come with all unexpired events.

    a cursor                                     is answered with
    -----------------------------------------    --------------------------------------------------------------------
    whose reader has read all unexpired events   what is new, or the next page of it
    of a reader that still reads these           the next of them
    that can't be continued, by the protocol     everything, from the beginning
    that began RESTART_AFTER ago                 the same: so a reader finds even what the protocol can't, such as
                                                 rows that were restored from a backup
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from jwt_auth.revocation.window import Newest, Place, Position, Tally, Window

# Seconds until everything is read again.
RESTART_AFTER = 3600

# The seconds with a tally of their own.
MAX_SECONDS = 130

# The most characters of a cursor with any numbers, including the HMAC at its end: it is sent in a URL, which servers
# limit to 4,094 bytes and more.
MAX_LENGTH = 4000

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """
    The events that a reader has read.

    Args:
        began_at: when it began to read all unexpired events, in seconds.
        place: how far it has come with these; None if it has read them.
        window: what it has taken of the record since.
    """

    began_at: int
    place: Place | None
    window: Window

    def has_expired(self, now: int) -> bool:
        """Return whether its reader should start from the beginning."""
        return now >= self.began_at + RESTART_AFTER


def write(cursor: Cursor) -> str:
    """Return the cursor as text. Its window must have been asked for."""
    window, place = cursor.window, cursor.place
    asked_at = _number(window.asked_at or _EPOCH)
    second = asked_at // 10**6
    parts = [
        [cursor.began_at, asked_at],
        [] if place is None or place.expires_at is None else [_number(place.expires_at), place.id],
        [] if window.page is None else [_number(window.page.recorded_at), window.page.id],
        _of_newest(window.newest),
        [] if window.tail is None else [window.tail - second],
        *([each - second, *tally] for each, tally in sorted(window.taken.items())),
    ]
    return "_".join(".".join(f"{number:x}" for number in part) for part in parts)


def read(text: str) -> Cursor:
    """Return the cursor that `write` wrote. No other text may come here."""
    head, place, page, newest, tail, *taken = (_numbers(part) for part in text.split("_"))
    began_at, asked_at = head
    second = asked_at // 10**6
    return Cursor(
        began_at=began_at,
        place=Place(_moment(place[0]), place[1]) if place else None,
        window=Window(
            asked_at=_moment(asked_at),
            taken={second + each: Tally(rows, total) for each, rows, total in taken},
            page=Position(_moment(page[0]), page[1]) if page else None,
            newest=Newest(_moment(newest[0]), newest[1], _moment(newest[2])) if newest else None,
            tail=second + tail[0] if tail else None,
        ),
    )


def _of_newest(newest: Newest | None) -> list[int]:
    return [] if newest is None else [_number(newest.recorded_at), newest.id, _number(newest.created_at)]


def _numbers(part: str) -> list[int]:
    return [int(digits, 16) for digits in part.split(".")] if part else []


def _number(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK


def _moment(number: int) -> datetime:
    return _EPOCH + number * _TICK
