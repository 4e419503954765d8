"""
What is over and can go, in batches.

Gone is what no token can depend on any more. A session is needed until its absolute end: its access
tokens end with it, at the latest. An event is needed until the last token that it refuses is dead
(`expires_at`), and for as long as a process may still ask for it. Cutoffs stay: the users' own, and
the events of scope `all`, which have no end; so do those of our own keys. A session's row is an
allowlist, so that its deletion can only refuse; an event's is never deleted early, so that none revives.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model, QuerySet

from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.models import RevocationEvent, UsedToken, UserSession

# For requests that are under way, and for machines whose clock is behind the one that cleans.
MARGIN = timedelta(minutes=5)


def expired_sessions(now: datetime, keep: timedelta = timedelta(0)) -> QuerySet[UserSession]:
    """Sessions whose absolute end has been over for longer than `keep`."""
    return UserSession.objects.filter(expires_at__lt=now - keep - MARGIN)


def expired_events(now: datetime, keep: timedelta = timedelta(0)) -> QuerySet[RevocationEvent]:
    """Events that have had no token to refuse for longer than `keep`."""
    # A memory of revocations asks for all that are younger than a token can be, whatever they refuse.
    rows = RevocationEvent.objects.filter(expires_at__lt=now - max(keep, longest_life()) - MARGIN)
    return rows.exclude(scope=RevocationEvent.Scope.ALL)


def expired_used_tokens(now: datetime) -> QuerySet[UsedToken]:
    """Tokens that were used once, and would be refused by now for their age."""
    return UsedToken.objects.filter(expires_at__lt=now - MARGIN)


def delete_in_batches(rows: QuerySet[Any], batch_size: int) -> Iterator[int]:
    """
    Delete `rows`, of one of the functions above, in transactions of their own.

    Each batch is a range of the index on `expires_at`: one query finds where it ends, one deletes it. No
    row is loaded. Rows of one microsecond go together, however many they are.

    Yields:
        How many rows each batch has deleted.
    """
    start = None
    while True:
        rest = rows if start is None else rows.filter(expires_at__gte=start)
        end = _moment_at(rest, batch_size)
        if end is not None and end == start:
            end = _moment_at(rest.filter(expires_at__gt=start), 0)
        yield _delete(rest if end is None else rest.filter(expires_at__lt=end))
        if end is None:
            return
        start = end


def _moment_at(rows: QuerySet[Any], position: int) -> datetime | None:
    return rows.order_by("expires_at").values_list("expires_at", flat=True)[position : position + 1].first()


def _delete(rows: QuerySet[Model]) -> int:
    # Not `delete()`: as soon as a project listens to deletions, that loads the rows, and then deletes them by
    # their keys, be they still expired or not. This is one DELETE with the whole condition in it.
    return rows._raw_delete(rows.db)
