"""
Automatic revocation by signals: a new password, deactivation, deletion, a cutoff that is saved by hand, or `logout()`.

Only `save()` and `delete()` send signals. Changes without signals (`QuerySet.update()`, SQL) still take effect at
every refresh and, in `database` mode, at every request, because both read the row.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from inspect import getattr_static
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import router
from django.db.models import Field, Model, QuerySet
from django.db.models.signals import post_migrate, post_save, pre_delete, pre_save
from django.http import HttpRequest

from jwt_auth._django.password_checks import hear_password_checks
from jwt_auth.authentication.note import note_on
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.conf.user_keys import key_of
from jwt_auth.keyring import stored
from jwt_auth.models import ClientKey, RegisteredClient, SigningKey, UserTokenCutoff
from jwt_auth.revocation import clients, user_rows
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.operations import record_cutoff, record_user_deletion, revoke_session, revoke_user
from jwt_auth.revocation.subjects import parse_sid
from jwt_auth.sessions import django_sessions
from jwt_auth.sessions.credentials import (
    announce_upgrade,
    before_check,
    begin_again,
    is_hash_upgrade,
    note_failure,
    settle_upgrade,
)
from jwt_auth.user_model import manager_is_plain, visible_users

WATCHED = frozenset({"password", "is_active"})

# The reason for the end of the sessions of a user who has a new password.
CREDENTIALS_CHANGED = "password changed"

# The attribute that keeps the former values of a user's row from pre_save to post_save.
_BEFORE = "_jwt_auth_before"


def connect() -> None:
    """Connect all receivers; called once, when the apps are ready."""
    for model in _writers():
        pre_save.connect(_remember, sender=model, dispatch_uid="jwt_auth.remember")
        post_save.connect(_compare, sender=model, dispatch_uid="jwt_auth.compare")
        pre_delete.connect(_record, sender=model, dispatch_uid="jwt_auth.record")
    hear_password_checks(_writers(), before_check)
    pre_save.connect(_restore, sender=UserTokenCutoff, dispatch_uid="jwt_auth.restore")
    post_save.connect(_follow, sender=UserTokenCutoff, dispatch_uid="jwt_auth.follow")
    pre_delete.connect(_record_client, sender=RegisteredClient, dispatch_uid="jwt_auth.record_client")
    pre_delete.connect(_record_key, sender=ClientKey, dispatch_uid="jwt_auth.record_key")
    user_login_failed.connect(note_failure, dispatch_uid="jwt_auth.note_failure")
    user_logged_in.connect(django_sessions.note_sign_in, dispatch_uid="jwt_auth.note_sign_in")
    user_logged_out.connect(django_sessions.end_tied, dispatch_uid="jwt_auth.end_tied")
    user_logged_out.connect(_end_session, dispatch_uid="jwt_auth.end_session")
    # Also sent after tests have flushed the tables.
    post_migrate.connect(_read_anew, dispatch_uid="jwt_auth.read_anew")
    post_migrate.connect(_guide, sender=apps.get_app_config("jwt_auth"), dispatch_uid="jwt_auth.guide")


def _writers() -> Iterator[type[Model]]:
    """
    Return the models whose `save()` writes columns of users.

    These are the user model, its proxies and its children. If it is a proxy or a child itself, other models have its
    tables, too.
    """
    # Each sends signals of its own. A receiver without a sender would get them too, but then Django would have to load
    # the rows of every model before deleting them.
    bases = [base for base in get_user_model().__mro__ if hasattr(base, "_meta") and not base._meta.abstract]
    tables = {base._meta.concrete_model for base in bases}
    for model in apps.get_models(include_auto_created=True):
        if issubclass(model, get_user_model()) or model._meta.concrete_model in tables:
            yield model


def _lookup_of(instance: Any) -> dict[str, Any]:
    """Return the lookup of the user whose columns `instance` writes; the parent of no user finds none."""
    if isinstance(instance, get_user_model()):
        return {"pk": key_of(instance)}
    return {instance._meta.pk.name: instance.pk}


def _row_of(instance: Any) -> QuerySet[Any]:
    return user_rows.users().filter(**_lookup_of(instance))


def _user_of(instance: Any) -> Any:
    """Return the user whose columns `instance` writes; None if there is none."""
    return instance if isinstance(instance, get_user_model()) else _row_of(instance).first()


@cached_until_settings_change
def _is_usual() -> bool:
    """
    Return whether `password` and `is_active` alone decide whether a user's tokens are accepted.

    Otherwise any column may decide: the manager may hide the user, `is_active` may be a property, a generated column or
    an annotation, and `get_session_auth_hash()` may be the project's own. The manager is then asked.
    """
    model = get_user_model()
    active: Any = {field.name: field for field in model._meta.concrete_fields}.get("is_active")
    if active is None:
        active = getattr_static(model, "is_active", True)  # True is the constant of AbstractBaseUser
    is_plain_fact = active is True or (isinstance(active, Field) and not getattr(active, "generated", False))
    return (
        manager_is_plain() and is_plain_fact and model.get_session_auth_hash is AbstractBaseUser.get_session_auth_hash
    )


def _may_decide(update_fields: Iterable[str] | None) -> bool:
    """Return whether unwatched columns that a save writes may decide: not the one that Django writes at sign-ins."""
    return not _is_usual() and (update_fields is None or set(update_fields) != {"last_login"})


def _stored(instance: Any, names: list[str]) -> dict[str, Any] | None:
    """
    Return the stored values of the columns `names`, and the facts, of the user whose columns `instance` writes.

    Return None if there is no such user. One query, and one more for a user that the manager hides.
    """
    user = None if _is_usual() else _visible(instance)
    if user is not None:
        return {**{name: getattr(user, name) for name in names}, **_facts_of(user)}
    row = _row_of(instance).values("pk", *names).first()
    return row if row is None or _is_usual() else {**row, **_facts_of(None)}


def _visible(instance: Any) -> Any:
    return visible_users().filter(**_lookup_of(instance)).first()


def _facts_of(user: Any) -> dict[str, Any]:
    """Return the facts that decide whether tokens are accepted. Of a hidden user, None, no more can be known."""
    if user is None:
        return {"is_active": False}
    return {"is_active": user.is_active, "session_hash": user.get_session_auth_hash()}


def _remember(
    instance: Any, raw: bool, update_fields: Iterable[str] | None = None, using: str | None = None, **kwargs: Any
) -> None:
    vars(instance).pop(_BEFORE, None)  # left over from a failed save
    if using != user_rows.users().db:
        return  # a copy of the user in another database
    watched = WATCHED.union(filter(None, [get_settings().USER_CUTOFF_FIELD]))
    written = watched if update_fields is None else watched.intersection(update_fields)
    # A fixture has the columns of each table on their own.
    fields = instance._meta.concrete_model._meta.local_concrete_fields if raw else instance._meta.concrete_fields
    names = [field.attname for field in fields if field.name in written]
    # An instance with a key may be that of a stored row, although it says that it is being added: packages that keep a
    # history build such instances.
    if instance.pk is None or not (names or _may_decide(update_fields)):
        return
    before = _stored(instance, names)
    if before is None:
        if not instance._state.adding:  # deleted meanwhile: the save will fail; or the parent of no user
            begin_again(instance)
        return
    if raw and (cutoff := get_settings().USER_CUTOFF_FIELD) in before:
        _keep_cutoff(instance, str(cutoff), before[cutoff])
    upgrade = _has_new_password(instance, before) and is_hash_upgrade(instance, before["password"], update_fields)
    if upgrade:
        announce_upgrade(_user_of(instance), before["password"])
    setattr(instance, _BEFORE, {**before, "upgrade": upgrade})


def _keep_cutoff(instance: Any, name: str, stored: datetime | None) -> None:
    """
    Keep the cutoff `name` from moving back when a row is restored.

    In ordinary saves its field does that; Django does not ask the fields if a save is `raw`.
    """
    if stored is not None:
        setattr(instance, name, max(stored, getattr(instance, name) or stored))


def _restore(instance: UserTokenCutoff, raw: bool, **kwargs: Any) -> None:
    if raw:
        stored = UserTokenCutoff.objects.filter(pk=instance.pk).values_list("tokens_valid_after", flat=True).first()
        _keep_cutoff(instance, "tokens_valid_after", stored)


def _has_new_password(instance: Any, before: dict[str, Any]) -> bool:
    return "password" in before and bool(before["password"] != instance.password)


def _compare(instance: Any, **kwargs: Any) -> None:
    before = vars(instance).pop(_BEFORE, None)
    if before is None:
        return
    if before["upgrade"]:
        settle_upgrade(instance, before["password"])
    elif (reason := _end_of(instance, before)) is not None:
        revoke_user(_user_of(instance), reason=reason)
    else:
        _follow_on_user(instance, before)


def _end_of(instance: Any, before: dict[str, Any]) -> str | None:
    """Return the reason why the tokens of the user end with this save; None if they stay."""
    if _has_new_password(instance, before):
        return CREDENTIALS_CHANGED
    now = {"is_active": instance.is_active} if _is_usual() else _facts_of(_visible(instance))
    if before.get("is_active") and not now["is_active"]:
        return "user deactivated"
    # Compared only if known before and after: the save may show a hidden user.
    known = "session_hash" in before and "session_hash" in now
    return "session hash changed" if known and before["session_hash"] != now["session_hash"] else None


def _follow_on_user(instance: Any, before: dict[str, Any]) -> None:
    name = get_settings().USER_CUTOFF_FIELD
    if name is None or name not in before or getattr(instance, name) in (None, before[name]):
        return
    # The later of the old and the new cutoff was saved.
    saved = _row_of(instance).values_list(name, flat=True).get()
    if saved != before[name]:
        record_cutoff(_user_of(instance), saved)


def _follow(instance: UserTokenCutoff, raw: bool, **kwargs: Any) -> None:
    saved = UserTokenCutoff.objects.filter(pk=instance.pk).values_list("tokens_valid_after", flat=True).get()
    if saved is not None and not raw:
        record_cutoff(instance.user, saved)


def _end_session(request: HttpRequest | None = None, user: Any = None, **kwargs: Any) -> None:
    """
    End the session of the user's token, when Django's `logout()` signs the user out.

    A token that is limited to scopes must not end sessions.
    """
    claims = None if request is None else note_on(request).claims_for(user)
    if claims is None or claims.is_limited or claims.iss != get_settings().ISSUER:
        return
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
    # Django sends the signal for the user itself, too, if it deletes the row with that of a parent, or of a child. A
    # child may be deleted without its user.
    is_itself = instance._meta.concrete_model is get_user_model()._meta.concrete_model
    if using == user_rows.users().db and is_itself:
        user = _user_of(instance)
        record_user_deletion(user)
        clients.delete_latecomers(user)


def _record_client(instance: RegisteredClient, **kwargs: Any) -> None:
    clients.record_client_deletion(instance)


def _record_key(instance: ClientKey, **kwargs: Any) -> None:
    clients.record_key_deletion(instance)
