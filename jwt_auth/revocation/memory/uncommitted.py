"""
Revocations of transactions that are still open: what their own thread knows already, and nobody else may.
"""

from collections.abc import Callable, Sequence
from weakref import ReferenceType, ref

from django.db import connections, router

from jwt_auth._django.commit_hooks import on_commit, waiting
from jwt_auth.models import RevocationEvent, UserSession


class Announcement:
    """
    Events that wait for their transaction to commit, and then for `tell`.

    Django holds it among the hooks of the connection, and lets it go with the transaction or the
    savepoint, committed or rolled back: that is how we know which it was.
    """

    def __init__(self, events: Sequence[RevocationEvent], tell: Callable[[Sequence[RevocationEvent]], None]) -> None:
        self.events = events
        self._tell = tell

    def __call__(self) -> None:
        # Inside of a transaction hooks are only run by tests, which want to see what they do.
        if not connections[_alias()].in_atomic_block:
            self._tell(self.events)


# Of all threads. Empty nearly always, so that asking costs nothing.
announcements: "set[ReferenceType[Announcement]]" = set()


def announce(events: Sequence[RevocationEvent], tell: Callable[[Sequence[RevocationEvent]], None]) -> None:
    """Have `tell(events)` called when the transaction, which must be open, has been committed."""
    announcement = Announcement(events, tell)
    on_commit(announcement, using=_alias())
    announcements.add(ref(announcement, announcements.discard))


def own_events() -> list[RevocationEvent]:
    """
    What this thread's open transaction has written.

    Without autocommit, where Django runs no hooks, all that it wrote since it was last rolled back or connected.
    """
    return [event for hook in waiting(_alias()) if isinstance(hook, Announcement) for event in hook.events]


def _alias() -> str:
    return router.db_for_write(UserSession)
