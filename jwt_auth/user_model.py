"""
The project's user model: its keys, its rows, the users that its manager makes of them, and their permissions.

Most queries of this app read the bare rows of users, together with a session or a client. The project's code gets the
user that its own manager makes, with annotations, or of a child class. For most managers that is the bare row. The
others are asked, with one query more.

The user that the manager made is the one that is judged: `is_active` or the session hash may depend on an annotation,
and the manager may have hidden the user a moment ago.
"""

from collections.abc import Iterable
from math import isfinite
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import DecimalValidator
from django.db import connections, models, router

from jwt_auth._django.managers import gives_bare_rows, is_plain
from jwt_auth._django.querysets import has_conditions
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.conf.user_keys import key_of
from jwt_auth.lines import is_line
from jwt_auth.models import UserSession
from jwt_auth.process.lru import LRUCache

# The most keys of users, read from `sub`, that are remembered.
_REMEMBERED_KEYS = 4096


def user_field(name: str) -> Any:
    """Return the user model's field of this name, which may be "pk"; raise FieldDoesNotExist if there is none."""
    meta = get_user_model()._meta
    return meta.pk if name == "pk" else meta.get_field(name)


def is_user(principal: object) -> bool:
    """Return whether `principal` stands for a row of the user model, whose class may be a proxy of another one."""
    concrete = get_user_model()._meta.concrete_model
    return concrete is not None and isinstance(principal, concrete)


# Keys


def read_key(field: Any, text: str) -> Any:
    """
    Return `text` as a value that a row can have in `field`, a field of the user model; None if there is no such value.

    No other value may reach a query, or a lazy user that the project uses in its own queries: each database has its own
    error for numbers and texts that are too large for the column. The project's validators don't
    count, because a row may be older than they are.
    """
    while field.remote_field:  # the key of a model that inherits from another one
        field = field.target_field
    try:
        key = field.to_python(text)
        return key if key is not None and _fits(field, field.get_prep_value(key)) else None
    except (ValidationError, ValueError, TypeError, ArithmeticError):
        return None


def read_exact_key(field: Any, text: str) -> Any:
    """Do the same as read_key(), but only for the spelling of `str()`: " 1", "01" and "1.0" convert to 1, too."""
    key = read_key(field, text)
    return key if key is not None and str(key) == text else None


def key_named(sub: str) -> Any:
    """Return the `sub` of a token as a value of USER_ID_FIELD; None if no row can have it."""
    field, known = _keys()
    key = known.get(sub)
    if key is None and (key := read_exact_key(field, sub)) is not None:
        known.put(sub, key)
    return key


@cached_until_settings_change
def _keys() -> tuple[Any, LRUCache[str, Any]]:
    """Return the field whose value is in `sub`, and a cache of its values."""
    return user_field(get_settings().USER_ID_FIELD), LRUCache(_REMEMBERED_KEYS)


def _fits(field: Any, key: Any) -> bool:
    """
    Return whether the column of `field` can hold `key`; may raise what the field raises for values that it can't.

    Args:
        key: as the column stores it; the field may have a class of its own for the values of an instance.
    """
    if isinstance(field, models.IntegerField):
        low, high = _range_of(field)
        return bool(low <= key <= high)
    if isinstance(field, models.GenericIPAddressField):
        return all(check(key) is None for check in field.default_validators)
    if isinstance(key, str):
        # PostgreSQL can't store a NUL, and no database half of a surrogate pair.
        return is_line(key) and (field.max_length is None or len(key) <= field.max_length)
    if isinstance(field, models.DecimalField):
        DecimalValidator(field.max_digits, field.decimal_places)(key)
    return not isinstance(key, float) or isfinite(key)


_ranges = cached_until_settings_change(dict[str, tuple[int, int]])


def _range_of(field: Any) -> tuple[int, int]:
    """Return the smallest and the largest number of the column; cached, because memory mode asks in each request."""
    known, kind = _ranges(), field.get_internal_type()
    if kind not in known:
        known[kind] = connections[router.db_for_write(UserSession)].ops.integer_field_range(kind)
    return known[kind]


