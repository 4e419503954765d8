"""
The deed: take back a token, a session, a user's tokens, or everything.

Each door is one transaction that writes rows and one event; signals follow the commit. Nothing here can
be undone, and a cutoff only moves forward. Transactions join an outer one without a savepoint: a
revocation stands or falls with what it belongs to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import router, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from jwt_auth.claims import Claims
from jwt_auth.conf import MAX_LEEWAY, get_settings
from jwt_auth.models import RevocationEvent, UserSession, user_id_of
from jwt_auth.revocation import cutoff as cutoffs
from jwt_auth.revocation.database import token_subject
from jwt_auth.revocation.verdict import latest
from jwt_auth.signals import all_revoked, send_on_commit, session_revoked, token_revoked, user_revoked

Scope = RevocationEvent.Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRevocation:
    """What `revoke_user` did: the cutoff in force and how many live sessions it ended."""

    tokens_valid_after: datetime
    sessions_revoked: int


def atomic() -> Any:
    """The transaction of everything that is written about sessions."""
    return transaction.atomic(using=router.db_for_write(UserSession), savepoint=False)


def revoke_token(claims: Claims, *, reason: str = "", actor: Any = None, now: datetime | None = None) -> None:
    """
    Deny one access token; its session lives on.

    Args:
        claims: of a verified token with a `jti`.
        actor: the user who does it; None for the app itself.

    Raises:
        ValueError: when the token has no `jti`, and so can't be told from others.
    """
    if claims.jti is None:
        raise ValueError("a token without jti can't be denied by itself")
    with atomic():
        event = _record(
            Scope.TOKEN,
            token_subject(claims.iss, claims.jti),
            expires_at=claims.expires_at + MAX_LEEWAY,
            reason=reason,
            actor=actor,
            now=now or timezone.now(),
        )
        send_on_commit(token_revoked, RevocationEvent, event=event)


def revoke_session(sid: UUID, *, reason: str = "", actor: Any = None, now: datetime | None = None) -> bool:
    """
    End one session, with its access and refresh tokens.

    Args:
        sid: the session's id.
        reason: for the record, at most 255 characters.
        actor: the user who does it; None for the app itself.

    Returns:
        False when there was nothing to end.
    """
    now = now or timezone.now()
    with atomic():
        rows = UserSession.objects.filter(pk=sid, revoked_at=None)
        if not rows.update(revoked_at=now, revoked_reason=reason):
            return False
        event = _session_event(sid, reason, actor, now)
        event.save(force_insert=True)
        send_on_commit(session_revoked, RevocationEvent, event=event, session_id=sid)
    return True


def revoke_sessions(sids: Iterable[UUID], *, reason: str = "", actor: Any = None, now: datetime | None = None) -> int:
    """
    End several sessions at once; see `revoke_session`. Three queries (SQLite writes events in hundreds).

    Returns:
        How many were live until now.
    """
    now = now or timezone.now()
    with atomic():
        rows = UserSession.objects.filter(pk__in=list(sids), revoked_at=None)
        live = list(rows.select_for_update().values_list("pk", flat=True))
        UserSession.objects.filter(pk__in=live).update(revoked_at=now, revoked_reason=reason)
        events = [_session_event(sid, reason, actor, now) for sid in live]
        RevocationEvent.objects.bulk_create(events)
        for sid, event in zip(live, events, strict=True):
            send_on_commit(session_revoked, RevocationEvent, event=event, session_id=sid)
    return len(live)


def revoke_user(
    user: Any, *, at: datetime | None = None, reason: str = "", actor: Any = None, now: datetime | None = None
) -> UserRevocation:
    """
    Refuse all tokens of sessions that `user` began up to now, and end those sessions.

    Args:
        user: the user.
        at: an earlier moment instead of now, aware. A cutoff that is already later stays.
        reason: for the record, at most 255 characters.
        actor: the user who does it; None for the app itself.

    Raises:
        ValueError: when `at` lies in the future, which would lock the user out until then.
    """
    now = now or timezone.now()
    if at is not None and at > now:
        raise ValueError("a cutoff can't lie in the future")
    with atomic():
        cutoffs.lock(user.pk)
        old = cutoffs.read_locked(user.pk)
        if at is None:
            new = _next_cutoff(now, old, UserSession.objects.filter(user_id=user.pk))
        else:
            new = max(at, old or at)
        cutoffs.write(user.pk, new)
        count = _unfinished(user, now).filter(started_at__lt=new).update(revoked_at=now, revoked_reason=reason)
        event = _record(
            Scope.USER,
            user_id_of(user),
            cutoff=new,
            expires_at=_tokens_dead_at(now),
            reason=reason,
            actor=actor,
            now=now,
        )
        send_on_commit(user_revoked, RevocationEvent, event=event, user_id=user.pk, cutoff=new, sessions_revoked=count)
    return UserRevocation(tokens_valid_after=new, sessions_revoked=count)


def revoke_all(*, reason: str = "", actor: Any = None, now: datetime | None = None) -> datetime:
    """
    Refuse all tokens of all sessions begun up to now. The sessions' rows are left as they are.

    Returns:
        The global cutoff in force.
    """
    now = now or timezone.now()
    with atomic():
        old = RevocationEvent.objects.filter(scope=Scope.ALL).aggregate(newest=Max("cutoff"))["newest"]
        new = _next_cutoff(now, old, UserSession.objects.all())
        event = _record(Scope.ALL, "", cutoff=new, expires_at=None, reason=reason, actor=actor, now=now)
        send_on_commit(all_revoked, RevocationEvent, event=event, cutoff=new)
    return new


def record_deletion(user: Any, *, now: datetime | None = None) -> None:
    """Put the deletion of `user`, whose sessions go with the row, on the record."""
    now = now or timezone.now()
    with atomic():
        # A session that is being started would reach the table after the cascade has been there.
        cutoffs.lock(user.pk)
        new = _next_cutoff(now, None, UserSession.objects.filter(user_id=user.pk))
        event = _record(
            Scope.USER,
            user_id_of(user),
            cutoff=new,
            expires_at=_tokens_dead_at(now),
            reason="user deleted",
            actor=None,
            now=now,
        )
        count = _unfinished(user, now).count()
        send_on_commit(user_revoked, RevocationEvent, event=event, user_id=user.pk, cutoff=new, sessions_revoked=count)


def _unfinished(user: Any, now: datetime) -> QuerySet[UserSession]:
    return UserSession.objects.filter(user_id=user.pk, revoked_at=None, expires_at__gt=now, idle_expires_at__gt=now)


def _next_cutoff(now: datetime, old: datetime | None, sessions: Any) -> datetime:
    """Later than the last cutoff and than anything issued, by whichever machine's clock."""
    newest = sessions.aggregate(newest=Max("last_issued_at"))["newest"]
    after = latest((old, newest))
    return now if after is None else max(now, after + cutoffs.TICK)


def _tokens_dead_at(now: datetime) -> datetime:
    # A token that another machine issues in this moment may live a little longer by its clock.
    return now + get_settings().ACCESS_TOKEN_LIFETIME + 2 * MAX_LEEWAY + timedelta(seconds=1)


def _session_event(sid: UUID, reason: str, actor: Any, now: datetime) -> RevocationEvent:
    return _event(Scope.SESSION, sid.hex, expires_at=_tokens_dead_at(now), reason=reason, actor=actor, now=now)


def _event(
    scope: str,
    subject: str,
    *,
    cutoff: datetime | None = None,
    expires_at: datetime | None,
    reason: str,
    actor: Any,
    now: datetime,
) -> RevocationEvent:
    return RevocationEvent(
        created_at=now,
        scope=scope,
        subject=subject,
        cutoff=cutoff,
        expires_at=expires_at,
        reason=reason,
        actor="" if actor is None else str(actor.pk),
    )


def _record(scope: str, subject: str, **facts: Any) -> RevocationEvent:
    event = _event(scope, subject, **facts)
    event.save(force_insert=True)
    return event
