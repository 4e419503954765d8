"""
Login names and password hashes: find the account of a name, and keep sessions when a hash is upgraded.

A session knows the password hash of its sign-in (`auth_hash`), so that a new password ends the session. But
`AbstractBaseUser.check_password` rewrites hashes that are no longer up to date, and each release of Django
makes all existing hashes out of date: signing in on one device would sign out every other. An upgrade is
therefore announced to the sessions before the user's row is written, and settled afterwards.
"""

import copy
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import auth
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.driver_errors import is_of_text
from jwt_auth.exceptions import JWTAuthError
from jwt_auth.models import UserSession, key_of
from jwt_auth.revocation import cutoff, user_rows
from jwt_auth.revocation.database import global_cutoff, knows_password_of
from jwt_auth.revocation.events import atomic
from jwt_auth.revocation.verdict import latest

# The most characters of a login name. The length is checked first, because normalizing a name takes time in proportion
# to the square of its length.
MAX_NAME = 512

# Unicode's categories of control characters and of characters without a form of their own.
_INVISIBLE = frozenset(("Cc", "Cf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    The account of a login name, as it was before the credentials are checked.

    Args:
        pk: the user's primary key.
        name: the login name as the user's row has it.
        cutoff: the user's or the global cutoff, whichever is later.
    """

    pk: Any
    name: str
    cutoff: datetime | None

    def is_spelled(self, name: str) -> bool:
        """
        Return whether `name` is a spelling of the account's name, and not only equal to it for the database.

        Collations consider more spellings equal than the throttles do (in some, all emoji are one letter). If such a
        spelling signed the user in, a guesser would have a budget for each of them.
        """
        return fold_name(self.name) == fold_name(name)


def find_account(name: str) -> Account | None:
    """
    Return the account that signs in as `name`, as the database compares names; None if there is none. One query.
    """
    username = clean_username(name)
    if username is None:
        return None
    field = get_user_model().USERNAME_FIELD
    rows = user_rows.users().filter(**{field: username}).annotate(jwt_global_cutoff=global_cutoff())
    found = _of_somebody(rows.values_list("pk", field, cutoff.path_from(), "jwt_global_cutoff").first)
    return found and Account(pk=found[0], name=str(found[1]), cutoff=latest(found[2:]))


def _of_somebody(find: Callable[[], Any]) -> Any:
    """
    Return what `find` does; None if the database can't store the characters of the name, so that no user can have it.

    The tables of an old database may have a narrower encoding than the name.
    """
    try:
        return find()
    except DatabaseError as error:
        if not is_of_text(error):
            raise
        return None


def fold_name(name: str) -> str:
    """
    Return the form of a login name that all its spellings share: without case, accents, compatibility forms, invisible
    characters and outer spaces.

    It depends on the name alone. The database's own comparison would tell, by the throttles, whether the user exists.
    """
    return _plain_letters(_plain_letters(name).casefold()).strip()


def _plain_letters(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(
        letter
        for letter in decomposed
        if not unicodedata.combining(letter) and unicodedata.category(letter) not in _INVISIBLE
    )


def clean_username(name: str) -> Any:
    """Return `name` as Django's sign-in form cleans it (UsernameField); None if no user can have that name."""
    if len(name) > MAX_NAME:
        return None
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
    """A sign-in that is checking credentials at the moment, and so changes no password."""

    locked: bool
    upgrade_due_for: Any = None


_sign_in: ContextVar[_SignIn | None] = ContextVar("jwt_auth_sign_in", default=None)


class UpgradeDueError(JWTAuthError):
    """Raised to abort a sign-in that is about to upgrade a hash without the lock on the user's row."""


@sensitive_variables("credentials")
def authenticate(request: HttpRequest, credentials: dict[str, Any]) -> Any:
    """
    Call Django's `authenticate()`, and return the user or None.

    If the sign-in is about to upgrade the hash, it starts again under a lock on the user's row. Otherwise two
    concurrent sign-ins would overwrite each other's upgrade, or one of them a password that was just changed.
    """
    with _signing_in(locked=False) as sign_in:
        user = None
        with suppress(UpgradeDueError):
            user = _of_somebody(partial(auth.authenticate, request, **credentials))
    # Checked here instead of in an `except` clause: a backend may have caught the error.
    if sign_in.upgrade_due_for is None:
        return user
    with atomic(), _signing_in(locked=True):
        user_rows.lock_user(sign_in.upgrade_due_for)
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
    Return whether the save of `user`, whose row has the hash `old`, is Django's upgrade of the hash.

    In an upgrade, Django saves that column alone and has just reset `_password` on the instance; assigning a
    hash to the instance does not reset it. Outside our own sign-in, `old` must also have needed the upgrade.
    """
    if set(update_fields or ()) != {"password"} or vars(user).get("_password", old) is not None:
        return False
    return _is_current(user.password) is True and (_sign_in.get() is not None or _is_current(old) is False)


def begin_again(user: Any) -> None:
    """Raise UpgradeDueError if a sign-in is about to save `user` without holding the lock."""
    sign_in = _sign_in.get()
    if sign_in is not None and not sign_in.locked:
        sign_in.upgrade_due_for = key_of(user)
        raise UpgradeDueError("a hash upgrade is due")


def announce_upgrade(user: Any, old: str) -> None:
    """
    Add the new hash to the sessions that know the hash `old`. Call it before the user's row is written.

    Raises:
        UpgradeDueError: in a sign-in that has to start again.
    """
    begin_again(user)
    _sessions_knowing(user, old).update(
        auth_hash=_auth_hash(user, old), upgraded_auth_hash=_auth_hash(user, user.password)
    )


def settle_upgrade(user: Any, old: str) -> None:
    """
    Give the sessions the hash of this upgrade, if the user's row has it. Call it after the row is written.

    If several upgrades run at once, the last one written finds its own hash. The sessions never get another hash: it
    may be that of another password, which somebody wrote without `save()`.
    """
    with atomic():
        user_rows.lock_user(key_of(user))
        # A locking read, because an older snapshot of an outer transaction could miss the last hash.
        row = user_rows.users().filter(pk=key_of(user)).select_for_update()
        if row.values_list("password", flat=True).first() == user.password:
            rows = _sessions_knowing(user, old) | _sessions_knowing(user, user.password)
            rows.update(upgraded_auth_hash=_auth_hash(user, user.password))


def _sessions_knowing(user: Any, password: str) -> QuerySet[UserSession]:
    known = knows_password_of(_with_password(user, password))
    return UserSession.objects.filter(known, user_id=key_of(user), revoked_at=None)


def _auth_hash(user: Any, password: str) -> str:
    return _with_password(user, password).get_session_auth_hash()  # type: ignore[no-any-return]


def _with_password(user: Any, password: str) -> Any:
    holder = copy.copy(user)
    holder.password = password
    return holder


def _is_current(encoded: str) -> bool | None:
    """Return whether Django would keep this hash; None if it is not a hash, as for an unusable password."""
    try:
        hasher = identify_hasher(encoded)
    except ValueError:
        return None
    preferred = get_hasher()
    return hasher.algorithm == preferred.algorithm and not preferred.must_update(encoded)
