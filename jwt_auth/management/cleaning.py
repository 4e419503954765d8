"""
Deletion of expired rows, in batches.

A row is deleted when no token can depend on it any more. A session is needed until its absolute end: its access
tokens end with it, at the latest. One that was revoked, and had begun with a token that was used up, is needed for as
long as that is known: its end refuses tokens of another package, which may live longer. An event is needed until the
last token that it refuses has expired (`expires_at`), and for as long as a process may still ask for it. Of two clocks,
the machine's and the database's, the one that is behind decides. Cutoffs are never deleted: neither the users' own, nor
the events of scope `all`, which have no end, nor the events of our own keys. The other session rows are an allowlist,
so deleting one can only refuse tokens; an event is never deleted early, so no refused token becomes valid again.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import Error
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from jwt_auth._django.connections import in_transaction
from jwt_auth._django.deletion import delete_rows
from jwt_auth._django.driver_errors import is_of_conflict
from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.models import RevocationEvent, UsedToken, UserSession
from jwt_auth.process.clock import seconds
from jwt_auth.revocation.record import database_now

# Readers ask for what was recorded in the last minutes, and take rows that are missing there for another table.
READ_FOR = timedelta(hours=1)

# For requests in progress, and for machines whose clock is behind the clock of the machine that cleans.
MARGIN = timedelta(minutes=5)

# A batch should take this long at most, so that nobody waits for it and no timeout of the database ends it. The first
# batch is small, because nothing is known about the machine yet.
SECONDS, FIRST, FEWEST = 0.2, 1_000, 100

# How often a batch is repeated that lost a conflict with another transaction.
REPETITIONS = 5


def present() -> datetime:
    """Return the time for the functions below: a machine that is ahead must not delete too early. One query."""
    return min(timezone.now(), database_now())


def expired_sessions(now: datetime, keep: timedelta = timedelta(0)) -> QuerySet[UserSession]:
    """Return the sessions whose absolute end passed more than `keep` ago."""
    used_up = UsedToken.objects.filter(digest=OuterRef("pk"))
    return UserSession.objects.filter(Q(revoked_at=None) | ~Exists(used_up), expires_at__lt=now - keep - MARGIN)


def expired_events(now: datetime, keep: timedelta = timedelta(0)) -> QuerySet[RevocationEvent]:
    """Return the events that have had no token to refuse for longer than `keep`."""
    # A memory view reads all events until the longest token lifetime after `expires_at`, whatever they refuse.
    rows = RevocationEvent.objects.filter(expires_at__lt=now - max(keep, longest_life()) - MARGIN)
    return rows.filter(recorded_at__lt=now - READ_FOR).exclude(scope=RevocationEvent.Scope.ALL)


def expired_used_tokens(now: datetime) -> QuerySet[UsedToken]:
    """Return the used single-use tokens that have expired by now."""
    return UsedToken.objects.filter(expires_at__lt=now - MARGIN)


def delete_in_batches(rows: QuerySet[Any], batch_size: int) -> Iterator[int]:
    """
    Delete `rows`, from one of the functions above, with one transaction per batch.

    Two queries for each batch: one finds its end, and one deletes it. No row is loaded.

    Yields:
        The number of rows that each batch deleted.
    """
    for batch in _in_batches(rows, batch_size):
        yield _delete(batch)


def _delete(batch: QuerySet[Any], repetitions: int = REPETITIONS) -> int:
    """
    Delete a batch, again if it lost a conflict.

    Two commands that run at once may lock the same rows in a different order, because the database chooses the index.
    """
    try:
        return delete_rows(batch)
    except Error as error:
        # In the transaction of a caller, all that was done before is undone.
        is_final = repetitions == 0 or in_transaction(batch.db)
        if is_final or not is_of_conflict(error):
            raise
    return _delete(batch, repetitions - 1)


def count_in_batches(rows: QuerySet[Any], batch_size: int) -> Iterator[int]:
    """Yield the number of rows that each batch of `delete_in_batches` would delete."""
    for batch in _in_batches(rows, batch_size):
        yield batch.count()


def _in_batches(rows: QuerySet[Any], most: int) -> Iterator[QuerySet[Any]]:
    """
    Yield `rows` in batches of `most` at most; smaller ones if the work on a batch takes longer than SECONDS.

    Each batch is a range of the index on `expires_at`. All rows of one microsecond are in the same batch, regardless
    of their number.
    """
    start, size = None, min(FIRST, most)
    while True:
        began = seconds()
        rest = rows if start is None else rows.filter(expires_at__gte=start)
        end = _moment_at(rest, size)
        if end is not None and end == start:
            end = _moment_at(rest.filter(expires_at__gt=start), 0)
        yield rest if end is None else rest.filter(expires_at__lt=end)
        if end is None:
            return
        start, size = end, _next_size(size, seconds() - began, most)


def _next_size(size: int, taken: float, most: int) -> int:
    if taken > SECONDS:
        return min(most, max(size // 2, FEWEST))
    return min(most, size * 2) if taken < SECONDS / 2 else size


def _moment_at(rows: QuerySet[Any], position: int) -> datetime | None:
    return rows.order_by("expires_at").values_list("expires_at", flat=True)[position : position + 1].first()
