"""
Cutoffs for tokens that another party signed: their times are by that party's clock, the cutoff is by one of ours.

A session of our own begins after each earlier cutoff, whatever the clocks of our machines say. A client of an API, or
the user of another issuer, can't know the cutoff: if the machine that wrote it was hours ahead, they would be refused
for hours. So their tokens are judged by the time at which the revocation was written:

    the cutoff                           their tokens are judged by
    ---------------------------------    ---------------------------------------------------------------------------
    has passed, or lies in the future    the cutoff
    by LEEWAY at most
    lies further in the future           the database's time when the event was recorded, or the writer's if that is
                                         later and has passed
    the same, and no event has it, or    the time when this process first saw the cutoff
    the database's clock is ahead too

Each of these is a time at which the revocation was already in force: a token that existed before it is refused.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from django.db.models import Q

from jwt_auth.claims import later
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.models import RevocationEvent
from jwt_auth.process.lru import LRUCache
from jwt_auth.revocation.verdict import State

logger = logging.getLogger("jwt_auth")

Scope = RevocationEvent.Scope

# The subject of a token in the events of each scope.
Subjects: TypeAlias = Mapping[Scope, str]

_REMEMBERED = 4096  # cutoffs in the future

# The clocks of any two machines differ by some milliseconds, even if LEEWAY is 0.
_LEAST_LEEWAY = timedelta(seconds=1)


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Return whether a stored `moment` that should have passed lies further in the future than clocks may differ."""
    return moment > now + max(get_settings().LEEWAY, _LEAST_LEEWAY)


def warn(what: str, moment: datetime, now: datetime) -> None:
    """Log that a stored moment lies in the future."""
    reason = f"{what} lies {moment - now} in the future"
    logger.warning("The clocks of machines differ: %s.", reason, extra={"event": "clock_ahead", "reason": reason})


def judged_by_another_clock(state: State, now: datetime, subjects: Subjects) -> State:
    """
    Return `state` with cutoffs for a token that another party signed.

    A cutoff in the future costs one query, once for each user or client that it concerns.

    Each is later by the leeway, because the clock of the signer may be ahead by as much as that.
    """
    leeway = get_settings().LEEWAY
    cutoffs = (each and later(in_force_at(each, now, subjects), leeway) for each in state.cutoffs)
    return replace(state, cutoffs=tuple(cutoffs))


def in_force_at(cutoff: datetime, now: datetime, subjects: Subjects, issuer: str = "") -> datetime:
    """
    Return the cutoff for a token that is judged by the wall clock; see the table above.

    Args:
        subjects: the subjects of the events in which the cutoff is looked for; with none, nothing is queried.
        issuer: the other server whose cutoff it is, if it is not ours.
    """
    if not is_ahead(cutoff, now):
        return cutoff
    key = (cutoff, issuer, *subjects.values())
    known = _first_seen().get(key)
    if known is None:
        if _warned().get((cutoff, issuer)) is None:
            warn(f"the cutoff {cutoff.isoformat()}", cutoff, now)
            _warned().put((cutoff, issuer), now)
        known = _written_at(cutoff, now, subjects) if subjects else now
        _first_seen().put(key, known)
    return known


def _written_at(cutoff: datetime, now: datetime, subjects: Subjects) -> datetime:
    events = RevocationEvent.objects.filter(_about(subjects), cutoff=cutoff)
    return max((_latest(now, *row) for row in events.values_list("recorded_at", "created_at")), default=now)


def _latest(now: datetime, recorded_at: datetime, created_at: datetime) -> datetime:
    recorded_at = now if is_ahead(recorded_at, now) else recorded_at
    return recorded_at if is_ahead(created_at, now) else max(recorded_at, created_at)


def _about(subjects: Subjects) -> Q:
    conditions: Iterable[Q] = (Q(scope=scope, subject=subject) for scope, subject in subjects.items())
    return Q(*conditions, _connector=Q.OR)


@cached_until_settings_change
def _first_seen() -> LRUCache[tuple[object, ...], datetime]:
    """The cutoffs in the future that this process has seen, and the times at which they were in force."""
    return LRUCache(_REMEMBERED)


@cached_until_settings_change
def _warned() -> LRUCache[tuple[datetime, str], datetime]:
    """The cutoffs in the future that the log of this process has, of whichever user or client."""
    return LRUCache(_REMEMBERED)
