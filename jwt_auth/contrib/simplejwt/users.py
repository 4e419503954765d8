"""
Users by the claims of their tokens, as far as a session does not name them.
"""

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.views.decorators.debug import sensitive_variables

from jwt_auth import verification
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf import get_settings
from jwt_auth.contrib.simplejwt.options import options
from jwt_auth.exceptions import InvalidTokenError, UnavailableError
from jwt_auth.user_model import read_key, user_field, visible_users


def user_of_claim(value: object) -> Any:
    """Return the user whose USER_ID_FIELD of SIMPLEJWT has the `value` of a claim; None if there is none. One query."""
    return _find(options().USER_ID_FIELD, str(value))


@sensitive_variables("raw")
def is_of_deleted_user(raw: str) -> bool:
    """
    Return whether `raw` was refused because its user was deleted, and the user's sessions with it. One query.

    False if the database can't be asked: the token is refused anyway.
    """
    try:
        claims = verification.identify_only(raw)
        return claims.sid is not None and _find(get_settings().USER_ID_FIELD, claims.sub) is None
    except (InvalidTokenError, UnavailableError):
        return False


def _find(name: str, text: str) -> Any:
    try:
        key = read_key(user_field(name), text)
    except FieldDoesNotExist:
        return None  # `manage.py check` reports the name
    if key is None:
        return None
    with outage_is_unavailable():
        return visible_users().filter(**{name: key}).first()
