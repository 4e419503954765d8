"""
The state behind a token, from what this process knows: a denylist. No query, as long as it is fresh.

Whichever request finds that it is time asks the database what is new. Others go on meanwhile with what is
known, until it is as old as it may be; then they wait, and when that doesn't help, nobody is let in.
There is no thread but those of the requests, and nothing that a fork could lose.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from datetime import datetime
from threading import Lock
from typing import Any

from django.db import connections, transaction
from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

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
from jwt_auth.process.lru import LRUCache
from jwt_auth.process.renewal import NEVER, Lease, Renewal, StaleError
from jwt_auth.revocation.memory import notifications, uncommitted
from jwt_auth.revocation.memory.denylist import Denylist, Entry, Marks
from jwt_auth.revocation.memory.numbers import LOOK_BACK, MAX_GAPS, Gap, Numbers
from jwt_auth.revocation.verdict import State

logger = logging.getLogger("jwt_auth")

# The share of REVOCATION_MAX_STALENESS after which the database is asked. The rest is for the answer.
_ASK_AFTER = 0.75

_RELOAD_EVERY = 60.0  # seconds
_PAUSES = (0.05, 1.0)  # seconds between attempts while the database does not answer
_LISTEN_EVERY = 0.01  # seconds between looks at what REVOCATION_PUSH sends
_TRUST_MARKER = 5.0  # seconds after which the database is asked whatever REVOCATION_CACHE says

_KEPT = 4096  # entries of what others have read

_KEY, _ALL = RevocationEvent.Scope.KEY, RevocationEvent.Scope.ALL


class View:
    """
    What one process knows of the revocations.

    Args:
        clock: seconds that only go forward.
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
        """Know nothing, as after a fork: the locks may be held by threads that are not there."""
        self._renewal.forget()
        self._adding = Lock()  # held for as long as adding takes
        self._max_staleness = get_settings().REVOCATION_MAX_STALENESS.total_seconds()
        self._life = longest_life()
        self._denylist = Denylist()
        # What others have read that is true for as long as the marks that it was read with are.
        self.kept: LRUCache[Any, Any] = LRUCache(_KEPT)
        self.additions = 0  # how often something was added to the list
        self._numbers = Numbers(self._life.total_seconds())
        self._newest: Entry | None = None
        # When all that is young was last read, by the wall clock: what was left out and forgotten was dead by then.
        self._read_young_at: datetime | None = None
        # When the next request has something to do: to ask, or to look for a message that says to ask at once.
        self._due_at = NEVER
        self._reload_at = NEVER
        self._marker, self._trust_marker_until = notifications.cache_marker(), NEVER
        self._marker_value: str | None = None
        self._push = notifications.new_push()

    def state_of(self, claims: Claims) -> State:
        """
        What `verdict` wants to know about a token, no older than allowed.

        Raises:
            RevocationUnavailableError: when that can't be had.
        """
        if self._clock() >= self._due_at:
            self._renew()
        return self.last_known_state_of(claims)

    def last_known_state_of(self, claims: Claims) -> State:
        """See state_of(); however old that is."""
        state = self._denylist.state_of(claims)
        if not uncommitted.announcements:
            return state
        own = Denylist()
        own.add(_entries(uncommitted.own_events()), self._life)
        return state.joined(own.state_of(claims))

    def marks_of(self, client_id: str, kid: str, sub: str) -> Marks:
        """See Denylist.marks_of(); what this thread's open transaction has written counts as well."""
        marks = self._denylist.marks_of(client_id, kid, sub)
        events = uncommitted.own_events() if uncommitted.announcements else []
        if not events:
            return marks
        own = Denylist()
        own.add(_entries(events), self._life)
        return (*marks, *own.marks_of(client_id, kid, sub))

    @property
    def was_ever_read(self) -> bool:
        """Whether the database has answered at least once."""
        return self._renewal.was_ever_read

    def learn(self, events: Sequence[RevocationEvent]) -> None:
        """Take in what this process has just committed."""
        if self.was_ever_read:
            self._add(_entries(events), self._clock())

    def _renew(self) -> None:
        """Ask the database if it is time, or if a message came that says so."""
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
        """Read what is new, unless the bell, which is trusted for some seconds, says that nothing is."""
        if not self._marker_is_unchanged(now):
            try:
                with outage_is_unavailable():
                    self._read(now)
            except UnavailableError:
                self._marker_value = None  # it was looked at, and what it stands for was not read
                raise
            self._trust_marker_until = now + _TRUST_MARKER - _ASK_AFTER * self._max_staleness
        return Lease(_ASK_AFTER * self._max_staleness, self._max_staleness)

    def _marker_is_unchanged(self, now: float) -> bool:
        if self._marker is None or self._lacks_what_lives_at(timezone.now()):
            return False
        before, self._marker_value = self._marker_value, self._marker.value()
        return self._marker_value is not None and self._marker_value == before and now < self._trust_marker_until

    def _read(self, now: float) -> None:
        connection = connections[_events().db]
        if connection.errors_occurred and not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()  # Django does so too, but only around requests
        # Our failure must not break a transaction that the project has begun.
        savepoint: Any = transaction.atomic(connection.alias) if connection.in_atomic_block else nullcontext()
        with savepoint:
            # What may yet be rolled back must not be taken in. Outside of a block it may be committed, but
            # without autocommit Django runs no hooks, and nobody is told: it has to be read as others' is.
            own = {entry[1:] for entry in _entries(uncommitted.own_events())} if connection.in_atomic_block else set()
            due = now >= self._reload_at or self._numbers.crowded or self._lacks_what_lives_at(timezone.now())
            if due or not self._read_new(own, now):
                self._read_young(own, now)

    def _lacks_what_lives_at(self, moment: datetime) -> bool:
        """Whether the wall clock was put back to `moment`, so that tokens live which were taken for dead."""
        return self._read_young_at is not None and moment < self._read_young_at

    def _read_new(self, own: set[Any], now: float) -> bool:
        """Read what is new; False when the table is not the one that was read before."""
        newest = self._newest
        new = _events().filter(Q(pk__gte=self._numbers.newest) | _missing(self._numbers.gaps))
        # A union, because with one condition for both, MariaDB and SQLite may scan the table.
        entries = _read(new.union(_global_cutoffs_after(self._denylist.global_cutoff), all=True))
        if newest is not None and newest not in entries:
            return False
        self._add([entry for entry in entries if entry[1:] not in own], now)
        return True

    def _read_young(self, own: set[Any], now: float) -> None:
        """
        Read all that a living token could fall to, and that was not read before.

        What is known and not there is kept all the same.
        """
        if self._newest is not None and self._newest not in _read(_events().filter(pk=self._newest.id or 0)):
            self._numbers.restart(0, (), 1, now)  # it is another table, of which nothing was read
        moment = timezone.now()
        if self._lacks_what_lives_at(moment):
            self._numbers.restart(0, (), 1, now)  # numbers count as read of which nothing is on the list
        newest = _events().aggregate(newest=Max("pk"))["newest"] or 0
        oldest = _events().filter(expires_at__gt=moment).aggregate(oldest=Min("pk"))["oldest"] or newest
        # Written by a process with other settings, an event may matter longer than it says.
        lasting = Q(expires_at__gt=moment - self._life) | Q(expires_at=None) | Q(pk=newest)
        # Numbers alone: of many rows the dates take nearly all of the time.
        there = set(_events().filter(lasting).values_list("pk", flat=True))
        unread = self._numbers.unread(there)
        entries = [entry for entry in _read(_among(unread)) if entry[1:] not in own]
        read = there.difference(unread).union(entry.id or 0 for entry in entries)
        first = _number_before(oldest)
        with self._adding:
            self._read_young_at = moment
            self._numbers.restart(newest, (number for number in read if number >= first), first, now)
        self._add(entries, now)
        with self._adding:
            self._denylist.forget(moment)
        self._reload_at = now + _RELOAD_EVERY

    def _add(self, entries: Sequence[Entry], now: float) -> None:
        with self._adding:
            # In this order: a number that counts as read is never asked for again.
            self._denylist.add(entries, self._life)
            if any(entry.scope == _KEY for entry in entries):
                stored.expire()  # another one may have taken over
            self.additions += bool(entries)
            self._numbers.read([entry.id for entry in entries if entry.id is not None], now)
            self._numbers.give_up(now)
            if self._newest is None or self._newest.id != self._numbers.newest:
                self._newest = next((entry for entry in entries if entry.id == self._numbers.newest), None)


