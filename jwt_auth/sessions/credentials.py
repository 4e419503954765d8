"""
Check credentials as Django's own sign-in does, and keep sessions when a password hash is upgraded.

Each account must be known before its password is checked: its cutoff must be read before the check, and a wrong guess
counts for it, whatever name was typed. Django's ModelBackend checks the account that `find_account()` finds. Other
backends may find users by other names, so the users that they load during a sign-in note their account when
`check_password()` is called.

A session knows the password hash of its sign-in (`auth_hash`), so that a new password ends the session. But
`AbstractBaseUser.check_password` rewrites hashes that are no longer up to date, and each release of Django
makes all existing hashes out of date: signing in on one device would sign out every other. An upgrade is
therefore announced to the sessions before the user's row is written, and settled afterwards.
"""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from inspect import signature
from typing import Any

from django.apps import apps
from django.contrib import auth
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.core.exceptions import MultipleObjectsReturned, ValidationError
from django.db import DatabaseError
from django.db.models import Model, QuerySet
from django.db.models.signals import post_init
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.driver_errors import is_of_text
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import JWTAuthError
from jwt_auth.models import UserSession
from jwt_auth.revocation import user_rows
from jwt_auth.revocation.database import knows_password_of
from jwt_auth.revocation.events import atomic
from jwt_auth.sessions.accounts import NO_VALUE, Account, account_of, as_in_form
from jwt_auth.user_model import read_key, user_field


@dataclass(slots=True)
class _SignIn:
    """
    A sign-in that is checking credentials at the moment, and so changes no password.

    Args:
        known: the accounts whose password is checked, by the user's primary key.
    """

    known: dict[Any, Account]
    locked: bool = False
    upgrade_due_for: Any = None


_sign_in: ContextVar[_SignIn | None] = ContextVar("jwt_auth_sign_in", default=None)


class UpgradeDueError(JWTAuthError):
    """Raised to abort a sign-in that is about to upgrade a hash without the lock on the user's row."""


@sensitive_variables()
def authenticate(request: HttpRequest, name: str, password: str, known: dict[Any, Account]) -> Any:
    """
    Call Django's `authenticate()`, and return the user or None.

    If the sign-in is about to upgrade the hash, it starts again under a lock on the user's row. Otherwise two
    concurrent sign-ins would overwrite each other's upgrade, or one of them a password that was just changed.

    Args:
        name: the login name as it was typed.
        known: the accounts that the name is known to lead to, by the user's primary key. Those whose password a backend
            checks are added before the check.
    """
    credentials = _credentials(request, as_in_form(name), password)
    with _signing_in(_SignIn(known)) as sign_in:
        user = None
        with suppress(UpgradeDueError):
            user = _user_of(request, credentials)
    # Checked here instead of in an `except` clause: a backend may have caught the error.
    if sign_in.upgrade_due_for is not None:
        with atomic(), _signing_in(_SignIn(known, locked=True)):
            user_rows.lock_user(sign_in.upgrade_due_for)
            user = auth.authenticate(request, **credentials)
    getattr(user, "__dict__", {}).pop("check_password", None)  # see `_prepare`
    return user


@sensitive_variables()
def _credentials(request: HttpRequest, username: str, password: str) -> dict[str, str]:
    """
    Return the arguments for the backends, and watch the users that they load.

    The name is passed as `username`, whatever USERNAME_FIELD is, as in Django's own form. If no backend has this
    parameter, it is passed under the field's name.
    """
    credentials = {"username": username, "password": password}
    backends = _accepting(request, credentials)
    if not backends:
        credentials = {get_user_model().USERNAME_FIELD: username, "password": password}
        backends = _accepting(request, credentials)
    from django.contrib.auth.backends import ModelBackend  # here, because its module needs the user model

    if any(type(backend).authenticate is not ModelBackend.authenticate for backend in backends):
        _note_checks(get_user_model())
    return credentials


@sensitive_variables()
def _accepting(request: HttpRequest, credentials: dict[str, str]) -> list[Any]:
    """Return the backends that Django's `authenticate()` calls with these credentials."""
    accepting = []
    for backend in auth.get_backends():
        with suppress(TypeError):
            signature(backend.authenticate).bind(request, **credentials)
            accepting.append(backend)
    return accepting


@sensitive_variables()
def _user_of(request: HttpRequest, credentials: dict[str, str]) -> Any:
    """
    Return the user that Django's `authenticate()` returns; None also for errors that mean that nobody has the name.

    A ValidationError of a backend is a refusal, which Django's own form shows.
    """
    try:
        return auth.authenticate(request, **credentials)
    except MultipleObjectsReturned:
        get_user_model()().set_password(credentials["password"])  # takes the time of a check, as for an unknown name
    except ValidationError:
        pass
    except DatabaseError as error:
        if not is_of_text(error) and not (isinstance(error, NO_VALUE) and _is_no_value(credentials)):
            raise
    except NO_VALUE:
        if not _is_no_value(credentials):
            raise
    return None


def _is_no_value(credentials: dict[str, str]) -> bool:
    """Return whether the name is no value of USERNAME_FIELD, so that ModelBackend can't look it up."""
    return read_key(user_field(get_user_model().USERNAME_FIELD), next(iter(credentials.values()))) is None


@contextmanager
def _signing_in(sign_in: _SignIn) -> Iterator[_SignIn]:
    token = _sign_in.set(sign_in)
    try:
        yield sign_in
    finally:
        _sign_in.reset(token)


@cache
def _note_checks(user_model: type[Model]) -> None:
    """
    From now on, have the users that are loaded in a sign-in note their account when their password is checked.

    Called when a sign-in first meets a backend other than ModelBackend, because from then on each user that the project
    loads costs a microsecond more.
    """
    for model in apps.get_models(include_auto_created=True):
        if issubclass(model, user_model):  # proxies and children send signals of their own
            post_init.connect(_prepare, sender=model, dispatch_uid="jwt_auth.note_checks")


def _prepare(instance: Any, **kwargs: Any) -> None:
    if _sign_in.get() is not None:
        # In the instance, so that nothing changes for users that are loaded elsewhere.
        vars(instance)["check_password"] = partial(_note_and_check, instance)


@sensitive_variables()
def _note_and_check(user: Any, *args: Any, **kwargs: Any) -> Any:
    sign_in = _sign_in.get()
    if sign_in is not None and not user._state.adding and key_of(user) not in sign_in.known:
        account = account_of(key_of(user))
        if account is not None:
            sign_in.known[key_of(user)] = account
    return type(user).check_password(user, *args, **kwargs)


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
