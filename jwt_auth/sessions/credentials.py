"""
Check credentials as Django's own sign-in does, and keep sessions when a password hash is upgraded.

The accounts whose password is checked are known before the check: their cutoffs must be as old as it, and a wrong guess
counts for them, whatever they were called. Backends may find users by other names than `find_account()` does, so each
user notes its account when a backend is about to check its password. The password of an account that has no failure
left is never compared: another one is checked instead, so that all that happens is what a wrong guess does.

A session knows the password hash of its sign-in (`auth_hash`), so that a new password ends the session. But
`AbstractBaseUser.check_password` rewrites hashes that are no longer up to date, and each release of Django
makes all existing hashes out of date: signing in on one device would sign out every other. An upgrade is
therefore announced to the sessions before the user's row is written, and settled afterwards.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, TypeVar

from django.contrib import auth
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.core.exceptions import MultipleObjectsReturned, ValidationError
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.crypto import get_random_string
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.driver_errors import is_of_text
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import InvalidCredentialsError, JWTAuthError
from jwt_auth.models import UserSession
from jwt_auth.revocation import user_rows
from jwt_auth.revocation.database import knows_password_of
from jwt_auth.revocation.events import atomic
from jwt_auth.sessions.accounts import NO_VALUE, Account, account_of, as_in_form
from jwt_auth.user_model import is_user, read_key, user_field

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Attempt:
    """
    A sign-in that is checking credentials at the moment, and so changes no password.

    Args:
        account: the account of the name's natural key, as it was before.
        is_closed: tells whether the account with a primary key has no failure left; for None, whether the name has.
        guessed: the accounts whose password was checked, as they were before, by the user's primary key.
        failure_sent: whether Django's signal `user_login_failed` was sent.
        has_compared: whether a password was compared, or handed to the backends.
    """

    account: Account | None
    is_closed: Callable[[Any], bool]
    guessed: dict[Any, Account] = field(default_factory=dict)
    failure_sent: bool = False
    has_compared: bool = False
    locked: bool = False
    upgrade_due_for: Any = None

    def known(self, pk: Any) -> Account | None:
        """Return the account with this primary key as it was before the check; None if nobody looked."""
        return self.account if self.account is not None and self.account.pk == pk else self.guessed.get(pk)

    def before(self, pk: Any) -> Account | None:
        """
        Return the account to compare with when the user `pk` signs in.

        If the user's own was not read, it is that of the login name, for the time at which it was read.
        """
        return self.known(pk) or self.account


_attempt: ContextVar[Attempt | None] = ContextVar("jwt_auth_attempt", default=None)


class UpgradeDueError(JWTAuthError):
    """Raised to abort a sign-in that is about to upgrade a hash without the lock on the user's row."""


@sensitive_variables()
def attempted(attempt: Attempt, check: Callable[[], T]) -> T | None:
    """
    Return the result of `check`, which checks the credentials of a sign-in.

    If it is about to upgrade a hash, it is called again under a lock on the user's row. Otherwise two concurrent
    sign-ins would overwrite each other's upgrade, or one of them a password that was just changed.
    """
    result = None
    with _trying(attempt), suppress(UpgradeDueError):
        result = check()
    # Checked here instead of in an `except` clause: a backend may have caught the error.
    if attempt.upgrade_due_for is not None:
        attempt.locked = True
        with atomic(), _trying(attempt):
            user_rows.lock_user(attempt.upgrade_due_for)
            result = check()
    return result


@sensitive_variables()
def authenticate(request: HttpRequest | None, name: str, password: str, *, parameter: str = "") -> Any:
    """
    Call Django's `authenticate()`, and return the user or None.

    Args:
        name: the login name as it was typed.
        parameter: the parameter of the backends that gets the name exactly as it was typed; by default it is found,
            and the name is cleaned as in Django's own form.
    """
    attempt = _attempt.get()
    if attempt is not None:
        attempt.has_compared = True
    # A backend that calls no `check_password()`, such as that of a directory, must not compare it either.
    if attempt is not None and attempt.is_closed(attempt.account and attempt.account.pk):
        password = _another_password()
    if parameter:
        return _user_of(request, {parameter: name, "password": password})
    return _user_of(request, _credentials(request, as_in_form(name), password))


