"""
The memory view: the denylist of this process, which tells the state of a token without a query.

    what the process knows           what a request does                  what the database is asked
    -----------------------------    ---------------------------------    --------------------------------------------
    nothing: it has just started     reads, or waits a second at most     for all events that could affect an
    or forked, or never got an       for the thread that reads; 503 if    unexpired token
    answer                           there is no answer
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

MAX is REVOCATION_MAX_STALENESS, and the age of a list counts from the start of the query. With REVOCATION_CACHE an
unchanged marker counts as an answer, for 5 s at most. `process.renewal` decides which thread reads, and how long none
does after a failure. If REVOCATION_ON_STALE allows it, requests with a safe method get the last known state instead of
503.

"The new events" are those above the newest known number, those in the gaps below it (`numbers`), and any later cutoff
for all users. Instead of them, all events that could affect an unexpired token are read if

- they were last read 60 s ago or earlier,
- there were more gaps than one query asks for,
- the wall clock moved back, so that events matter again that were not read, or dropped, because they had expired,
- the newest known event is not in the table as it was: the table is another one, such as a restored backup.

Entries are only dropped when they have expired: an event that is gone from the table stays on the list.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from datetime import datetime
from threading import Lock
from typing import Any

from django.db import transaction
from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

from jwt_auth._django.connections import close_if_broken, in_transaction
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import RevocationUnavailableError, UnavailableError
from jwt_auth.keyring import stored
from jwt_auth.models import RevocationEvent
from jwt_auth.process.clock import seconds
from jwt_auth.process.fork_reset import ForkReset
from jwt_auth.process.renewal import LONG_AGO, Lease, Renewal, StaleError
from jwt_auth.revocation.memory import notifications, uncommitted
from jwt_auth.revocation.memory.denylist import Denylist, Entry, Marks
from jwt_auth.revocation.memory.numbers import LOOK_BACK, MAX_GAPS, Gap, Numbers
from jwt_auth.revocation.verdict import State

logger = logging.getLogger("jwt_auth")

# The share of REVOCATION_MAX_STALENESS after which the database is asked. The rest is for the answer: until it comes,
# all other requests go on with the list.
_ASK_AFTER = 0.75

# Seconds between readings of all unexpired events. They find what no query for new events does: an event that was
# committed late, with a number below all gaps. And they drop the expired entries.
_RELOAD_EVERY = 60.0

# Seconds between attempts while the database does not answer: one thread tries, not each request.
_PAUSES = (0.05, 1.0)

# Seconds between looks for messages of REVOCATION_PUSH: the delay of a message, and the limit of what looking costs.
_LISTEN_EVERY = 0.01

# Seconds after which the database is asked even if the marker is unchanged: the bound for a revocation whose process
# could not change the marker.
_TRUST_MARKER = 5.0

_KEY, _ALL = RevocationEvent.Scope.KEY, RevocationEvent.Scope.ALL


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
        )
        self.forget()
        _views.add(self)

    def forget(self) -> None:
        """Start again with nothing, as after a fork: threads that don't exist here may hold the locks."""
        self._renewal.forget()
        # Held only while the list and the numbers are changed, and never during a query. `learn` is called in any
        # thread, also while another one reads.
        self._adding = Lock()
        self._max_staleness = get_settings().REVOCATION_MAX_STALENESS.total_seconds()
        # The longest time for which any token can be valid. Each event matters for that long at least, and so does a
        # gap: what is committed in it later can revoke only tokens that have expired.
        self._life = longest_life()
        self._denylist = Denylist()
        # Identifies this list: `issuers.clients` keeps rows under it, and uses none from before a forget().
        self.generation = object()
        self.additions = 0  # how often entries were added to the list
        self._numbers = Numbers(self._life.total_seconds())
        # The event with the newest number, to notice a table that is another one. None if it was not read.
        self._newest: Entry | None = None
        # The wall-clock time of the last reading of all unexpired events. Events that had expired by then were not
        # read, or were dropped.
        self._unexpired_read_at: datetime | None = None
        # The time from which a request has more to do than look into the list: read, or look for a message. A copy,
        # so that nearly all requests need one comparison only.
        self._due_at = LONG_AGO
        self._reload_at = LONG_AGO  # when all unexpired events are read again
        self._marker, self._trust_marker_until = notifications.cache_marker(), LONG_AGO
        self._marker_value: str | None = None  # None if the next query must not be left out
        self._push = notifications.new_push()

    def state_of(self, claims: Claims) -> State:
        """
        Return the state to judge a token by, no older than the table above says.

        Raises:
            RevocationUnavailableError: when the known state is older, and the database can't be asked.
        """
        if self._clock() >= self._due_at:
            self._renew()
        return self.last_known_state_of(claims)

    def last_known_state_of(self, claims: Claims) -> State:
        """Return the last known state, even if it is too old."""
        state = self._denylist.state_of(claims)
        if not uncommitted.announcements:
            return state
        own = Denylist()
        own.add(_entries(uncommitted.own_events()), self._life)
        return state.joined(own.state_of(claims))

    def marks_of(self, client_id: str, kid: str, sub: str) -> Marks:
        """See Denylist.marks_of(); the events of this thread's open transaction count too."""
        marks = self._denylist.marks_of(client_id, kid, sub)
        events = uncommitted.own_events() if uncommitted.announcements else []
        if not events:
            return marks
        own = Denylist()
        own.add(_entries(events), self._life)
        return (*marks, *own.marks_of(client_id, kid, sub))

    @property
    def was_ever_read(self) -> bool:
        """True if the database has answered at least once."""
        return self._renewal.was_ever_read

    def learn(self, events: Sequence[RevocationEvent]) -> None:
        """Add events that this process has just committed."""
        # A process that has not begun its first reading will find them by it. One that never verifies keeps no list.
        if self._renewal.attempts:
            self._add(_entries(events), self._clock())

    def _renew(self) -> None:
        """Ask the database if it is time, or if a message has come."""
        # If it is time anyway, there is no need to look for messages.
        if self._push is not None and self._clock() < self._renewal.due_at and self._push.has_message():
            self._renewal.fall_due()
        try:
            self._renewal.renew()
        except StaleError as error:
            reason = f": {error.__cause__}" if error.__cause__ else ""
            raise RevocationUnavailableError(f"the last revocations known are too old{reason}") from error
        self._due_at = self._renewal.due_at
        if self._push is not None:
            self._due_at = min(self._due_at, self._clock() + _LISTEN_EVERY)

    def _ask(self, now: float) -> Lease:
        """Read the new events, unless the marker in the cache says that there are none."""
        # The marker is read before the database: a revocation that the query misses changes it later, and the next look
        # sees that.
        asked_at = now
        if not self._marker_is_unchanged(now):
            asked_at = self._clock()  # a cache that took long does not make the list older
            self._ask_database(asked_at)
        late = asked_at - now
        return Lease(late + _ASK_AFTER * self._max_staleness, late + self._max_staleness)

    def _ask_database(self, now: float) -> None:
        try:
            with outage_is_unavailable():
                self._read(now)
        except UnavailableError:
            self._marker_value = None  # the change that this value stands for was not read
            raise
        # The last time to trust the marker: the list then stays in use for one more interval, and the database is
        # asked again before _TRUST_MARKER has passed.
        self._trust_marker_until = now + _TRUST_MARKER - _ASK_AFTER * self._max_staleness

    def _marker_is_unchanged(self, now: float) -> bool:
        if self._marker is None or self._clock_moved_back_to(timezone.now()):
            return False
        before, self._marker_value = self._marker_value, self._marker.value()
        return self._marker_value is not None and self._marker_value == before and now < self._trust_marker_until

    def _read(self, now: float) -> None:
        """Read the new events, or all unexpired ones if that is due."""
        alias = _events().db
        close_if_broken(alias)
        is_inside = in_transaction(alias)
        # A failed query must not break a transaction that the project has begun.
        savepoint: Any = transaction.atomic(alias) if is_inside else nullcontext()
        with savepoint:
            # The events of this thread's own open transaction may still be rolled back, and must not enter the list.
            # Outside an atomic block, without autocommit, they may have been committed; but then Django runs no hooks,
            # nobody calls `learn`, and they have to be read like those of other processes.
            own = {entry[1:] for entry in _entries(uncommitted.own_events())} if is_inside else set()
            due = now >= self._reload_at or self._numbers.crowded or self._clock_moved_back_to(timezone.now())
            if due or not self._read_new(own, now):
                self._read_unexpired(own, now)

    def _clock_moved_back_to(self, moment: datetime) -> bool:
        """
        Return whether the wall clock moved back to `moment`, so that tokens count as unexpired again that had expired.
        """
        return self._unexpired_read_at is not None and moment < self._unexpired_read_at

    def _read_new(self, own: set[Any], now: float) -> bool:
        """Read the new events; return False if the table is not the one that was read before."""
        newest = self._newest
        # The newest known event is read once more, to compare it.
        new = _events().filter(Q(pk__gte=self._numbers.newest) | _missing(self._numbers.gaps))
        # A union: with a single condition for both parts, MariaDB and SQLite may scan the whole table.
        entries = _read(new.union(_global_cutoffs_after(self._denylist.global_cutoff), all=True))
        if newest is not None and newest not in entries:
            return False
        self._add([entry for entry in entries if entry[1:] not in own], now)
        return True

    def _read_unexpired(self, own: set[Any], now: float) -> None:
        """
        Read all events that could affect an unexpired token, except those that were read before.

        An event that was read before, and is gone from the table, stays on the list.
        """
        if self._newest is not None and self._newest not in _read(_events().filter(pk=self._newest.id or 0)):
            self._numbers.restart(0, (), 1, now)  # another table: none of its rows were read
        moment = timezone.now()
        if self._clock_moved_back_to(moment):
            # Numbers marked as read may have no entry in the list, because it had expired.
            self._numbers.restart(0, (), 1, now)
        newest = _events().aggregate(newest=Max("pk"))["newest"] or 0
        oldest = _events().filter(expires_at__gt=moment).aggregate(oldest=Min("pk"))["oldest"] or newest
        # A process with other settings may have written an event: then it may matter longer than its `expires_at` says.
        lasting = Q(expires_at__gt=moment - self._life) | Q(expires_at=None) | Q(pk=newest)
        # At first only the numbers: with many rows, parsing the dates takes nearly all of the time.
        there = set(_events().filter(lasting).values_list("pk", flat=True))
        unread = self._numbers.unread(there)
        entries = [entry for entry in _read(_among(unread)) if entry[1:] not in own]
        read = there.difference(unread).union(entry.id or 0 for entry in entries)
        # No gaps are kept below `first`. An event that commits late there is found by the next of these readings.
        first = _number_before(oldest)
        with self._adding:
            self._unexpired_read_at = moment
            self._numbers.restart(newest, (number for number in read if number >= first), first, now)
        self._add(entries, now)
        with self._adding:
            self._denylist.forget(moment)
        self._reload_at = now + _RELOAD_EVERY

    def _add(self, entries: Sequence[Entry], now: float) -> None:
        with self._adding:
            # The list before the numbers: a number that counts as read is not asked for again.
            self._denylist.add(entries, self._life)
            if any(entry.scope == _KEY for entry in entries):
                stored.expire()  # another key may have become the active one
            self.additions += bool(entries)
            self._numbers.read([entry.id for entry in entries if entry.id is not None], now)
            self._numbers.give_up(now)
            if self._newest is None or self._newest.id != self._numbers.newest:
                self._newest = next((entry for entry in entries if entry.id == self._numbers.newest), None)


