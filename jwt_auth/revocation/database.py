"""
Read the state of a token from the database, which is an allowlist, with one query.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Exists, Expression, F, Q, QuerySet, Subquery

from jwt_auth._django.compiled import CompiledQuery
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import RefusedError, RevokedTokenError
from jwt_auth.keyring.stored import changes_of_keys, keys_as_of
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import cutoff
from jwt_auth.revocation.subjects import parse_sid, token_subject
from jwt_auth.revocation.user_sessions import is_unfinished
from jwt_auth.revocation.verdict import State, verdict
from jwt_auth.user_model import has_visible_user, key_named, manager_is_plain, only_visible, user_field

Scope = RevocationEvent.Scope


def is_denied(iss: str, jti: str) -> bool:
    """Return whether a single token was revoked by itself."""
    return RevocationEvent.objects.filter(scope=Scope.TOKEN, subject=token_subject(iss, jti)).exists()


def find_by_token(claims: Claims) -> UserSession | None:
    """
    Return the session that `claims` name, with the user and all that `state_of` needs.

    One query, and one more if the project's manager has to be asked for the user.
    """
    sid = parse_sid(claims.sid)
    if sid is None:
        return None
    subject = token_subject(claims.iss, claims.jti or "")
    found: UserSession | None
    if manager_is_plain():
        found = _first(sid, subject, claims.sub)
    else:
        found = _adopting(session_of_token(sid, subject).first())
    if found is not None:
        _judge_key(found, claims)
    return found


def _first(sid: uuid.UUID, subject: str, sub: str) -> UserSession | None:
    """Return the session, which may be another user's. One query; a second one if it is, or if there is no session."""
    query = _compiled(router.db_for_write(UserSession))
    found: UserSession | None
    if not _can_name_user():
        found = query.first(sid=sid, subject=subject)
    elif (user := key_named(sub)) is None or (found := query.first(sid=sid, subject=subject, user=user)) is None:
        found = session_of_token(sid, subject).first()  # so that a token is refused for the right reason
    return found


def _judge_key(session: UserSession, claims: Claims) -> None:
    """Set `session.key_revoked`, if the keys are in the database."""
    if get_settings().KEYS == "database":
        keys = keys_as_of(session.keys_changed_at)  # type: ignore[attr-defined]  # annotated
        session.key_revoked = claims.kid not in keys.verifying  # type: ignore[attr-defined]


def _facts_about_keys() -> dict[str, Any]:
    return {"keys_changed_at": Subquery(changes_of_keys()[:1])} if get_settings().KEYS == "database" else {}


def read_states(many: Sequence[Claims]) -> list[State | None]:
    """
    Return the states of many tokens; None for a token if its user has no such session.

    This takes two queries, and a third one if the users have to be read through the project's manager.
    """
    subjects = [token_subject(claims.iss, claims.jti or "") for claims in many]
    events = RevocationEvent.objects.filter(scope=Scope.TOKEN, subject__in=subjects)
    denied = frozenset(events.values_list("subject", flat=True))
    rows = all_sessions().annotate(**_facts_about_keys()).defer(*_UNJUDGED)
    sids = [parse_sid(claims.sid) for claims in many]
    sessions: dict[uuid.UUID | None, UserSession] = {
        row.pk: row for row in rows.filter(pk__in=filter(None, sids)) if _adopting(row)
    }
    states: list[State | None] = []
    for claims, sid, subject in zip(many, sids, subjects, strict=True):
        session = sessions.get(sid)
        if session is None or claims.sub != user_id_of(session.user):
            states.append(None)
            continue
        _judge_key(session, claims)
        states.append(replace(state_of(session), token_denied=subject in denied))
    return states


def session_of_token(sid: uuid.UUID, subject: str, user: Any = None) -> QuerySet[UserSession]:
    """
    Return the session `sid`, with the user and all that `state_of` needs, for the token named `subject`.

    Args:
        user: the key of the session's user, if it is known. It selects the same rows, but PostgreSQL plans the join of
            two known rows in half the time, and planning is most of the time of the query.
    """
    denied = RevocationEvent.objects.filter(scope=Scope.TOKEN, subject=subject)
    facts = {"token_denied": Exists(denied), **_facts_about_keys()}
    known = {"pk": sid} if user is None else {"pk": sid, "user": user}
    return all_sessions().annotate(**facts).filter(**known).defer(*_UNJUDGED)


# Columns that no verdict needs. Each would cost a request a few microseconds; code that reads one loads it then.
_UNJUDGED = (
    *("created_at", "handle", "counter", "revision", "last_issued_at", "settled_at", "rotated_at", "revoked_reason"),
    *("transport", "label", "ip_address", "user_agent", "last_ip_address", "last_user_agent", "retry_digest"),
    *("amr", "acr", "idle_timeout", "is_persistent", "data", "tied_to"),
    *("shared_at", "shared_ip_address", "shared_user_agent", "shared_counter", "shared_rotations"),
    *("misused_ip_address", "misused_user_agent"),
)

