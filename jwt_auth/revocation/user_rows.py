"""
The users' rows, and the lock on one of them.

The row of a user is the lock for all that must not happen to that user at the same time: a cutoff that moves, a session
that starts, a password hash that is upgraded, and the deletion.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import models

from jwt_auth._django.locks import lock_by_writing
from jwt_auth.conf import get_settings
from jwt_auth.models import UserSession
from jwt_auth.user_model import all_users


def users() -> models.QuerySet[Any]:
    """Return all users, in the database of the sessions."""
    return all_users()


def lock_user(user_pk: Any) -> bool:
    """Lock the user's row until the end of the transaction; return False if it does not exist. One query."""
    rows = users().filter(pk=user_pk)
    written = lock_by_writing(rows, some_column())
    return bool(rows.select_for_update().values_list("pk") if written is None else written)


class Ended(NamedTuple):
    """The content of a session's event: the `sub` of its user, and the time of its last token."""

    sub: str
    last_issued_at: datetime


def ended(sids: Iterable[UUID]) -> dict[UUID, Ended]:
    """Return the content of sessions' events. One query, which locks no user."""
    columns = ("pk", f"user__{get_settings().USER_ID_FIELD}", "last_issued_at")
    rows = UserSession.objects.filter(pk__in=list(sids)).values_list(*columns)
    return {sid: Ended(str(sub), last_issued_at) for sid, sub, last_issued_at in rows}


def some_column() -> str:
    """Return the name of a column that can be written with its own value: the key itself if there is no other."""
    meta = get_user_model()._meta
    names = [field.attname for field in meta.concrete_fields if not (field.primary_key or _is_generated(field))]
    return names[0] if names else meta.pk.attname


def _is_generated(field: Any) -> bool:
    """Return whether the database computes the column, and refuses to write it (`GeneratedField`)."""
    return bool(getattr(field, "generated", False))