@cached_until_settings_change
def view() -> View:
    """Return the view of this process."""
    return View()


def state_of(claims: Claims) -> State:
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
    if get_settings().REVOCATION == "memory":
        view().learn(events)


def forget() -> None:
    """Start again with nothing, when the tables have been emptied. After a fork the child does so by itself."""
    _views.reset()


_views = ForkReset(View.forget)


def _log_failure(error: Exception) -> None:
    extra = {"event": "revocations_unread", "reason": str(error)}
    logger.error("Revocations can't be read: %s.", error, extra=extra)


def _log_recovery() -> None:
    logger.warning("Revocations can be read again.", extra={"event": "revocations_read_again"})


def _events() -> QuerySet[RevocationEvent]:
    return RevocationEvent.objects.all()


def _read(events: QuerySet[RevocationEvent]) -> list[Entry]:
    return [Entry(*row) for row in events.values_list(*Entry._fields)]


def _among(numbers: Collection[int]) -> QuerySet[RevocationEvent]:
    """Return the events with these `numbers`; if there are many, also all events between them."""
    if len(numbers) <= MAX_GAPS:
        return _events().filter(pk__in=numbers)
    return _events().filter(pk__range=(min(numbers), max(numbers)))


def _missing(gaps: Sequence[Gap]) -> Q:
    """Return the condition for all numbers in `gaps`."""
    wide = [Q(pk__range=(gap.first, gap.last)) for gap in gaps if gap.first < gap.last]
    single = [gap.first for gap in gaps if gap.first == gap.last]
    return Q(*wide, pk__in=single, _connector=Q.OR)


def _global_cutoffs_after(known: datetime | None) -> QuerySet[RevocationEvent]:
    """
    Return the global cutoffs that are later than the `known` one, whatever their numbers.

    One may be committed after its gap was given up, and still matter: it locks no row, so sessions were refreshed until
    then.
    """
    events = _events().filter(scope=_ALL, subject="")  # both, because there is an index on the two
    return events if known is None else events.filter(cutoff__gt=known)


def _number_before(number: int) -> int:
    """
    Return the number of the event that is LOOK_BACK events before `number`; 1 if there are fewer.

    Events are counted, not numbers: an open transaction may have been given any amount of numbers.
    """
    older = _events().filter(pk__lt=number).order_by("-pk").values_list("pk", flat=True)
    return older[LOOK_BACK - 1 : LOOK_BACK].first() or 1


def _entries(events: Sequence[RevocationEvent]) -> list[Entry]:
    return [Entry(*(getattr(event, name) for name in Entry._fields)) for event in events]
