"""
The claims that access tokens have while SIMPLEJWT is set: those that simplejwt adds, and those that the project's code
has set on the refresh token.
"""

from collections.abc import Mapping
from typing import Any

from jwt_auth.claims import REGISTERED
from jwt_auth.conf.simplejwt import SimpleJWT, simplejwt
from jwt_auth.conf.user_keys import key_of
from jwt_auth.models import UserSession
from jwt_auth.sessions.extensions import Extension, connect_extension

# The key in the `data` of a session under which the claims of its refresh token are kept.
KEY = "claims"


class SimpleJWTClaims(Extension):
    """Add the id of the user, the type of the token, and the claims in `UserSession.data["claims"]`."""

    def claims(self, session: UserSession) -> Mapping[str, Any]:
        options = simplejwt()
        if options is None:
            return {}
        return {**kept_in(session.data), **own_claims(session.user, options, "access")}


def connect() -> None:
    connect_extension(SimpleJWTClaims())


def kept_in(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims in the `data` of a session, without those that only the app sets."""
    kept = data.get(KEY)
    return {name: kept[name] for name in kept if name not in REGISTERED} if isinstance(kept, dict) else {}


def own_claims(user: Any, options: SimpleJWT, token_type: str) -> dict[str, Any]:
    """Return the claims in which simplejwt has the user's id and the type of a token."""
    named = {options.USER_ID_CLAIM: id_of(user, options)}
    return named if options.TOKEN_TYPE_CLAIM is None else {**named, options.TOKEN_TYPE_CLAIM: token_type}


def id_of(user: Any, options: SimpleJWT) -> str:
    """Return the value of USER_ID_FIELD of `user`, as text."""
    return str(key_of(user) if options.USER_ID_FIELD == "pk" else getattr(user, options.USER_ID_FIELD))