def note_failure(**kwargs: Any) -> None:
    """Note in a sign-in that `user_login_failed` was sent. A receiver of that signal."""
    if (attempt := _attempt.get()) is not None:
        attempt.failure_sent = True


def before_check(user: Any) -> str | None:
    """
    Note in a sign-in that the password of `user` is about to be checked.

    Returns:
        The password to check instead, if the account has no failure left.
    """
    attempt = _attempt.get()
    if attempt is None or not is_user(user) or user._state.adding:
        return None
    pk = key_of(user)
    account = attempt.known(pk) or account_of(pk)
    if account is None:
        return None  # deleted meanwhile
    attempt.guessed[pk] = account
    attempt.has_compared = True
    return _another_password() if attempt.is_closed(pk) else None


def account_before(user: Any) -> Account | None:
    """
    Return the account to compare with when a session of `user` starts while the credentials are still checked.

    Returns:
        None if no check is running.

    Raises:
        InvalidCredentialsError: if the account has no failure left.
    """
    attempt = _attempt.get()
    if attempt is None:
        return None
    if attempt.is_closed(key_of(user)):
        raise InvalidCredentialsError("too many wrong credentials were sent before: no session is started")
    return attempt.before(key_of(user))


def has_compared() -> bool:
    """Return whether the check that is running has compared a password, of any account."""
    attempt = _attempt.get()
    return attempt is not None and attempt.has_compared


def has_compared_that_of(user: Any) -> bool:
    """Return whether the check that is running has compared the password of `user`."""
    attempt = _attempt.get()
    return attempt is not None and key_of(user) in attempt.guessed


def _another_password() -> str:
    return get_random_string(32)


@sensitive_variables()
def _credentials(request: HttpRequest | None, username: str, password: str) -> dict[str, str]:
    """
    Return the arguments for the backends.

    The name is passed as `username`, whatever USERNAME_FIELD is, as in Django's own form. If no backend has this
    parameter, it is passed under the field's name.
    """
    credentials = {"username": username, "password": password}
    if any(_accepts(backend, request, credentials) for backend in auth.get_backends()):
        return credentials
    return {get_user_model().USERNAME_FIELD: username, "password": password}


@sensitive_variables()
def _accepts(backend: Any, request: HttpRequest | None, credentials: dict[str, str]) -> bool:
    """Return whether Django's `authenticate()` calls the backend with these credentials."""
    try:
        signature(backend.authenticate).bind(request, **credentials)
    except TypeError:
        return False
    return True


@sensitive_variables()
def _user_of(request: HttpRequest | None, credentials: dict[str, str]) -> Any:
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
def _trying(attempt: Attempt) -> Iterator[None]:
    token = _attempt.set(attempt)
    try:
        yield
    finally:
        _attempt.reset(token)


def is_hash_upgrade(user: Any, old: str, update_fields: Iterable[str] | None) -> bool:
    """
    Return whether the save of `user`, whose row has the hash `old`, is Django's upgrade of the hash.

    In an upgrade, Django saves that column alone and has just reset `_password` on the instance; assigning a
    hash to the instance does not reset it. Outside our own sign-in, `old` must also have needed the upgrade.
    """
    if set(update_fields or ()) != {"password"} or vars(user).get("_password", old) is not None:
        return False
    return _is_current(user.password) is True and (_attempt.get() is not None or _is_current(old) is False)


def begin_again(user: Any) -> None:
    """Raise UpgradeDueError if a sign-in is about to save `user` without holding the lock."""
    attempt = _attempt.get()
    if attempt is not None and not attempt.locked:
        attempt.upgrade_due_for = key_of(user)
        raise UpgradeDueError("a hash upgrade is due")


def announce_upgrade(user: Any, old: str) -> None:
    """
    Add the new hash to the sessions that know the hash `old`. Call it before the user's row is written.

    Raises:
        UpgradeDueError: in a sign-in that has to start again.
    """
    try:
        begin_again(user)
    except UpgradeDueError:
        # The second check may be that of the same instance, as of `request.user`: it has to find the hash of the row.
        user.password = old
        raise
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
