"""
Whom a token speaks for, before anything was read from the database.

A `ClaimsUser` is what the token says, for servers that keep no users, or not those of its issuer.

A lazy user is an instance of a subclass of the user model that knows its key alone. What needs only the
key (comparing, hashing, filters, foreign keys) costs no query. Any other attribute first loads the row,
and from then on the instance is an ordinary user of the model itself: its methods, its signals and its
pickles are those of any other.
"""

import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models.base import ModelState

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import InvalidClaimError, JWTAuthError, RevokedTokenError
from jwt_auth.jose.encoding import base64url_encode
from jwt_auth.models import UserSession, user_id_of

__all__ = ["ClaimsUser"]

Refuse = Callable[[JWTAuthError], Exception]

# What Django and DRF ask of a user that is only compared, filtered by, or assigned. Nothing in it reads a
# column but the key's.
_FREE = frozenset(
    (
        *("__class__", "__dict__", "_meta", "_state", "_is_pk_set", "_get_pk_val", "prepare_database_save"),
        *("is_authenticated", "is_anonymous", "is_active"),
    )
)

# Where a lazy user keeps how a refusal is raised, and the `sub` that it stands for.
_REFUSE = "_jwt_auth_refuse"
_SUB = "_jwt_auth_sub"


class _NoRows(models.QuerySet[Any]):
    """Nothing, without asking: `none()` still needs a database that could have been asked."""

    def _fetch_all(self) -> None:
        self._result_cache: list[Any] = []

    def exists(self) -> bool:
        return False

    def count(self) -> int:
        return 0


class ClaimsUser:
    """
    Whom a token speaks for, by what it says alone: nobody in our tables, and without any permission there.

    `pk` is a text that names issuer and subject together, in 43 characters that any cache or column takes:
    the `sub` of one issuer is somebody else than the same `sub` of another.
    """

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self.iss, self.sub = claims.iss, claims.sub

    @property
    def pk(self) -> str:
        return base64url_encode(sha256(json.dumps([self.iss, self.sub]).encode()).digest())

    id = pk

    @property
    def username(self) -> str:
        return self.sub

    @property
    def groups(self) -> Any:
        return _NoRows(apps.get_model("auth", "Group"))

    @property
    def user_permissions(self) -> Any:
        return _NoRows(apps.get_model("auth", "Permission"))

    def get_username(self) -> str:
        return self.sub

    def __str__(self) -> str:
        return self.sub

    def __repr__(self) -> str:
        return f"<ClaimsUser {self.sub!r} of {self.iss!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClaimsUser) and (self.iss, self.sub) == (other.iss, other.sub)

    def __hash__(self) -> int:
        return hash((self.iss, self.sub))

    def get_user_permissions(self, obj: object = None) -> set[str]:
        return set()

    get_group_permissions = get_all_permissions = get_user_permissions

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return False

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return not list(perm_list)  # as for any user: of no permission none is missing

    def has_module_perms(self, app_label: str) -> bool:
        return False


def user_field(name: str) -> Any:
    """The user model's field of this name, which may be "pk"; raise FieldDoesNotExist."""
    meta = get_user_model()._meta
    return meta.pk if name == "pk" else meta.get_field(name)


def visible_users() -> models.QuerySet[Any]:
    """
    The users whom the project's own manager shows, in the database of the sessions.

    Whom it hides (soft deletion) can't sign in, and must not stay either.
    """
    return get_user_model()._default_manager.using(router.db_for_write(UserSession))


def users_are_all_visible() -> bool:
    """
    Whether the project's manager is one that can't hide anybody.

    One with a `get_queryset` of its own may ask for the time or a tenant, so its SQL is not known in advance.
    """
    manager: Any = get_user_model()._default_manager.get_queryset
    return getattr(manager, "__func__", None) is models.manager.BaseManager.get_queryset


