"""
What revokes by itself: a new password, deactivation, deletion. And the log of what happened.

Only `save()` and `delete()` send signals. What goes around them (`QuerySet.update()`, SQL) is still
caught by every refresh and, in `database` mode, by every request: both read the row.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Model
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import Signal

from jwt_auth import signals
from jwt_auth.credentials import announce_upgrade, is_hash_upgrade, settle_upgrade
from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff
from jwt_auth.revocation.revoke import record_deletion, revoke_user

logger = logging.getLogger("jwt_auth")

WATCHED = frozenset({"password", "is_active"})

# Where a saved user carries what its row said before, from pre_save to post_save.
_BEFORE = "_jwt_auth_before"


def connect() -> None:
    """Connect all receivers. Once, when the apps are ready."""
    for model in _user_models():
        pre_save.connect(_remember, sender=model, dispatch_uid="jwt_auth.remember")
        post_save.connect(_compare, sender=model, dispatch_uid="jwt_auth.compare")
        pre_delete.connect(_record, sender=model, dispatch_uid="jwt_auth.record")
    for signal, log in _LOGS.items():
        signal.connect(log, dispatch_uid="jwt_auth.log")


def _user_models() -> Iterator[type[Model]]:
    # Proxies and children send signals of their own. A receiver without a sender would hear them too, but
    # it would also keep Django from deleting any model's rows without loading them.
    return (model for model in apps.get_models(include_auto_created=True) if issubclass(model, get_user_model()))


def _remember(
    instance: Any, raw: bool, update_fields: Iterable[str] | None = None, using: str | None = None, **kwargs: Any
) -> None:
    vars(instance).pop(_BEFORE, None)  # of a save that failed
    if using != cutoff.users().db:
        return  # a copy of the user in another database
    written = WATCHED if update_fields is None else WATCHED.intersection(update_fields)
    names = [field.attname for field in instance._meta.concrete_fields if field.name in written]
    if raw or instance._state.adding or not names:
        return
    before = cutoff.users().filter(pk=instance.pk).values(*names).first()
    if before is None:
        return
    old = before.get("password", instance.password)
    upgrade = old != instance.password and is_hash_upgrade(instance, old, update_fields)
    if upgrade:
        announce_upgrade(instance, old)
    setattr(instance, _BEFORE, {**before, "upgrade": upgrade})


def _compare(instance: Any, **kwargs: Any) -> None:
    before = vars(instance).pop(_BEFORE, None)
    if before is None:
        return
    if before["upgrade"]:
        settle_upgrade(instance, before["password"])
    elif before.get("password", instance.password) != instance.password:
        revoke_user(instance, reason="password changed")
    elif before.get("is_active") and not instance.is_active:
        revoke_user(instance, reason="user deactivated")


def _record(instance: Any, using: str | None = None, **kwargs: Any) -> None:
    if using == cutoff.users().db:
        record_deletion(instance)


def _log_session_started(session: UserSession, **kwargs: Any) -> None:
    logger.info("Session %s of user %s started.", session.pk, session.user_id, extra=_extra(session))


def _log_token_refreshed(session: UserSession, rotated: bool, **kwargs: Any) -> None:
    logger.debug("Session %s refreshed.", session.pk, extra={**_extra(session), "rotated": rotated})


def _log_reuse(session: UserSession, presented: int, expected: int, **kwargs: Any) -> None:
    # A counter that we never gave out was signed with our key, or our database was set back.
    level = logging.CRITICAL if presented > expected else logging.WARNING
    logger.log(
        level,
        "Refresh token %s of session %s came when %s was due; the session has been ended.",
        presented,
        session.pk,
        expected,
        extra=_extra(session),
    )


def _log_revocation(event: Any, **kwargs: Any) -> None:
    logger.info(
        "Revoked: %s (%s).",
        event,
        event.reason,
        extra={"scope": event.scope, "subject": event.subject, "actor": event.actor, "reason": event.reason},
    )


def _extra(session: UserSession) -> dict[str, Any]:
    return {
        "sid": session.sid,
        "user_id": str(session.user_id),
        "ip_address": session.ip_address,
        "transport": session.transport,
    }


_LOGS: dict[Signal, Callable[..., None]] = {
    signals.session_started: _log_session_started,
    signals.token_refreshed: _log_token_refreshed,
    signals.refresh_token_reused: _log_reuse,
    signals.token_revoked: _log_revocation,
    signals.session_revoked: _log_revocation,
    signals.user_revoked: _log_revocation,
    signals.all_revoked: _log_revocation,
}
