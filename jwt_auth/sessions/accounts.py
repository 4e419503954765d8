"""
The account of a login name, found as Django's own sign-in finds it.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from inspect import signature
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import BaseUserManager
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist, ValidationError
from django.db import DatabaseError, DataError
from django.db.models import Exists, Q, QuerySet, Subquery

from jwt_auth._django.driver_errors import is_of_text
from jwt_auth.base_models import DatabaseNow
from jwt_auth.conf.user_keys import key_of, user_id_of
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation import cutoff, user_rows
from jwt_auth.revocation.verdict import latest
from jwt_auth.user_model import visible_users

# The most characters of a login name, unless the user model's column holds more. The length is checked first, because
# normalizing a name takes time in proportion to the square of its length.
_MAX_NAME = 512

# The longest name that Django's own sign-in form normalizes if the column has no limit.
_MAX_NORMALIZED = 254

# Unicode's categories of control characters and of invisible characters.
_INVISIBLE = frozenset(("Cc", "Cf"))

# The errors of a field for a text that can't be one of its values.
NO_VALUE = (ValidationError, ValueError, ArithmeticError, DataError)


# The name of the annotation that `revoked_since` returns.
REVOKED_SINCE = "jwt_revoked_since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    An account, as it was before the credentials are checked.

    Args:
        pk: the user's primary key; None if the user is not known yet.
        cutoff: the user's or the global cutoff, whichever is later.
        read_at: when it was read, by the database's clock.
    """

    pk: Any
    cutoff: datetime | None
    read_at: datetime | None = None


def find_account(name: str) -> Account | None:
    """
    Return the account that signs in as `name`; None if there is none.

    The user model's default manager decides by its `get_by_natural_key()`, as it does for Django's ModelBackend. One
    query; two if the project has a `get_by_natural_key()` of its own.
    """
    account = account_by_name(name)
    return None if account.pk is None else account


def account_by_name(name: str) -> Account:
    """
    Return the account that signs in as `name`; if there is none, the one that `any_account()` returns.

    The view may find its user by a field other than the natural key, and then needs `read_at`. The number of queries is
    the same with and without a user of this name: otherwise the duration of an answer would reveal who exists.
    """
    account: Account | None = _of_somebody(partial(_find, as_in_form(name)))
    return account or any_account()


def any_account() -> Account:
    """
    Return the account to compare with in a sign-in whose user is not known yet, as with a passkey. One query.

    `sessions.start()` then refuses a user who was revoked since.
    """
    # The time is read with a user's row. Without users nobody can sign in, and there is nothing to compare.
    found = user_rows.users().order_by().annotate(jwt_read_at=DatabaseNow()).values_list("jwt_read_at").first()
    return Account(pk=None, cutoff=None, read_at=found and found[0])


def revoked_since(account: Account | None, user: Any) -> dict[str, Exists]:
    """
    Return the annotation REVOKED_SINCE of a user's row: whether `user`, or everybody, was revoked since `account`.

    It is empty if that is not known, or if the account is the user's own, so that its cutoff can be compared.
    """
    if account is None or account.read_at is None or account.pk == key_of(user):
        return {}
    return {REVOKED_SINCE: Exists(_revocations_since(account, user))}


def was_revoked_since(account: Account, user: Any) -> bool:
    """Return whether `user`, or everybody, was revoked since `account` was read. One query."""
    facts = revoked_since(account, user)
    rows = user_rows.users().filter(pk=key_of(user)).annotate(**facts)
    return bool(facts) and rows.filter(**{REVOKED_SINCE: True}).exists()


def reasons_since(account: Account, user: Any) -> list[str]:
    """Return the reasons of the revocations of `user`, or of everybody, since `account` was read. One query."""
    return list(_revocations_since(account, user).values_list("reason", flat=True))


def _revocations_since(account: Account, user: Any) -> QuerySet[RevocationEvent]:
    scope = RevocationEvent.Scope
    about = Q(scope=scope.USER, subject=user_id_of(user)) | Q(scope=scope.ALL)
    return RevocationEvent.objects.filter(about, recorded_at__gte=account.read_at)


def account_of(pk: Any) -> Account | None:
    """Return the account with this primary key; None if there is none. One query."""
    return _single(user_rows.users().filter(pk=pk))


