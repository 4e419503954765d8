"""
Read and write users' cutoffs, in `UserTokenCutoff` or in the field that USER_CUTOFF_FIELD names; read the global one.

The user's row is the lock for both: the transaction that changes a cutoff and the one that starts a session hold
it, so that one is complete before the other begins.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, OuterRef, Subquery

from jwt_auth._django.locks import lock_by_writing
from jwt_auth.conf import get_settings
from jwt_auth.models import RevocationEvent, UserTokenCutoff
from jwt_auth.revocation.user_rows import some_column, users

TICK = timedelta(microseconds=1)


def path_from(prefix: str = "") -> str:
    """Return the lookup of the cutoff, from the user model or from a model that `prefix` leads from to the user."""
    return prefix + (get_settings().USER_CUTOFF_FIELD or "jwt_token_cutoff__tokens_valid_after")


def as_annotation(user: str) -> F | Subquery:
    """Return the cutoff of the user that the foreign key `user` leads to, as an annotation."""
    if name := get_settings().USER_CUTOFF_FIELD:
        return F(f"{user}__{name}")
    # Not joined: PostgreSQL needs more time to plan one more join than to run the whole query of a request.
    return Subquery(UserTokenCutoff.objects.filter(user=OuterRef(user)).values("tokens_valid_after"))


def global_cutoff() -> Subquery:
    """Return the newest global cutoff, as an annotation."""
    events = RevocationEvent.objects.filter(scope=RevocationEvent.Scope.ALL)
    return Subquery(events.order_by("-cutoff").values("cutoff")[:1])


def users_with_cutoff() -> models.QuerySet[Any]:
    """Return all users, loaded so that `read` needs no query."""
    return with_cutoff(users())


def with_cutoff(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Return the users in `rows`, loaded so that `read` needs no query."""
    return rows if get_settings().USER_CUTOFF_FIELD else rows.select_related("jwt_token_cutoff")


def read(user: Any) -> datetime | None:
    """Return the cutoff of `user`, which was loaded with it."""
    name = get_settings().USER_CUTOFF_FIELD
    holder = user if name else getattr(user, "jwt_token_cutoff", None)
    return getattr(holder, name or "tokens_valid_after", None)


def read_locked(user_pk: Any) -> datetime | None:
    """Return the cutoff of a user whose row is locked. One query."""
    rows, name = _row_with_cutoff(user_pk)
    # A locking read, because an older snapshot of an outer transaction could miss the last cutoff.
    return rows.select_for_update().values_list(name, flat=True).first()


def write(user_pk: Any, cutoff: datetime) -> None:
    """Set the cutoff of a user whose row is locked. At most two queries."""
    rows, name = _row_with_cutoff(user_pk)
    if not rows.update(**{name: cutoff}) and rows.model is UserTokenCutoff:
        # Not create(), whose signal would make a receiver record the cutoff as one that was saved elsewhere.
        UserTokenCutoff.objects.bulk_create([UserTokenCutoff(user_id=user_pk, tokens_valid_after=cutoff)])


def lock_users(user_pks: Collection[Any]) -> dict[Any, models.Model]:
    """
    Lock several users' rows until the end of the transaction. At most two queries, one more on SQLite.

    Transactions always lock the rows in the same order, and so never wait for each other in a circle.

    Returns:
        The row that has the cutoff of each user that exists, by the user's key, for `write_many`.
    """
    rows = users().filter(pk__in=user_pks)
    lock_by_writing(rows, some_column())
    locked = {user.pk: user for user in rows.order_by("pk").select_for_update()}
    if get_settings().USER_CUTOFF_FIELD:
        return locked
    rows_with_cutoff = UserTokenCutoff.objects.filter(user_id__in=locked).select_for_update()
    known = {row.user_id: row for row in rows_with_cutoff}
    return {pk: known.get(pk) or UserTokenCutoff(user_id=pk) for pk in locked}


def held_by(holder: models.Model) -> datetime | None:
    """Return the cutoff in a row from `lock_users`."""
    cutoff: datetime | None = getattr(holder, _field_name())
    return cutoff


def write_many(new: Mapping[Any, datetime], holders: Mapping[Any, models.Model]) -> None:
    """Set the cutoffs of users whose rows are locked, by the user's key. At most two queries for some hundred users."""
    for pk, cutoff in new.items():
        setattr(holders[pk], _field_name(), cutoff)
    rows: models.QuerySet[Any] = users() if get_settings().USER_CUTOFF_FIELD else UserTokenCutoff.objects.all()
    rows.bulk_update([holders[pk] for pk in new if not holders[pk]._state.adding], [_field_name()])
    # Never called for users, none of which is new: Django refuses it for a model with multi-table inheritance.
    if added := [holders[pk] for pk in new if holders[pk]._state.adding]:
        rows.bulk_create(added)


def _field_name() -> str:
    """Return the name of the cutoff's field, in the model that has it."""
    return get_settings().USER_CUTOFF_FIELD or "tokens_valid_after"


def _row_with_cutoff(user_pk: Any) -> tuple[models.QuerySet[Any], str]:
    """Return the row that has the cutoff, if there is one, and the name of its field."""
    if name := get_settings().USER_CUTOFF_FIELD:
        return users().filter(pk=user_pk), name
    return UserTokenCutoff.objects.filter(user_id=user_pk), "tokens_valid_after"
