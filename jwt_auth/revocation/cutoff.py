"""
Where a user's cutoff lives: in `UserTokenCutoff`, or in the field that USER_CUTOFF_FIELD names.

The user's row is the lock for both: what changes a cutoff and what starts a session hold it, so that
one comes wholly before the other.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, models, router

from jwt_auth.conf import get_settings
from jwt_auth.models import UserSession, UserTokenCutoff

TICK = timedelta(microseconds=1)


def users() -> models.QuerySet[Any]:
    """All users, in the database of the sessions."""
    return get_user_model()._base_manager.using(router.db_for_write(UserSession))


def path_from(prefix: str = "") -> str:
    """The lookup of the cutoff, from the user or from what `prefix` leads to it."""
    return prefix + (get_settings().USER_CUTOFF_FIELD or "jwt_token_cutoff__tokens_valid_after")


def relations_from(prefix: str) -> tuple[str, ...]:
    """What leads from `prefix` to the cutoff's home, for `select_related`; nothing if that is the user."""
    return () if get_settings().USER_CUTOFF_FIELD else (prefix + "jwt_token_cutoff",)


def users_with_cutoff() -> models.QuerySet[Any]:
    """All users, loaded so that `read` needs no query."""
    # Without a name, select_related() would follow every foreign key that the model has.
    return users().select_related(*relations) if (relations := relations_from("")) else users()


def read(user: Any) -> datetime | None:
    """The cutoff of `user`, which was loaded with it."""
    name = get_settings().USER_CUTOFF_FIELD
    home = user if name else getattr(user, "jwt_token_cutoff", None)
    return getattr(home, name or "tokens_valid_after", None)


def lock(user_pk: Any) -> None:
    """Hold the user's row until the end of the transaction. One query."""
    rows = users().filter(pk=user_pk)
    if connections[rows.db].features.has_select_for_update:
        list(rows.select_for_update().values_list("pk"))
    else:
        # SQLite has one lock, for the whole database, and a write is what takes it. A transaction that
        # reads first and writes later fails at once when another has written in between.
        rows.update(**{_some_column(): models.F(_some_column())})


def read_locked(user_pk: Any) -> datetime | None:
    """The cutoff of a user whose row is locked. One query."""
    rows, name = _home(user_pk)
    # A locking read, because an older snapshot of an outer transaction could miss the last cutoff.
    return rows.select_for_update().values_list(name, flat=True).first()


def write(user_pk: Any, cutoff: datetime) -> None:
    """Set the cutoff of a user whose row is locked. At most two queries."""
    rows, name = _home(user_pk)
    if not rows.update(**{name: cutoff}) and rows.model is UserTokenCutoff:
        UserTokenCutoff.objects.create(user_id=user_pk, tokens_valid_after=cutoff)


def _home(user_pk: Any) -> tuple[models.QuerySet[Any], str]:
    """The row with the cutoff, if there is one, and the name of its field."""
    if name := get_settings().USER_CUTOFF_FIELD:
        return users().filter(pk=user_pk), name
    return UserTokenCutoff.objects.filter(user_id=user_pk), "tokens_valid_after"


def _some_column() -> str:
    return next(field.attname for field in get_user_model()._meta.concrete_fields if not field.primary_key)