_compiled_for = cached_until_settings_change(dict[str, CompiledQuery])


def _compiled(alias: str) -> CompiledQuery:
    """See session_of_token()."""
    known = _compiled_for()
    if alias not in known:
        fields = {"sid": UserSession._meta.pk, "subject": RevocationEvent._meta.get_field("subject")}
        if _can_name_user():
            fields["user"] = user_field("pk")
        known[alias] = CompiledQuery(session_of_token, **fields)
    return known[alias]


@cached_until_settings_change
def _can_name_user() -> bool:
    """Return whether `sub` is the key of the user's row, in a field that a compiled query can have a parameter for."""
    field = user_field(get_settings().USER_ID_FIELD)
    return field.primary_key and CompiledQuery.can_compare(field)


def find_by_handle(handle: str, **annotations: Expression) -> UserSession | None:
    """Return the session of a refresh token, with the user and all that `state_of` needs."""
    return _adopting(all_sessions().annotate(**annotations).filter(handle=handle).first())


def find_by_id(sid: uuid.UUID) -> UserSession | None:
    """Return the session `sid`, with the user and all that `state_of` needs."""
    return _adopting(all_sessions().filter(pk=sid).first())


def _adopting(session: UserSession | None) -> UserSession | None:
    """Return `session` with the user that the project's manager makes; None if it has just hidden the user."""
    return session if session is not None and has_visible_user(session, shown=True) else None


def live_sessions(user: Any, now: datetime) -> QuerySet[UserSession]:
    """Return the live sessions of `user`, the most recently used first. There may be any number of them."""
    return live(now).filter(knows_password_of(user), user=user).order_by("-last_issued_at", "-pk")


def knows_password_of(user: Any) -> Q:
    """Return the condition for sessions whose sign-in was with the password that `user` has now."""
    known = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return Q(auth_hash__in=known) | Q(upgraded_auth_hash__in=known)


def live(now: datetime) -> QuerySet[UserSession]:
    """
    Return the live sessions, for counts and lists.

    This is an approximation: only the user's row shows that a password was changed without `save()`. `refusal_of`
    is exact.
    """
    return all_sessions().filter(is_live(now))


def is_live(now: datetime) -> Q:
    """Return the condition of `live`, for sessions that have `global_cutoff` as an annotation."""
    user_cutoff = cutoff.path_from("user__")
    return (
        is_unfinished(now)
        & (Q(global_cutoff=None) | Q(started_at__gte=F("global_cutoff")))
        & (Q(**{user_cutoff: None}) | Q(started_at__gte=F(user_cutoff)))
        & _has_active_user()
    )


def refusal_of(session: UserSession, now: datetime) -> RefusedError | None:
    """
    Return the error that tokens of `session` are refused with, or None. `with_state` must have loaded it.

    If the project's manager isn't plain, it is asked for the user; `adopt` asks once for many sessions.
    """
    if not has_visible_user(session):
        return RevokedTokenError("the user is gone")
    claims = Claims(iss="", aud=(), sub="", iat=0, exp=0, auth_time=session.started_at)
    try:
        verdict(claims, state_of(session), now)
    except RefusedError as refusal:
        return refusal
    return None


def with_state(rows: QuerySet[UserSession]) -> QuerySet[UserSession]:
    """Return the sessions with their users and all that `state_of` and `refusal_of` need, in the same query."""
    return rows.select_related("user").annotate(
        user_cutoff=cutoff.as_annotation("user"), global_cutoff=cutoff.global_cutoff()
    )


def state_of(session: UserSession) -> State:
    """Return the state that `verdict` needs of a session. `with_state` must have loaded it."""
    return State(
        token_denied=getattr(session, "token_denied", False),
        session_revoked=session.revoked_at is not None,
        session_ends_at=session.ends_at,
        cutoffs=(session.user_cutoff, session.global_cutoff),  # type: ignore[attr-defined]  # annotated
        principal_active=session.user.is_active,
        credentials_stale=session.has_stale_credentials,
        key_revoked=getattr(session, "key_revoked", False),
    )


def _has_active_user() -> Q:
    # AbstractBaseUser has a constant instead of a column.
    columns = (field.name for field in get_user_model()._meta.concrete_fields)
    return Q(user__is_active=True) if "is_active" in columns else Q()


def all_sessions() -> QuerySet[UserSession]:
    """Return all sessions of visible users, `with_state`."""
    return only_visible(with_state(UserSession.objects.all()), "user")
