"""
Automatic revocation by signals: a new password, deactivation, deletion, a cutoff that is saved by hand, or `logout()`.

Only `save()` and `delete()` send signals. Changes without signals (`QuerySet.update()`, SQL) still take effect at
every refresh and, in `database` mode, at every request, because both read the row.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import router
from django.db.models import Model
from django.db.models.signals import post_migrate, post_save, pre_delete, pre_save
from django.http import HttpRequest

from jwt_auth.authentication.note import note_on
from jwt_auth.conf import get_settings
from jwt_auth.keyring import stored
from jwt_auth.models import ClientKey, RegisteredClient, SigningKey, UserTokenCutoff
from jwt_auth.revocation import clients, user_rows
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.operations import record_cutoff, record_user_deletion, revoke_session, revoke_user
from jwt_auth.revocation.subjects import parse_sid
from jwt_auth.sessions.credentials import announce_upgrade, begin_again, is_hash_upgrade, settle_upgrade

WATCHED = frozenset({"password", "is_active"})

# The attribute that keeps the former values of a user's row from pre_save to post_save.
_BEFORE = "_jwt_auth_before"


def connect() -> None:
    """Connect all receivers; called once, when the apps are ready."""
    for model in _user_models():
        pre_save.connect(_remember, sender=model, dispatch_uid="jwt_auth.remember")
        post_save.connect(_compare, sender=model, dispatch_uid="jwt_auth.compare")
        pre_delete.connect(_record, sender=model, dispatch_uid="jwt_auth.record")
    post_save.connect(_follow, sender=UserTokenCutoff, dispatch_uid="jwt_auth.follow")
    pre_delete.connect(_record_client, sender=RegisteredClient, dispatch_uid="jwt_auth.record_client")
    pre_delete.connect(_record_key, sender=ClientKey, dispatch_uid="jwt_auth.record_key")
    user_logged_out.connect(_end_session, dispatch_uid="jwt_auth.end_session")
    # Also sent after tests have flushed the tables.
    post_migrate.connect(_read_anew, dispatch_uid="jwt_auth.read_anew")
    post_migrate.connect(_guide, sender=apps.get_app_config("jwt_auth"), dispatch_uid="jwt_auth.guide")


def _user_models() -> Iterator[type[Model]]:
    # Proxy and child models send signals of their own. A receiver without a sender would get them too, but then
    # Django would have to load the rows of every model before deleting them.
    return (model for model in apps.get_models(include_auto_created=True) if issubclass(model, get_user_model()))


def _remember(
    instance: Any, raw: bool, update_fields: Iterable[str] | None = None, using: str | None = None, **kwargs: Any
) -> None:
    vars(instance).pop(_BEFORE, None)  # left over from a failed save
    if using != user_rows.users().db:
        return  # a copy of the user in another database
    watched = WATCHED.union(filter(None, [get_settings().USER_CUTOFF_FIELD]))
    written = watched if update_fields is None else watched.intersection(update_fields)
    names = [field.attname for field in instance._meta.concrete_fields if field.name in written]
    if raw or instance._state.adding or not names:
        return
    before = user_rows.users().filter(pk=instance.pk).values(*names).first()
    if before is None:  # deleted meanwhile: the save will fail
        begin_again(instance)
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
    else:
        _follow_on_user(instance, before)


def _follow_on_user(instance: Any, before: dict[str, Any]) -> None:
    name = get_settings().USER_CUTOFF_FIELD
    if name is None or name not in before or getattr(instance, name) in (None, before[name]):
        return
    # The later of the old and the new cutoff was saved.
    saved = user_rows.users().filter(pk=instance.pk).values_list(name, flat=True).get()
    if saved != before[name]:
        record_cutoff(instance, saved)


def _follow(instance: UserTokenCutoff, raw: bool, **kwargs: Any) -> None:
    saved = UserTokenCutoff.objects.filter(pk=instance.pk).values_list("tokens_valid_after", flat=True).get()
    if saved is not None and not raw:
        record_cutoff(instance.user, saved)


def _end_session(request: HttpRequest | None = None, user: Any = None, **kwargs: Any) -> None:
    """End the session of the token that has signed the user in, when Django's `logout()` signs the user out."""
    claims = None if request is None else note_on(request).claims
    if claims is not None and claims.iss == get_settings().ISSUER:
        sid = parse_sid(claims.sid)
        if sid is not None:
            revoke_session(sid, reason="logout", actor=user)


def _read_anew(**kwargs: Any) -> None:
    view.forget()
    stored.forget()


def _guide(using: str, verbosity: int, stdout: Any = None, **kwargs: Any) -> None:
    """Have `migrate` print how to activate a signing key, if none is active."""
    if stdout is None or not verbosity or using != router.db_for_write(SigningKey):
        return
    if get_settings().KEYS == "database" and not SigningKey.objects.filter(state=SigningKey.State.ACTIVE).exists():
        stdout.write(f'KEYS is "database", and no signing key is active. {stored.GUIDE}')


def _record(instance: Any, using: str | None = None, **kwargs: Any) -> None:
    if using == user_rows.users().db:
        record_user_deletion(instance)
        clients.delete_latecomers(instance)


def _record_client(instance: RegisteredClient, **kwargs: Any) -> None:
    clients.record_client_deletion(instance)


def _record_key(instance: ClientKey, **kwargs: Any) -> None:
    clients.record_key_deletion(instance)
