"""
The rule for the registrars of API clients: who may hand out a key that acts as which user.

The rule is asked whenever a key is handed out or scopes are changed. Afterwards the user may be promoted, or the
registrar may lose permissions. Of these changes

    the user becomes staff, or a superuser      suspends the keys whose registrar could not have issued them for such a
                                                user: each request compares the user's row with `ClientKey.reach`
    anything else                               is named by `doubts`, for people to decide
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from jwt_auth.conf.user_keys import key_of
from jwt_auth.models import ClientKey, RegisteredClient
from jwt_auth.user_model import (
    adopt,
    as_made,
    has_permissions,
    has_visible_user,
    permissions_of,
    read_key,
    user_field,
    visible_users,
)

# The scopes that endpoints of this app require of clients. Each has the name of the permission that users need there.
OWN_SCOPES = frozenset(("introspect", "revoke_client", "revoke_user"))

# The beginning of the names of operators, who use the commands.
OPERATOR = "command line: "


class Doubt(models.TextChoices):
    """A reason to look at a key again."""

    SUSPENDED = "suspended", _("issued before the user was promoted; refused")
    GONE = "gone", _("added by a user who was deleted or is hidden")
    INACTIVE = "inactive", _("added by a user who is inactive")
    FORBIDDEN = "forbidden", _("added by a user who may not do so any more")


def may_hand_out(actor: Any, user: Any, scopes: str = "") -> bool:
    """
    Return whether `actor` may create credentials that act as `user`.

    Actors may do so for themselves, and for users with no more permissions than they have. Otherwise anyone with the
    permission to register clients could act as any user. Inactive and hidden users are refused: they have no
    permissions to compare, and may be activated or shown later.

    Args:
        scopes: the scopes of the client that gets the credentials; see `may_grant`.
    """
    if (known := _known_without_the_user(actor, key_of(user), scopes)) is not None:
        return known
    return _outranks(actor, as_made(user))


def may_add_keys(actor: Any, client: RegisteredClient) -> bool:
    """Return whether `actor` may create credentials of `client`, as `may_hand_out` does, for a client with its user."""
    if (known := _known_without_the_user(actor, client.user_id, client.scopes)) is not None:
        return known
    return _outranks(actor, client.user if has_visible_user(client) else None)


def _known_without_the_user(actor: Any, user_pk: Any, scopes: str) -> bool | None:
    if getattr(actor, "is_superuser", False):
        return True
    if not may_grant(actor, scopes):
        return False
    return True if key_of(actor) == user_pk else None


def _outranks(actor: Any, user: Any) -> bool:
    """Return whether `user`, None if hidden, has no more permissions than `actor`."""
    if user is None or getattr(user, "is_superuser", False) or not user.is_active:
        return False
    if getattr(user, "is_staff", False) and not getattr(actor, "is_staff", False):
        return False  # not a permission, but views and the admin check it
    return has_permissions(actor, permissions_of(user))


def may_grant(actor: Any, scopes: str) -> bool:
    """Return whether `actor` has the permissions for all that `scopes` allow a client at endpoints of this app."""
    return has_permissions(actor, (f"jwt_auth.{scope}" for scope in OWN_SCOPES.intersection(scopes.split())))


def reach_of(actor: AbstractBaseUser | str | None, user_pk: Any) -> str:
    """Return the reach of a key that `actor` issues for the user with this primary key; see `ClientKey`."""
    # A name stands for a program or an operator, to whom no rule applies.
    if not isinstance(actor, AbstractBaseUser) or getattr(actor, "is_superuser", False) or key_of(actor) == user_pk:
        return ClientKey.Reach.ANYONE
    return ClientKey.Reach.STAFF if getattr(actor, "is_staff", False) else ClientKey.Reach.ORDINARY


def reaches(key: ClientKey, user: Any) -> bool:
    """Return whether `key` acts as `user`, with the rank that the user has now."""
    if key.reach == ClientKey.Reach.ANYONE:
        return True
    if getattr(user, "is_superuser", False):
        return False
    return key.reach == ClientKey.Reach.STAFF or not getattr(user, "is_staff", False)


def doubts(keys: Collection[ClientKey]) -> dict[int, Doubt]:
    """
    Return the doubts about usable keys, by the key's primary key. The keys were read with their clients and users.

    One query for the registrars, one for the users unless their manager is plain, and those of their permissions:
    Django asks once for each.
    """
    registrars = find(key.created_by for key in keys)
    adopt(key.client for key in keys)
    judged: dict[tuple[str, Any, str], Doubt | None] = {}
    found = {}
    for key in keys:
        case = (key.created_by, key.client.user_id, key.client.scopes)
        if not reaches(key, key.client.user):
            found[key.pk] = Doubt.SUSPENDED
            continue
        if case not in judged:
            judged[case] = _doubt_about(registrars.get(key.created_by), key)
        if (doubt := judged[case]) is not None:
            found[key.pk] = doubt
    return found


def find(texts: Iterable[str]) -> dict[str, Any]:
    """Return the users that some `created_by` name, by the text, without those who are hidden. At most one query."""
    names = {_parse(text) for text in texts} - {None}
    if not names:
        return {}
    return {str(key_of(user)): user for user in visible_users().filter(pk__in=names)}


def _doubt_about(registrar: Any, key: ClientKey) -> Doubt | None:
    if registrar is None:
        return None if _parse(key.created_by) is None else Doubt.GONE
    if not registrar.is_active:
        return Doubt.INACTIVE
    if not may_add_keys(registrar, key.client):
        return Doubt.FORBIDDEN
    return None


def _parse(created_by: str) -> Any:
    """Return the primary key of the user that `created_by` names; None if it names a program or an operator."""
    if not created_by or created_by.startswith(OPERATOR):
        return None
    return read_key(user_field("pk"), created_by)
