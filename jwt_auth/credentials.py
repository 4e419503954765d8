"""
When a user's password hash is rewritten: is it a new password, or Django's upgrade of an old hash?

A session knows the hash of its sign-in (`auth_hash`), so that a new password ends it. But
`AbstractBaseUser.check_password` rewrites hashes that are no longer up to date, which each release of
Django makes of all of them; signing in on one device would sign out every other. An upgrade is therefore
announced to the sessions before the row is written, and settled afterwards.
"""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from typing import Any

from django.contrib import auth
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from jwt_auth.exceptions import JWTAuthError
from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff
from jwt_auth.revocation.revoke import atomic


class UpgradeDueError(JWTAuthError):
    """Raised out of a sign-in that is about to upgrade a hash without holding the user's lock."""

    def __init__(self, user_pk: Any) -> None:
        super().__init__("a hash upgrade is due")
        self.user_pk = user_pk


class Phase(Enum):
    """Where a sign-in is that checks credentials just now, and so changes no password."""

    OPEN = auto()
    LOCKED = auto()


_phase: ContextVar[Phase | None] = ContextVar("jwt_auth_phase", default=None)


def authenticate(request: HttpRequest, credentials: dict[str, Any]) -> Any:
    """
    Django's `authenticate()`; the user, or None.

    If it is about to upgrade the hash, it is begun again under a lock on the user's row. Otherwise two
    sign-ins at once would overwrite each other's upgrade, or one of them a password that was just changed.
    """
    try:
        with _in(Phase.OPEN):
            return auth.authenticate(request, **credentials)
    except UpgradeDueError as due:
        with atomic(), _in(Phase.LOCKED):
            cutoff.lock(due.user_pk)
            return auth.authenticate(request, **credentials)


@contextmanager
def _in(phase: Phase) -> Iterator[None]:
    token = _phase.set(phase)
    try:
        yield
    finally:
        _phase.reset(token)


def is_hash_upgrade(user: Any, old: str, update_fields: Iterable[str] | None) -> bool:
    """
    Whether the save of `user`, whose row has the hash `old`, is Django's upgrade of it.

    Django then saves that column alone, and has just reset `_password` on the instance; a hash that
    somebody assigned comes without. Outside of our own sign-in, `old` must have needed it as well.
    """
    if set(update_fields or ()) != {"password"} or user.__dict__.get("_password", old) is not None:
        return False
    return _phase.get() is not None or (_is_outdated(old) and not _is_outdated(user.password))


def announce_upgrade(user: Any, old: str) -> None:
    """
    Before the row is written: let the sessions that know the hash `old` know the new one too.

    Raises:
        UpgradeDueError: in a sign-in that has to begin again.
    """
    if _phase.get() is Phase.OPEN:
        raise UpgradeDueError(user.pk)
    _sessions_knowing(user, old).update(
        auth_hash=_auth_hash(user, old), upgraded_auth_hash=_auth_hash(user, user.password)
    )


def settle_upgrade(user: Any, old: str) -> None:
    """After it was written: of several upgrades at once, the last one written is the one that counts."""
    with atomic():
        cutoff.lock(user.pk)
        written = cutoff.users().filter(pk=user.pk).values_list("password", flat=True).first()
        if written is not None:
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


def _is_outdated(encoded: str) -> bool:
    try:
        hasher = identify_hasher(encoded)
    except ValueError:
        return False
    preferred = get_hasher()
    return hasher.algorithm != preferred.algorithm or preferred.must_update(encoded)