# Rows and users


def all_users() -> models.QuerySet[Any]:
    """Return the bare rows of all users, in the database of the sessions. No manager can hide one."""
    return models.QuerySet(get_user_model(), using=router.db_for_write(UserSession))


def visible_users() -> models.QuerySet[Any]:
    """
    Return the users that the project's own manager shows, in the database of the sessions.

    A user that it hides (soft deletion) can't sign in, and must not stay signed in either.
    """
    return get_user_model()._default_manager.using(router.db_for_write(UserSession))


def manager_is_plain() -> bool:
    """Return whether the project's manager always gives all bare rows, so that it need not be asked."""
    return is_plain(_model()._default_manager)


# Cached: each request needs it, and `get_user_model()` takes longer than the rest of manager_is_plain().
_model = cached_until_settings_change(get_user_model)


def visible_rows() -> models.QuerySet[Any]:
    """Return the bare rows of the visible users."""
    return only_visible(all_users(), "pk")


def only_visible(rows: models.QuerySet[Any], path: str) -> models.QuerySet[Any]:
    """Return the `rows` whose user is visible; the lookup `path` leads to the user."""
    visible = visible_users().all()
    return rows.filter(**{f"{path}__in": visible.values("pk")}) if has_conditions(visible) else rows


def users_as_made(rows: Iterable[Any], *, shown: bool = False) -> dict[Any, Any]:
    """
    Return the users that the project's manager makes of bare rows, by their keys. At most one query.

    A user that the manager hides is absent.

    Args:
        shown: the rows were read by `only_visible`, so a manager that has conditions alone is not asked again.
    """
    known = {key_of(row): row for row in rows}
    if not known or manager_is_plain():
        return known
    visible = visible_users().all()
    if gives_bare_rows(visible, get_user_model()) and (shown or not has_conditions(visible)):
        return known
    return {key_of(user): user for user in visible.filter(pk__in=known)}


def as_made(row: Any, *, shown: bool = False) -> Any:
    """Return the user that the project's manager makes of a bare row, or None; see `users_as_made`."""
    return row if manager_is_plain() else next(iter(users_as_made([row], shown=shown).values()), None)


# The attribute in which the holder of a user, such as a session, keeps whether the manager shows the user.
_SHOWN = "_jwt_auth_user_is_shown"


def adopt(holders: Iterable[Any], *, shown: bool = False) -> None:
    """
    Set the `user` of each of the `holders`, a bare row, to the user that the manager makes of it. At most one query.

    A hidden user stays the bare row; `has_visible_user` tells. A holder that was adopted before stays as it is.
    """
    if manager_is_plain():
        return
    holders = [holder for holder in holders if _SHOWN not in vars(holder)]
    made = users_as_made([holder.user for holder in holders], shown=shown)
    for holder in holders:
        user = made.get(key_of(holder.user))
        setattr(holder, _SHOWN, user is not None)
        if user is not None:
            holder.user = user


def has_visible_user(holder: Any, *, shown: bool = False) -> bool:
    """Return whether the manager shows the user of `holder`, which is adopted if it was not before."""
    if manager_is_plain():
        return True
    adopt([holder], shown=shown)
    return bool(getattr(holder, _SHOWN))


# Permissions


def has_permission(user: Any, name: str) -> bool:
    """Return whether `user` has a permission. AbstractBaseUser has no `has_perm`: then nobody has any permission."""
    ask = getattr(user, "has_perm", None)
    return ask is not None and bool(ask(name))


def has_permissions(user: Any, names: Iterable[str]) -> bool:
    """Return whether `user` has all of these permissions."""
    return all(has_permission(user, name) for name in names)


def permissions_of(user: Any) -> set[str]:
    """Return the permissions of `user`. A model with `has_perm` alone is asked for each that exists."""
    if hasattr(user, "get_all_permissions"):
        return set(user.get_all_permissions())
    if not hasattr(user, "has_perm"):
        return set()
    rows = apps.get_model("auth", "Permission")._default_manager.values_list("content_type__app_label", "codename")
    return {name for name in map(".".join, rows) if has_permission(user, name)}
