"""
The memory view: the denylist of this process, which tells the state of a token without a query.

    what the process knows           what a request does                  what the database is asked
    -----------------------------    ---------------------------------    --------------------------------------------
    nothing: it has just started     reads, or waits a second at most     for all unexpired events, as far as that takes
    or forked, or never got an       for the thread that reads; 503 if    20 ms
    answer                           there is no answer
    a part, because there is more    one reads on; all use the database   for the next of these events, as far as that
    than was read so far, and        as in database mode                  takes 20 ms; and for the state of each
    older than MAX                                                        token
    a list younger than 3/4 MAX      uses it                              nothing
    the same, but a message came     reads; all others use the list       for the new events
    (REVOCATION_PUSH)
    a list older than 3/4 MAX        one reads; all others use the        for the new events; nothing, for 5 s at most,
                                     list                                 if the marker in the cache is unchanged
                                                                          (REVOCATION_CACHE)
    a list older than MAX            reads, or waits a second at most     as above
                                     for the thread that reads; 503 if
                                     there is no answer

    besides, an event in this        uses it together with the list       nothing
    thread's open transaction

MAX is REVOCATION_MAX_STALENESS, and the age of a list counts from the start of the question that was answered last.
With REVOCATION_CACHE an unchanged marker counts as an answer, for 5 s at most. `process.renewal` decides which thread
reads, and how long none does after a failure. If REVOCATION_ON_STALE allows it, requests with a safe method get the
last known state instead of 503.

`reader` fills the list.

Entries are only dropped when they have expired: an event that is gone from the table stays on the list.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from django.db import transaction

from jwt_auth._django.connections import close_if_broken, in_transaction, is_private_to_process
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import RevocationUnavailableError, UnavailableError
from jwt_auth.models import RevocationEvent
from jwt_auth.process.blocking import about_to_block
from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset
from jwt_auth.process.renewal import LONG_AGO, Lease, Renewal, StaleError
from jwt_auth.revocation.memory import notifications, uncommitted
from jwt_auth.revocation.memory.denylist import Denylist, Marks
from jwt_auth.revocation.memory.reader import Reader, entries_of
from jwt_auth.revocation.verdict import State
from jwt_auth.revocation.window import content_of

logger = logging.getLogger("jwt_auth")

# The share of REVOCATION_MAX_STALENESS after which the database is asked. The rest is for the answer: until it comes,
# all other requests go on with the list.
_ASK_AFTER = 0.75

# Seconds between two questions while all unexpired events are read again: each reads some of them.
_READ_ON_EVERY = 0.25

# Seconds between attempts while the database does not answer: one thread tries, not each request.
_PAUSES = (0.05, 1.0)

# Seconds between looks for messages of REVOCATION_PUSH: the delay of a message, and the limit of what looking costs.
_LISTEN_EVERY = 0.01

# Seconds after which the database is asked even if the marker is unchanged: the bound for a revocation whose process
# could not change the marker.
_TRUST_MARKER = 5.0


class View:
    """
    The revocations that one process knows. It is no Django view, and no view of the database.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = seconds) -> None:
        self._clock = clock
        self._renewal = Renewal(
            self._ask,
            failures=(UnavailableError,),
            pauses=_PAUSES,
            failed=_log_failure,
            recovered=_log_recovery,
            clock=clock,
            another_can_read=_another_thread_can_read,
        )
        self.forget()
        _views.add(self)

    def forget(self) -> None:
        """Start again with nothing, as after a fork: threads that don't exist here may hold the locks."""
        self._renewal.forget()
        self._max_staleness = get_settings().REVOCATION_MAX_STALENESS.total_seconds()
        self._reader = Reader(self._clock)
        self._list = self._reader.denylist
        # Identifies this list: `issuers.clients` keeps rows under it, and uses none from before a forget().
        self.generation = object()
        self._is_part = False  # whether there is more to read than was read so far
        self._completions = 0  # how often everything was read
        self._fresh_until = LONG_AGO  # until when the list may be used
        # The time from which a request has more to do than look into the list: read, or look for a message. A copy,
        # so that nearly all requests need one comparison only.
        self._due_at = LONG_AGO
        self._marker, self._trust_marker_until = notifications.cache_marker(), LONG_AGO
        self._marker_value: str | None = None  # None if the next query must not be left out
        self._push = notifications.new_push()

    def state_of(self, claims: Claims) -> State | None:
        """
        Return the state to judge a token by, no older than the table above says; None if the database has to be asked
        about this token, because the list is only a part.

        Raises:
            RevocationUnavailableError: when the known state is older, and the database can't be asked.
        """
        if self._clock() >= self._due_at and not self._renew():
            return None
        return self.last_known_state_of(claims)

    def refresh(self) -> tuple[object, int]:
        """
        Read new events if they are due. Return a mark, which differs from the earlier ones if the list has changed.

        Raises:
            RevocationUnavailableError: see state_of().
        """
        if self._clock() >= self._due_at:
            self._renew()
        return self.generation, self.additions

    def last_known_state_of(self, claims: Claims) -> State:
        """Return the last known state, even if it is too old."""
        state = self._list.state_of(claims)
        if not uncommitted.announcements:
            return state
        about_to_block()  # only the thread with the open transaction knows its events
        own = Denylist()
        own.add(entries_of(uncommitted.own_events()), self._reader.life)
        return state.joined(own.state_of(claims))

    def marks_of(self, client_id: str, kid: str, sub: str) -> Marks:
        """See Denylist.marks_of(); the events of this thread's open transaction count too."""
        marks = self._list.marks_of(client_id, kid, sub)
        if not uncommitted.announcements:
            return marks
        about_to_block()
        events = uncommitted.own_events()
        own = Denylist()
        own.add(entries_of(events), self._reader.life)
        return (*marks, *own.marks_of(client_id, kid, sub))

    @property
    def additions(self) -> int:
        """How often entries were added to the list."""
        return self._reader.additions

    @property
    def was_ever_read(self) -> bool:
        """True if all unexpired events were read at least once."""
        return self._completions > 0

    def learn(self, events: Sequence[RevocationEvent]) -> None:
        """Add events that this process has just committed."""
        # A process that has not begun its first reading will find them by it. One that never verifies keeps no list.
        if self._renewal.attempts:
            self._reader.take(entries_of(events))

    def _renew(self) -> bool:
        """Ask the database if it is time, or if a message has come. Return whether the list may be used."""
        # If it is time anyway, there is no need to look for messages.
        if self._push is not None and self._clock() < self._renewal.due_at and self._push.has_message():
            self._renewal.fall_due()
        completions = self._completions
        try:
            self._renewal.renew(wait=not self._is_part)
        except StaleError as error:
            if self._is_part and error.__cause__ is None:
                return False
            reason = f": {error.__cause__}" if error.__cause__ else ""
            raise RevocationUnavailableError(f"the last revocations known are too old{reason}") from error
        self._due_at = self._renewal.due_at
        if self._push is not None:
            self._due_at = min(self._due_at, self._clock() + _LISTEN_EVERY)
        # A list that was completed meanwhile is no older than the request, however long that took.
        return self._completions != completions or self._clock() < self._fresh_until

    def _ask(self, now: float) -> Lease:
        """Read the new events, unless the marker in the cache says that there are none."""
        # The marker is read before the database: a revocation that the query misses changes it later, and the next look
        # sees that.
        asked_at, completions = now, self._completions
        if not self._marker_is_unchanged(now):
            asked_at = self._clock()  # a cache that took long does not make the list older
            self._ask_database(asked_at)
            if self._completions == completions:
                return Lease(0, self._fresh_until - now)
        self._fresh_until = asked_at + self._max_staleness
        wait = _ASK_AFTER * self._max_staleness
        due_at = asked_at + (min(wait, _READ_ON_EVERY) if self._reader.is_reading_all else wait)
        return Lease(due_at - now, self._fresh_until - now)

    def _ask_database(self, now: float) -> None:
        try:
            with outage_is_unavailable():
                self._read(now)
        except BaseException:
            self._marker_value = None  # the change that this value stands for was not read
            raise
        # The last time to trust the marker: the list then stays in use for one more interval, and the database is
        # asked again before _TRUST_MARKER has passed.
        self._trust_marker_until = now + _TRUST_MARKER - _ASK_AFTER * self._max_staleness

    def _marker_is_unchanged(self, now: float) -> bool:
        if self._marker is None or self._is_part or self._reader.is_reading_all or self._reader.has_lost_entries():
            return False
        before, self._marker_value = self._marker_value, self._marker.value()
        return self._marker_value is not None and self._marker_value == before and now < self._trust_marker_until

    def _read(self, now: float) -> None:
        """Read the new events, and some of all unexpired ones if that is due."""
        alias = RevocationEvent.objects.all().db
        close_if_broken(alias)
        is_inside = in_transaction(alias)
        # A failed query must not break a transaction that the project has begun.
        savepoint: Any = transaction.atomic(alias) if is_inside else nullcontext()
        with savepoint:
            # The events of this thread's own open transaction may still be rolled back, and must not enter the list.
            # Outside an atomic block, without autocommit, they may have been committed; but then Django runs no hooks,
            # nobody calls `learn`, and they have to be read like those of other processes.
            own = {content_of(entry) for entry in entries_of(uncommitted.own_events())} if is_inside else set()
            if self._reader.has_lost_entries():
                self._fresh_until = LONG_AGO
            self._is_part = not self._reader.read(now, own)
        self._completions += not self._is_part


@cached_until_settings_change
def view() -> View:
    """Return the view of this process."""
    return View()


def state_of(claims: Claims) -> State | None:
    """See View.state_of()."""
    return view().state_of(claims)


def last_known_state_of(claims: Claims) -> State:
    """
    See View.last_known_state_of().

    Raises:
        RevocationUnavailableError: when the database has never answered.
    """
    if not view().was_ever_read:
        raise RevocationUnavailableError("no revocations were ever read")
    return view().last_known_state_of(claims)


def learn(events: Sequence[RevocationEvent]) -> None:
    """Add events that this process has just committed to its view, if it keeps one."""
    view().learn(events)  # in database mode, too: watches read the view


def forget() -> None:
    """Start again with nothing, when the tables have been emptied. After a fork the child does so by itself."""
    _views.reset()


_views = ForkReset(View.forget)


def _another_thread_can_read() -> bool:
    return not is_private_to_process(RevocationEvent.objects.all().db)


def _log_failure(error: Exception) -> None:
    extra = {"event": "revocations_unread", "reason": str(error)}
    logger.error("Revocations can't be read: %s.", error, extra=extra)


def _log_recovery() -> None:
    logger.warning("Revocations can be read again.", extra={"event": "revocations_read_again"})
