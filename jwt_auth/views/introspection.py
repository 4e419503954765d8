"""
Token introspection (RFC 7662), for callers who may ask about other users' tokens.

The rules are those of requests and refreshes. If a token is not valid, the answer does not say why.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import RevokedTokenError, TokenError
from jwt_auth.jose import tokens
from jwt_auth.keyring.stored import own_keys
from jwt_auth.revocation import database
from jwt_auth.sessions import refresh_tokens
from jwt_auth.transports import SCHEME
from jwt_auth.verification import verify

RESPONSE_TYPE = "token-introspection+jwt"
RESPONSE_MEDIA_TYPE = f"application/{RESPONSE_TYPE}"

INACTIVE: Mapping[str, Any] = {"active": False}


@sensitive_variables("raw")
def introspect(raw: str, *, now: datetime | None = None) -> Mapping[str, Any]:
    """
    Return the claims of an access or a refresh token that is valid here, with `active`; else return INACTIVE.

    The database is queried whatever REVOCATION says: the caller may act on the answer for a while.

    Raises:
        UnavailableError: if the database can't be queried.
    """
    try:
        if refresh_tokens.is_shaped_like_a_refresh_token(raw):
            return _refresh_token(raw, now)
        return {"active": True, "token_type": SCHEME, **verify(raw, ask_database=True, now=now).claims.as_dict()}
    except TokenError:
        return INACTIVE


def sign(found: Mapping[str, Any], caller: str, *, now: datetime | None = None) -> str:
    """Return the result as a signed response with `caller` as its only audience (RFC 9701 section 5)."""
    claims = {
        "iss": get_settings().ISSUER,
        "aud": caller,
        "iat": int((now or timezone.now()).timestamp()),
        "jti": secrets.token_urlsafe(16),
        "token_introspection": found,
    }
    return tokens.encode(claims, own_keys().signing, RESPONSE_TYPE)


@sensitive_variables("raw")
def _refresh_token(raw: str, now: datetime | None) -> Mapping[str, Any]:
    session, presented = refresh_tokens.find(raw)
    if session is None:
        raise RevokedTokenError("there is no session of this handle")
    refusal = database.refusal_of(session, now or timezone.now())
    if refusal is not None:
        raise refusal
    refresh_tokens.refuse_misuse(presented, session, now)
    issuer = get_settings().ISSUER
    values = {
        "active": True,
        "iss": issuer,
        "sub": user_id_of(session.user),
        "client_id": issuer,
        "sid": session.sid,
        "auth_time": session.started_at.timestamp(),
        "amr": list(session.methods) or None,
        "acr": session.acr or None,
        # Not the idle end, which each rotation moves: the caller may hold a copy of the token.
        "exp": int(session.expires_at.timestamp()),
    }
    return {name: value for name, value in values.items() if value is not None}