def lazy_user(sub: str) -> Any:
    """
    The active user whom `sub` names, without a query.

    The first attribute that needs the row loads it, once. It raises RevokedTokenError when the user turns
    out to be gone or inactive, and UnavailableError when the database can't be asked.

    Raises:
        InvalidClaimError: when `sub` can't be the key of any user.
    """
    model, field, names = _lazy_model()
    key = parse_key(field, sub)
    user = model.__new__(model)
    known = user.__dict__
    known["_state"] = state = ModelState()
    state.adding, state.db = False, router.db_for_write(UserSession)
    for name in names:
        known[name] = key
    known["is_active"] = True
    known[_SUB] = sub
    return user


def refuse_with(user: Any, refuse: Refuse) -> None:
    """Have `user`, if it is lazy, raise what `refuse` makes of an error: each door has its own answers."""
    if type(user) is _lazy_model()[0]:
        vars(user)[_REFUSE] = refuse


def parse_key(field: Any, sub: str) -> Any:
    """What `sub` is as a value of `field`, a field of the user model; raise InvalidClaimError."""
    try:
        key = field.to_python(sub)
    except (ValidationError, ValueError):
        key = None
    # To the letter: " 1", "01" and "1.0" are nobody.
    if key is None or str(key) != sub:
        raise InvalidClaimError("sub", "names no user")
    return key


def _load(user: Any) -> None:
    """Make an ordinary user of a lazy one. One query."""
    known = object.__getattribute__(user, "__dict__")
    if _SUB not in known:
        return  # another thread was faster
    refuse = known.get(_REFUSE, _as_it_is)
    try:
        fresh = _read(known[_SUB])
    except JWTAuthError as error:
        raise refuse(error) from error
    # What already points to this user, by a one-to-one relation, is not forgotten.
    fresh._state.fields_cache.update(known["_state"].fields_cache)
    object.__setattr__(user, "__class__", type(fresh))
    user.__dict__ = vars(fresh)


def _read(sub: str) -> Any:
    name = get_settings().USER_ID_FIELD
    with outage_is_unavailable():
        try:
            user = visible_users().filter(**{name: sub}).first()
        except OverflowError:  # too large for SQLite, which Django sees of keys that aren't inherited
            user = None
    if user is None or user_id_of(user) != sub:
        raise RevokedTokenError("the user is gone")
    if not user.is_active:
        raise RevokedTokenError("the user is inactive")
    return user


def _as_it_is(error: JWTAuthError) -> Exception:
    return error


@cached_until_settings_change
def _lazy_model() -> tuple[Any, Any, tuple[str, ...]]:
    """The class of lazy users, the field that `sub` holds, and the attributes that it is the value of."""
    model, field = get_user_model(), user_field(get_settings().USER_ID_FIELD)
    names = tuple(_attributes(field))
    # The ORM asks everything whether it is an expression.
    expression = {name for name in dir(models.Expression) if not hasattr(model, name)}
    free = _FREE.union(names, expression, ["pk"] if field.primary_key else [])
    return _subclass(model, free), field, names


def _attributes(field: Any) -> list[str]:
    """The attribute of `field`, and of the parents' keys if the model inherits from another's table."""
    parent = field.remote_field and getattr(field.remote_field, "parent_link", False)
    return [field.attname, *(_attributes(field.target_field) if parent else [])]


def _subclass(model: Any, free: frozenset[str]) -> Any:
    def read(self: Any, name: str) -> Any:
        if name in free:
            return object.__getattribute__(self, name)
        _load(self)
        return getattr(self, name)

    def write(self: Any, name: str, value: Any) -> None:
        _load(self)
        setattr(self, name, value)

    def remove(self: Any, name: str) -> None:
        _load(self)
        delattr(self, name)

    # Around the metaclass, which would make another model of it, with a place in the registry and in
    # migrations. This one shares everything with the model, `_meta` too.
    return type.__new__(
        type(model),
        model.__name__,
        (model,),
        {
            "__module__": model.__module__,
            "__qualname__": model.__qualname__,
            "__doc__": model.__doc__,
            "__getattribute__": read,
            "__setattr__": write,
            "__delattr__": remove,
        },
    )
