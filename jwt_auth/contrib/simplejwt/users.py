"""
The users of tokens: by a claim, and as the reason why a token is refused.
"""

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.views.decorators.debug import sensitive_variables

from jwt_auth import verification
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf import get_settings
from jwt_auth.conf.simplejwt import simplejwt_or_default
from jwt_auth.exceptions import (
    InactivePrincipalError,
    InvalidTokenError,
    MissingUserError,
    RevokedTokenError,
    StaleCredentialsError,
    UnavailableError,
)
from jwt_auth.models import UserSession
from jwt_auth.revocation.database import find_by_token, state_of
from jwt_auth.user_model import read_key, user_field, visible_users


def user_of_claim(value: object) -> Any:
    """Return the user whose USER_ID_FIELD of SIMPLEJWT has the `value` of a claim; None if there is none. One query."""
    return _find(simplejwt_or_default().USER_ID_FIELD, str(value))


@sensitive_variables("raw")
def because_of_user(error: RevokedTokenError, raw: str) -> RevokedTokenError:
    """
    Return the error about the user of an access token of ours, if the user is its reason; otherwise `error`.

    A user who is deleted, or becomes inactive, or has a new password, is often noticed by the end of the sessions. At
    most two queries, for a refused token alone. If the database can't be asked, `error` is exact enough.
    """
    if type(error) is not RevokedTokenError:
        return error  # it is about the user already
    try:
        claims = verification.identify_only(raw)
        with outage_is_unavailable():
            session = find_by_token(claims)
        if session is not None:
            return because_of_user_of(session) or error
        gone = _find(get_settings().USER_ID_FIELD, claims.sub) is None
        return MissingUserError(error.reason) if gone else error
    except (InvalidTokenError, UnavailableError):
        return error


def because_of_user_of(session: UserSession) -> RevokedTokenError | None:
    """Return the reason why the user of `session` can't use it, even if it has ended; None if there is none."""
    state = state_of(session)
    if not state.principal_active:
        return InactivePrincipalError("the user is inactive")
    return StaleCredentialsError("the password was changed since") if state.credentials_stale else None


def _find(name: str, text: str) -> Any:
    try:
        key = read_key(user_field(name), text)
    except FieldDoesNotExist:
        return None  # `manage.py check` reports the name
    if key is None:
        return None
    with outage_is_unavailable():
        return visible_users().filter(**{name: key}).first()
