"""
The tokens of a session: an access token that is signed for it, and its refresh token.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from jwt_auth.claims import REGISTERED, Claims
from jwt_auth.conf import get_settings, rules
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.issuers.base import ACCESS_TOKEN_TYPE
from jwt_auth.jose import tokens
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import UserSession
from jwt_auth.sessions import refresh_tokens
from jwt_auth.sessions.extensions import further_claims
from jwt_auth.sessions.results import AccessToken, TokenPair
from jwt_auth.transports import check_cookie_size


def claims_for(session: UserSession, now: datetime) -> Claims:
    """Return the claims of an access token that is issued at `now`."""
    settings = get_settings()
    issued_at = int(now.timestamp())
    lifetime = int(settings.ACCESS_TOKEN_LIFETIME.total_seconds())
    # Up to 5 % is subtracted at random, so that tokens issued together don't expire in the same second.
    lifetime -= secrets.randbelow(lifetime // 20 + 1)
    return Claims(
        iss=settings.ISSUER,
        aud=(settings.AUDIENCE,),
        sub=user_id_of(session.user),
        client_id=settings.ISSUER,
        sid=session.sid,
        jti=secrets.token_urlsafe(16),
        auth_time=session.started_at,
        amr=session.methods,
        acr=session.acr or None,
        iat=issued_at,
        exp=min(issued_at + lifetime, int(session.expires_at.timestamp())),
    )


def sign(claims: Claims, session: UserSession) -> AccessToken:
    """Return the access token with `claims`, and with those of CLAIMS_CALLABLE and of extensions."""
    values = {**further_claims(session), **_custom_claims(session), **claims.as_dict()}
    raw = tokens.encode(values, own_keys().signing, ACCESS_TOKEN_TYPE)
    if session.transport == UserSession.Transport.COOKIE:
        check_cookie_size(raw)
    return AccessToken(
        raw=raw,
        expires_in=int(claims.exp - claims.iat),
        refresh_expires_in=int(session.ends_at.timestamp() - claims.iat),
        is_persistent=session.is_persistent,
    )


def issue(session: UserSession, now: datetime) -> AccessToken:
    """
    Return an access token that is issued without a refresh, to be answered by itself.

    It expires with the session at the latest: only a refresh prolongs that.
    """
    claims = claims_for(session, now)
    return sign(replace(claims, exp=min(claims.exp, int(session.ends_at.timestamp()))), session)


def pair(session: UserSession, access: AccessToken, now: datetime) -> TokenPair:
    """Return `access` with the newest refresh token of `session`."""
    return TokenPair(
        access_token=access.raw,
        expires_in=access.expires_in,
        refresh_token=refresh_tokens.sign(session),
        refresh_expires_in=int((session.ends_at - now).total_seconds()),
        session_id=session.pk,
        is_persistent=session.is_persistent,
    )


def _custom_claims(session: UserSession) -> dict[str, Any]:
    source = get_settings().CLAIMS_CALLABLE
    if source is None:
        return {}
    custom = (rules.import_callable(source) if isinstance(source, str) else source)(session.user, session)
    if not isinstance(custom, Mapping):
        raise ConfigurationError(
            "E019", f"CLAIMS_CALLABLE returned {type(custom).__name__}.", "Have it return a dict, which may be empty."
        )
    taken = REGISTERED.intersection(custom)
    if taken:
        raise ConfigurationError(
            "E016",
            f"CLAIMS_CALLABLE returned {', '.join(sorted(taken))}, which the app sets itself.",
            "Choose other names for these claims.",
        )
    return dict(custom)
