"""
The names of users: the key of a user's row, and the `sub` of the user's tokens.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model

from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change


def key_of(user: Any) -> Any:
    """Return the key of a user in the user model: an instance of a child model may have another primary key."""
    return _read(_reader_of_key(), user)


def user_id_of(user: Any) -> str:
    """Return the `sub` of tokens for `user`. A foreign key gives the key, and not the text of the related row."""
    return str(_read(_reader_of_id(), user))


def _read(reader: Callable[[Any], Any], user: Any) -> Any:
    """Return the key of a user; raise TypeError for anything that has none, such as a name, or nobody."""
    try:
        key = reader(user)
    except AttributeError as error:
        raise _not_a_user(user) from error
    if key is None:
        raise _not_a_user(user)
    return key


def _not_a_user(found: object) -> TypeError:
    name = get_user_model().__name__
    # Not `type(found)`, which is SimpleLazyObject for any `request.user`.
    unsaved = " without a primary key" if isinstance(found, get_user_model()) else ""
    return TypeError(f"user must be a saved {name}, not {found.__class__.__name__}{unsaved}: {name}.objects.get(...)")


# Remembered, because each request asks for both, and `get_user_model()` takes longer than all the rest.
@cached_until_settings_change
def _reader_of_key() -> Callable[[Any], Any]:
    reader: Callable[[Any], Any] = get_user_model()._meta.pk.value_from_object
    return reader


@cached_until_settings_change
def _reader_of_id() -> Callable[[Any], Any]:
    name = get_settings().USER_ID_FIELD
    if name == "pk":
        return _reader_of_key()
    field: Any = get_user_model()._meta.get_field(name)
    reader: Callable[[Any], Any] = field.value_from_object
    return reader
