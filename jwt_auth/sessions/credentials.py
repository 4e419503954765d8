"""
Names, passwords and their hashes: whose a name is, and what it means when a hash is rewritten.

A session knows the hash of its sign-in (`auth_hash`), so that a new password ends it. But
`AbstractBaseUser.check_password` rewrites hashes that are no longer up to date, which each release of
Django makes of all of them; signing in on one device would sign out every other. An upgrade is therefore
announced to the sessions before the row is written, and settled afterwards.
"""

import copy
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import auth
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from jwt_auth.exceptions import JWTAuthError
from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff
from jwt_auth.revocation.database import global_cutoff
from jwt_auth.revocation.operations import atomic
from jwt_auth.revocation.verdict import latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose name it is, as it is written there, and what the cutoff was before the credentials are checked."""

    pk: Any
    name: str
    cutoff: datetime | None


def find_account(name: str) -> Account | None:
    """
    The account that signs in as `name`, as the database compares names; None if there is none. One query.
    """
    username = clean_name(name)
    if username is None:
        return None
    field = get_user_model().USERNAME_FIELD
    rows = cutoff.users().filter(**{field: username}).annotate(jwt_global_cutoff=global_cutoff())
    found = rows.values_list("pk", field, cutoff.path_from(), "jwt_global_cutoff").first()
    return found and Account(pk=found[0], name=str(found[1]), cutoff=latest(found[2:]))


def clean_name(name: str) -> Any:
    """`name` as Django's sign-in form cleans it (UsernameField); None when it can't be anybody's."""
    field: Any = get_user_model()._meta.get_field(get_user_model().USERNAME_FIELD)
    normalized = unicodedata.normalize("NFKC", name.strip())
    if not normalized.isprintable():
        return None
    try:
        return field.to_python(normalized)
    except ValidationError:
        return None


@dataclass(slots=True)
class _SignIn:
    """A sign-in that checks credentials just now, and so changes no password."""

    locked: bool
    upgrade_due_for: Any = None


_sign_in: ContextVar[_SignIn | None] = ContextVar("jwt_auth_sign_in", default=None)


class UpgradeDueError(JWTAuthError):
    """Raised out of a sign-in that is about to upgrade a hash without holding the user's lock."""


@sensitive_variables("credentials")
def authenticate(request: HttpRequest, credentials: dict[str, Any]) -> Any:
    """
    Django's `authenticate()`; the user, or None.

    If it is about to upgrade the hash, it is begun again under a lock on the user's row. Otherwise two
    sign-ins at once would overwrite each other's upgrade, or one of them a password that was just changed.
    """
    with _signing_in(locked=False) as sign_in:
        user = None
        with suppress(UpgradeDueError):
            user = auth.authenticate(request, **credentials)
    # Asked of the note and not of the error, which a backend may have caught.
    if sign_in.upgrade_due_for is None:
        return user
    with atomic(), _signing_in(locked=True):
        cutoff.lock(sign_in.upgrade_due_for)
        return auth.authenticate(request, **credentials)


@contextmanager
def _signing_in(*, locked: bool) -> Iterator[_SignIn]:
    sign_in = _SignIn(locked)
    token = _sign_in.set(sign_in)
    try:
        yield sign_in
    finally:
        _sign_in.reset(token)


def is_hash_upgrade(user: Any, old: str, update_fields: Iterable[str] | None) -> bool:
    """
    Whether the save of `user`, whose row has the hash `old`, is Django's upgrade of it.

    Django then saves that column alone, and has just reset `_password` on the instance; a hash that
    somebody assigned comes without. Outside of our own sign-in, `old` must have needed it as well.
    """
    if set(update_fields or ()) != {"password"} or vars(user).get("_password", old) is not None:
        return False
    return _is_current(user.password) is True and (_sign_in.get() is not None or _is_current(old) is False)


def begin_again(user: Any) -> None:
    """Raise UpgradeDueError in a sign-in that is about to save `user`, and doesn't hold the lock."""
    sign_in = _sign_in.get()
    if sign_in is not None and not sign_in.locked:
        sign_in.upgrade_due_for = user.pk
        raise UpgradeDueError("a hash upgrade is due")


def announce_upgrade(user: Any, old: str) -> None:
    """
    Before the row is written: let the sessions that know the hash `old` know the new one too.

    Raises:
        UpgradeDueError: in a sign-in that has to begin again.
    """
    begin_again(user)
    _sessions_knowing(user, old).update(
        auth_hash=_auth_hash(user, old), upgraded_auth_hash=_auth_hash(user, user.password)
    )


def settle_upgrade(user: Any, old: str) -> None:
    """After it was written: of several upgrades at once, the last one written is the one that counts."""
    with atomic():
        cutoff.lock(user.pk)
        written = cutoff.users().filter(pk=user.pk).values_list("password", flat=True).first() or user.password
        rows = _sessions_knowing(user, old) | _sessions_knowing(user, user.password)
        rows.update(upgraded_auth_hash=_auth_hash(user, written))


def _sessions_knowing(user: Any, password: str) -> QuerySet[UserSession]:
    holder = _with_password(user, password)
    known = [holder.get_session_auth_hash(), *holder.get_session_auth_fallback_hash()]
    return UserSession.objects.filter(Q(auth_hash__in=known) | Q(upgraded_auth_hash__in=known), user_id=user.pk)


def _auth_hash(user: Any, password: str) -> str:
    return _with_password(user, password).get_session_auth_hash()  # type: ignore[no-any-return]


def _with_password(user: Any, password: str) -> Any:
    holder = copy.copy(user)
    holder.password = password
    return holder


def _is_current(encoded: str) -> bool | None:
    """Whether Django would leave this hash as it is; None when it is no hash, as of an unusable password."""
    try:
        hasher = identify_hasher(encoded)
    except ValueError:
        return None
    preferred = get_hasher()
    return hasher.algorithm == preferred.algorithm and not preferred.must_update(encoded)