def users_by_name(name: str) -> list[Any]:
    """
    Return the user who signs in as `name`, and the user whose name is stored exactly so: mostly one, or none.

    A name that was stored without Django's normalization signs nobody in, but its user can be revoked.
    """
    names = dict.fromkeys((as_in_form(name), name))
    found = (_of_somebody(partial(_by_natural_key, each)) for each in names)
    return list({key_of(user): user for user in found if user is not None}.values())


def read_name(value: object) -> str | None:
    """
    Return the login name in a request's body, without outer white space; None if it is no text, or too long.

    All who read a name ask this function: what one of them accepts, and another does not, would escape the throttles.
    """
    name = value.strip() if isinstance(value, str) else None
    return name if name is not None and len(name) <= longest_name() else None


def longest_name() -> int:
    """Return the number of characters that a login name may have."""
    return max(_MAX_NAME, _column_length() or 0)


def as_in_form(name: str) -> str:
    """
    Return `name` as the field of Django's own sign-in form cleans it.

    A name that is longer than the column is not normalized there either.
    """
    # Imported here, because it needs the user model.
    from django.contrib.auth.forms import UsernameField

    cleaned: Any = UsernameField(max_length=_column_length() or _MAX_NORMALIZED).to_python(name)
    return str(cleaned)


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


def _column_length() -> int | None:
    field: Any = get_user_model()._meta.get_field(get_user_model().USERNAME_FIELD)
    length: int | None = field.max_length
    return length


def _find(name: str) -> Account | None:
    if _has_own_natural_key():
        user = _by_natural_key(name)
        return None if user is None else account_of(key_of(user))
    return _find_beside_any(visible_users().filter(**{get_user_model().USERNAME_FIELD: name}))


def _has_own_natural_key() -> bool:
    method = getattr(type(get_user_model()._default_manager), "get_by_natural_key", None)
    return _has_natural_key() and method is not BaseUserManager.get_by_natural_key


def _has_natural_key() -> bool:
    """Return whether a name alone is a natural key. It may have more parts, such as the tenant."""
    try:
        signature(get_user_model()._default_manager.get_by_natural_key).bind("name")
    except (AttributeError, TypeError):
        return False
    return True


def _by_natural_key(name: str) -> Any:
    # On the primary database, so that a user can be revoked before a replica has the row.
    manager: Any = get_user_model()._default_manager.db_manager(visible_users().db)
    if not _has_natural_key():
        return manager.get(**{get_user_model().USERNAME_FIELD: name})
    return manager.get_by_natural_key(name)


def _single(rows: QuerySet[Any]) -> Account | None:
    """Return the account of the only user in `rows`. One query."""
    rows = rows.annotate(jwt_global_cutoff=cutoff.global_cutoff(), jwt_read_at=DatabaseNow())
    found = rows.values_list("pk", "jwt_read_at", cutoff.path_from(), "jwt_global_cutoff").first()
    if found is None:
        return None
    pk, read_at, *cutoffs = found
    return Account(pk=pk, cutoff=latest(cutoffs), read_at=read_at)


def _find_beside_any(named: QuerySet[Any]) -> Account | None:
    """
    Return the account of the only user in `named`; without one, an account with nothing but `read_at`. One query.

    The query starts from an arbitrary user's row, because a name that nobody has gives no row with the time.
    """
    named = named.order_by("pk")
    facts = {
        "jwt_pk": Subquery(named.values("pk")[:1]),
        "jwt_other": Subquery(named.values("pk")[1:2]),
        "jwt_cutoff": Subquery(named.values(cutoff.path_from())[:1]),
        "jwt_global_cutoff": cutoff.global_cutoff(),
        "jwt_read_at": DatabaseNow(),
    }
    found = user_rows.users().order_by().annotate(**facts).values_list(*facts).first()
    if found is None:
        return None
    pk, other, *cutoffs, read_at = found
    if pk is None or other is not None:
        return Account(pk=None, cutoff=None, read_at=read_at)
    return Account(pk=pk, cutoff=latest(cutoffs), read_at=read_at)


def _of_somebody(find: Callable[[], Any]) -> Any:
    """
    Return the result of `find`; None if nobody, or more than one user, has the name, or if nobody can have it.

    The name may have characters that an old database can't store.
    """
    try:
        return find()
    except (ObjectDoesNotExist, MultipleObjectsReturned, *NO_VALUE):
        return None
    except DatabaseError as error:
        if not is_of_text(error):
            raise
        return None