@cached_until_settings_change
def view() -> View:
    """The view of this process."""
    return View()


def state_of(claims: Claims) -> State:
    """See View.state_of()."""
    return view().state_of(claims)


def last_known_state_of(claims: Claims) -> State:
    """See View.last_known_state_of(), provided that there is one."""
    if not view().was_ever_read:
        raise RevocationUnavailableError("no revocations were ever read")
    return view().last_known_state_of(claims)


def learn(events: Sequence[RevocationEvent]) -> None:
    """Have this process, if it keeps a view, know at once what it has just committed."""
    if get_settings().REVOCATION == "memory":
        view().learn(events)


def forget() -> None:
    """Read everything anew: after a fork, or when the tables have been emptied."""
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
    """The events of these `numbers`; of many, what lies between them as well."""
    if len(numbers) <= MAX_GAPS:
        return _events().filter(pk__in=numbers)
    return _events().filter(pk__range=(min(numbers), max(numbers)))


def _missing(gaps: Sequence[Gap]) -> Q:
    wide = [Q(pk__range=(gap.first, gap.last)) for gap in gaps if gap.first < gap.last]
    single = [gap.first for gap in gaps if gap.first == gap.last]
    return Q(*wide, pk__in=single, _connector=Q.OR)


def _global_cutoffs_after(known: datetime | None) -> QuerySet[RevocationEvent]:
    """
    Global cutoffs that are later than the `known` one, whatever their numbers.

    One may be committed when nobody looks for its number any more; it locks no row, so refreshes went on until then.
    """
    events = _events().filter(scope=_ALL, subject="")  # which there is an index for
    return events if known is None else events.filter(cutoff__gt=known)


def _number_before(number: int) -> int:
    """
    Of LOOK_BACK events before `number` the first; 1 when there are fewer.

    Events are counted and not numbers: an open transaction may have been given any number of these.
    """
    older = _events().filter(pk__lt=number).order_by("-pk").values_list("pk", flat=True)
    return older[LOOK_BACK - 1 : LOOK_BACK].first() or 1


def _entries(events: Sequence[RevocationEvent]) -> list[Entry]:
    return [Entry(*(getattr(event, name) for name in Entry._fields)) for event in events]
