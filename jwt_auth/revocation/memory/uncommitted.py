"""
Revocations in open transactions: the thread that made them must see them at once, all others only after the commit.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias
from weakref import ReferenceType, ref

from django.db import router

from jwt_auth._django.commit_hooks import on_commit, waiting
from jwt_auth._django.connections import in_transaction
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.process.clock import seconds

Tell: TypeAlias = Callable[[Sequence[RevocationEvent], float], None]


class Announcement:
    """
    The events of an open transaction. When it has been committed, `tell` is called with them, and with the seconds
    since they began to be written.

    Django keeps the only reference to it, in the connection's list of hooks. After the commit Django calls it and drops
    it; if the transaction or its savepoint is rolled back, Django drops it without a call.
    """

    def __init__(self, events: Sequence[RevocationEvent], tell: Tell, began_at: float) -> None:
        self.events = events
        self._tell, self._began_at = tell, began_at

    def __call__(self) -> None:
        # Within a transaction only tests run hooks, to see their effects: nothing is committed then.
        if not in_transaction(_alias()):
            self._tell(self.events, seconds() - self._began_at)


# The announcements of all threads. Nearly always empty, so that a request which looks here needs hardly any time.
announcements: "set[ReferenceType[Announcement]]" = set()


def announce(events: Sequence[RevocationEvent], tell: Tell, began_at: float) -> None:
    """
    Have `tell` called when the current transaction has been committed. There must be one.

    Args:
        began_at: the time before the first of the events was written, by the clock of the process.
    """
    announcement = Announcement(events, tell, began_at)
    on_commit(announcement, using=_alias())
    announcements.add(ref(announcement, announcements.discard))


def own_events() -> list[RevocationEvent]:
    """
    Return the events that this thread's open transaction has written.

    Without autocommit Django runs no hooks on commit. Then these are all events since the last rollback or the start
    of the connection.
    """
    return [event for hook in waiting(_alias()) if isinstance(hook, Announcement) for event in hook.events]


def _alias() -> str:
    return router.db_for_write(UserSession)
