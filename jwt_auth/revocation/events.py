"""
Write revocation events: the rows of the denylist, which all processes learn of after the commit.

Readers look back from their last question by a limited time (`window`). So `recorded_at` of the events of a
transaction that was open for longer than LONGEST_OPEN is set again after the commit. They also expire later by as much:
until the commit, others went on to issue tokens.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import Error, router
from django.db.models import F
from django.utils import timezone

from jwt_auth._django.transactions import write_atomic
from jwt_auth.base_models import DatabaseNow
from jwt_auth.claims import later
from jwt_auth.conf import lifetimes
from jwt_auth.conf.user_keys import key_of
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.process.clock import seconds
from jwt_auth.process.last_change import note_change
from jwt_auth.revocation.memory import notifications, view
from jwt_auth.revocation.memory.uncommitted import announce
from jwt_auth.revocation.subjects import key_subject
from jwt_auth.revocation.window import LONGEST_OPEN

logger = logging.getLogger("jwt_auth")

Scope = RevocationEvent.Scope

_DATED_AT_ONCE = 500

# The user who revokes, or the name of a program that does; None is the app itself.
Actor: TypeAlias = AbstractBaseUser | str | None


def atomic(*, savepoint: bool = False) -> Any:
    """Return the transaction for everything that is written about sessions."""
    return write_atomic(router.db_for_write(UserSession), savepoint=savepoint)


def deny_key(
    issuer: str, kid: str, *, until: datetime | None, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> RevocationEvent:
    """
    Refuse all tokens that a key has signed, in memory mode and at servers that read the feed.

    Call it in the transaction in which the caller marks the key's row.

    Args:
        until: the time when no verifier can have the key any more; None if that can't be known.
    """
    now = now or timezone.now()
    return record_event(Scope.KEY, key_subject(issuer, kid), expires_at=until, reason=reason, actor=actor, now=now)


def deny_client(
    client_id: str, cutoff: datetime | None, *, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> RevocationEvent:
    """
    Refuse the tokens that a client signed before `cutoff`, and have processes that cache its rows read them again.

    Call it in the transaction that changes the rows. For a change that refuses no token by itself, `cutoff` is None.
    """
    now = now or timezone.now()
    expires_at = last_expiry(max(now, cutoff or now))  # the clock that made the cutoff may be ahead
    facts = {"cutoff": cutoff, "expires_at": expires_at, "reason": reason, "actor": actor, "now": now}
    return record_event(Scope.CLIENT, client_id, **facts)


def last_expiry(now: datetime) -> datetime:
    """
    Return the time when all tokens that are issued up to `now`, and up to this call, have expired.

    `now` may be the time before a wait for a lock, during which others issued tokens.
    """
    return later(max(now, timezone.now()), lifetimes.longest_life())


def make_event(
    scope: str,
    subject: str,
    *,
    sub: str = "",
    cutoff: datetime | None = None,
    expires_at: datetime | None,
    reason: str,
    actor: Actor,
    now: datetime,
) -> RevocationEvent:
    """
    Return an event that is not written yet.

    Args:
        sub: the user that a session's or a token's event is about.
    """
    return RevocationEvent(
        created_at=now,
        scope=scope,
        subject=subject,
        sub=sub,
        cutoff=cutoff,
        expires_at=expires_at,
        reason=reason,
        actor=name_of(actor),
    )


def name_of(actor: Actor) -> str:
    """Return the text for `actor` in the record."""
    if actor is None or isinstance(actor, str):
        return actor or ""
    # A page that anybody may open, such as one for a forgotten password, has an AnonymousUser as `request.user`.
    return "" if getattr(actor, "is_anonymous", False) else str(key_of(actor))


def record_event(scope: str, subject: str, **facts: Any) -> RevocationEvent:
    """Write the event that `make_event` returns. One query."""
    return write_event(make_event(scope, subject, **facts))


def write_events(events: list[RevocationEvent]) -> None:
    """Write several events. One query; SQLite writes them in hundreds."""
    began_at = seconds()
    RevocationEvent.objects.bulk_create(events)
    note_change()
    announce(events, _after_commit, began_at)


def write_event(event: RevocationEvent) -> RevocationEvent:
    """Write one event."""
    began_at = seconds()
    event.save(force_insert=True)
    note_change()
    announce([event], _after_commit, began_at)
    return event


def _after_commit(events: Sequence[RevocationEvent], open_for: float) -> None:
    view.learn(events)
    if open_for > LONGEST_OPEN.total_seconds():
        _date_anew(events, timedelta(seconds=open_for))
    notifications.notify()


def _date_anew(events: Sequence[RevocationEvent], open_for: timedelta) -> None:
    """Date events that were committed late as of now, so that each reader's window has them."""
    moved = {"recorded_at": DatabaseNow(), "expires_at": F("expires_at") + open_for}
    try:
        for start in range(0, len(events), _DATED_AT_ONCE):
            some = events[start : start + _DATED_AT_ONCE]
            there = RevocationEvent.objects.filter(scope__in={event.scope for event in some})
            # Not by their numbers: not every database tells those of rows that were written together.
            there = there.filter(subject__in={event.subject for event in some})
            there.filter(created_at__in={event.created_at for event in some}).update(**moved)
    except Error as error:
        extra = {"event": "revocations_dated_late", "reason": str(error)}
        text = "The revocations of a long transaction could not be re-dated. Other processes learn of them late."
        logger.error(text, extra=extra)
