"""
User objects that are built from a token's claims alone, without a query.

A `ClaimsUser` has only what the token says. It is for servers that have no users, or not those of the token's issuer.

A lazy user is an instance of the user model that knows only its key, and loads its row when more is asked of it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import router

from jwt_auth._django.lazy_rows import LazyRows, leave_with
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth._django.querysets import NoRows
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import InactivePrincipalError, InvalidClaimError, JWTAuthError, MissingUserError
from jwt_auth.jose.encoding import base64url_encode
from jwt_auth.models import UserSession
from jwt_auth.user_model import key_named, manager_is_plain, user_field, visible_users

__all__ = ["ClaimsUser"]

Refuse = Callable[[JWTAuthError], Exception]

# The attributes in which a lazy user keeps the function that makes its exceptions, and its `sub`.
_REFUSE = "_jwt_auth_refuse"
_SUB = "_jwt_auth_sub"


class ClaimsUser:
    """
    A user made of a token's claims alone: not in our tables, and without any of Django's permissions.

    `pk` stands for issuer and subject together, because the same `sub` of two issuers means two different users. It is
    a hash of 43 characters, which fit into any cache key or column.
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
        return NoRows(apps.get_model("auth", "Group"))

    @property
    def user_permissions(self) -> Any:
        return NoRows(apps.get_model("auth", "Permission"))

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
        return not list(perm_list)  # True for no permissions at all, as for any user

    def has_module_perms(self, app_label: str) -> bool:
        return False


def lazy_user(sub: str) -> Any:
    """
    Return a lazy user for `sub`, without a query: it counts as active until its row is loaded.

    Its `__class__` is the user model; see `lazy_rows`. If the manager isn't plain, it may be a child class, so reading
    `__class__` loads the row.

    The first attribute that needs the row loads it, once. That raises RevokedTokenError if the user is gone or
    inactive, and UnavailableError if the database can't be asked. If Django can't make lazy instances, the row is
    read, and the errors are raised, here.

    Raises:
        InvalidClaimError: if `sub` can't be the key of any user.
    """
    key = key_named(sub)
    if key is None:
        raise InvalidClaimError("sub", "names no user")
    user = _lazy_rows().make(key, router.db_for_write(UserSession), {"is_active": True, _SUB: sub})
    return _read(sub) if user is None else user


def refuse_with(user: Any, refuse: Refuse) -> None:
    """
    If `user` is lazy and its row can't be loaded, have it raise `refuse(error)`: DRF needs exceptions of its own.
    """
    leave_with(user, _REFUSE, refuse)


@cached_until_settings_change
def _lazy_rows() -> LazyRows:
    """Return the lazy instances of the user model."""
    model, field = get_user_model(), user_field(get_settings().USER_ID_FIELD)
    free = frozenset(("is_authenticated", "is_anonymous", "is_active"))
    return LazyRows(model, field, load=_load, free=free, has_one_class=manager_is_plain())


def _load(known: Mapping[str, Any]) -> Any:
    """Return the user for the attributes of a lazy one. One query."""
    try:
        return _read(known[_SUB])
    except JWTAuthError as error:
        raise known.get(_REFUSE, _as_it_is)(error) from error


def _read(sub: str) -> Any:
    name = get_settings().USER_ID_FIELD
    with outage_is_unavailable():
        user = visible_users().filter(**{name: sub}).first()
    if user is None or user_id_of(user) != sub:
        raise MissingUserError("the user is gone")
    if not user.is_active:
        raise InactivePrincipalError("the user is inactive")
    return user


def _as_it_is(error: JWTAuthError) -> Exception:
    return error
