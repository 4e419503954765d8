"""
The state behind a token, read from the database: an allowlist. One query, with everything joined.
"""

import uuid
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, F, Q, QuerySet, Subquery

from jwt_auth.claims import Claims
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import cutoff
from jwt_auth.revocation.verdict import State

Scope = RevocationEvent.Scope


def global_cutoff() -> Subquery:
    """The newest cutoff for everybody, as an annotation."""
    return Subquery(RevocationEvent.objects.filter(scope=Scope.ALL).order_by("-cutoff").values("cutoff")[:1])


def token_subject(iss: str, jti: str) -> str:
    """How a single token is named in the denylist."""
    return f"{iss} {jti}"


def find_by_token(claims: Claims) -> UserSession | None:
    """The session that `claims` name, with the user and all that `state_of` needs."""
    sid = parse_sid(claims.sid)
    if sid is None:
        return None
    denied = RevocationEvent.objects.filter(scope=Scope.TOKEN, subject=token_subject(claims.iss, claims.jti or ""))
    return _joined().annotate(token_denied=Exists(denied)).filter(pk=sid).first()


def find_by_handle(handle: str) -> UserSession | None:
    """The session of a refresh token, with the user and all that `state_of` needs."""
    return _joined().filter(handle=handle).first()


def live_sessions(user: Any, now: datetime) -> list[UserSession]:
    """The sessions of `user` that would be welcome, the latest used first."""
    user_cutoff = cutoff.path_from("user__")
    rows = (
        _joined()
        .filter(user=user, revoked_at=None, expires_at__gt=now, idle_expires_at__gt=now)
        .filter(Q(global_cutoff=None) | Q(started_at__gte=F("global_cutoff")))
        .filter(Q(**{user_cutoff: None}) | Q(started_at__gte=F(user_cutoff)))
        .order_by("-last_issued_at")
    )
    return [session for session in rows if not session.has_stale_credentials]


def state_of(session: UserSession) -> State:
    """What `verdict` wants to know about a session that was found here."""
    return State(
        token_denied=getattr(session, "token_denied", False),
        session_revoked=session.revoked_at is not None,
        session_ends_at=session.ends_at,
        cutoffs=(cutoff.read(session.user), session.global_cutoff),  # type: ignore[attr-defined]  # annotated
        principal_active=session.user.is_active,
        credentials_stale=session.has_stale_credentials,
    )


def parse_sid(sid: str | None) -> uuid.UUID | None:
    """A `sid` in the one spelling that we issue, or None."""
    try:
        parsed = uuid.UUID(hex=sid)
    except (ValueError, TypeError, AttributeError):
        return None
    return parsed if parsed.hex == sid else None


def _joined() -> QuerySet[UserSession]:
    rows = UserSession.objects.select_related("user", *cutoff.relations_from("user__")).annotate(
        global_cutoff=global_cutoff()
    )
    # Whom the project's manager hides (soft deletion) can't sign in, and must not stay either.
    visible = get_user_model()._default_manager.using(rows.db).all()
    return rows.filter(user__in=visible.values("pk")) if visible.query.where else rows
