"""
The events of the feed: they publish the rows of the table to other servers. Pure.

    a row is about                                   the feed lists
    ---------------------------------------------    ------------------------------------------------------------------
    a session or a token                             this session or token
    the same, and more than MAX_OF_A_USER            a cutoff of this user: it refuses more than these rows, but
    unexpired rows are about the same user           only tokens of this user
    a user or a client with a cutoff                 the latest cutoff
    a key of ours, or everybody                      the same, in each piece: these events never expire
    anything else, or only expired tokens            nothing

A user's cutoff that replaces sessions and tokens expires soon after the last of them would have expired.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from jwt_auth.revocation.verdict import latest

# No event expires within a slice of this length: a piece has the events that are unexpired when its slice starts.
SLICE = timedelta(seconds=20)

# The most sessions and tokens of one user that the feed lists one by one.
MAX_OF_A_USER = 100

Event = dict[str, Any]


class Row(NamedTuple):
    """A `RevocationEvent`, without the columns that are only for the record."""

    id: int
    scope: str
    subject: str
    sub: str
    cutoff: datetime | None
    created_at: datetime
    expires_at: datetime | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBuilder:
    """
    Builds events from rows.

    Args:
        issuer: our name.
        life: the longest life of a token.
        leeway: how much the clocks of two machines may differ.
        start: the start of the slice.
    """

    issuer: str
    life: timedelta
    leeway: timedelta
    start: datetime

    def build(self, rows: Iterable[Row], over_limit: Collection[str]) -> list[Event]:
        """
        Return one event for each subject, in an order that does not depend on the database.

        Args:
            over_limit: the users with more than MAX_OF_A_USER sessions and tokens.
        """
        found: dict[tuple[str, str], tuple[datetime | None, datetime]] = {}
        for row in filter(self.concerns_others, rows):
            scope, subject, cutoff, until = self._coarse(row) if row.sub in over_limit else self._single(row)
            known, end = found.get((scope, subject), (None, until))
            found[scope, subject] = latest((known, cutoff)), max(until, end)
        return [_event(scope, subject, *facts) for (scope, subject), facts in sorted(found.items())]

    def users_of(self, rows: Iterable[Row]) -> set[str]:
        """Return the users whose sessions and tokens would be listed one by one for `rows`."""
        return {row.sub for row in rows if row.sub and self.concerns_others(row)}

    def concerns_others(self, row: Row) -> bool:
        """Return whether it is about unexpired tokens of ours; a client's keys and its own tokens concern only us."""
        if row.scope == "client" and row.cutoff is None:
            return False  # its row was changed, and no token was revoked
        is_ours = row.scope not in ("token", "key") or row.subject.startswith(f"{self.issuer} ")
        return is_ours and self._until(row) > self.start

    def _single(self, row: Row) -> tuple[str, str, datetime | None, datetime]:
        return row.scope, row.subject, row.cutoff, self._until(row)

    def _coarse(self, row: Row) -> tuple[str, str, datetime | None, datetime]:
        # If another machine's clock was ahead, the session and its last token may be later than `created_at`. The event
        # of a session expires the longest life of a token after its last token was issued.
        last = row.created_at
        if row.scope == "session" and row.expires_at is not None:
            last = max(last, row.expires_at - self.life)
        cutoff = last + self.leeway
        return "user", row.sub, cutoff, max(cutoff + self.life, self._until(row))

    def _until(self, row: Row) -> datetime:
        """Return the time when the last token that the event refuses has expired."""
        if row.expires_at is None:
            return self.start + SLICE + self.life
        return max(row.created_at + self.life, row.expires_at)


def _event(scope: str, subject: str, cutoff: datetime | None, until: datetime) -> Event:
    event: Event = {"scope": scope, "subject": subject, "exp": ceil(until.timestamp())}
    return event if cutoff is None else {**event, "cutoff": cutoff.timestamp()}
