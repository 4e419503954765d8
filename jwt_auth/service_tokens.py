"""
Tokens for other servers (service tokens): short-lived, for one audience, and limited in scope.

A service token is an access token (RFC 9068) that this server itself does not accept: it names another
audience. It carries the `sid` and `auth_time` of the user's session, so that a revocation of the session or of
the user reaches that server through the feed.
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth.claims import Claims, shown
from jwt_auth.conf import get_settings
from jwt_auth.conf.arguments import require, require_aware
from jwt_auth.conf.audiences import ServiceAudience
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import InvalidScopeError, InvalidTargetError, TokenError, UntrustedIssuerError
from jwt_auth.issuers.base import ACCESS_TOKEN_TYPE
from jwt_auth.jose import tokens
from jwt_auth.jose.scopes import parse_scope
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_token
from jwt_auth.revocation.database import is_denied
from jwt_auth.signals import service_token_issued
from jwt_auth.verification import identify_only, verify

__all__ = ["ServiceToken", "issue", "revoke"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceToken:
    """A token for another server; `expires_in` is in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str


@sensitive_variables("raw")
def exchange(
    raw: str,
    audience: str,
    scope: str | None = None,
    *,
    client_id: str | None = None,
    client_scopes: frozenset[str] = frozenset(),
    now: datetime | None = None,
) -> ServiceToken:
    """
    Exchange a user's access token for one that is valid at `audience` (RFC 8693).

    The database is queried whatever REVOCATION says, so that a token that was just revoked can't be exchanged.

    Args:
        raw: the access token, issued by this server for this server.
        audience: one of SERVICE_AUDIENCES.
        scope: the requested scopes, with a space between them; None requests all that are allowed.
        client_id: the client that acts for the user; None if the user asks.
        client_scopes: the scopes of the client's own token; a client can't pass on a scope that it does not have.

    Raises:
        TokenError: when the access token is refused.
        InvalidTargetError: when the audience is unknown, or not allowed for the client or the user.
        InvalidScopeError: when more scopes are requested than are allowed, or none is allowed or requested.
    """
    now = now or timezone.now()
    subject = verify(raw, ask_database=True, now=now)
    if subject.claims.iss != get_settings().ISSUER:
        raise UntrustedIssuerError("only our own tokens can be exchanged")
    allowed = _audience(audience).scopes_for(client_id)
    if allowed is None:
        raise InvalidTargetError(f"{client_id or 'a user'} may not ask for {audience!r}")
    if client_id is not None:
        allowed &= client_scopes
    granted = _granted(scope, allowed, subject.claims)
    claims = subject.claims
    return _issue(
        subject.user,
        audience,
        granted,
        session=subject.session,
        amr=claims.amr,  # not read from the session, whose query leaves it out
        acr=claims.acr,
        actor=client_id,
        now=now,
    )


def issue(
    user: AbstractBaseUser,
    audience: str,
    scope: str = "",
    *,
    session: UserSession | None = None,
    actor: str | None = None,
    one_time: bool = False,
    now: datetime | None = None,
) -> ServiceToken:
    """
    Issue a token for `user` at `audience`. The caller decides what it may do there: no rule about scopes is checked.

    Args:
        user: the user that the token speaks for.
        audience: one of SERVICE_AUDIENCES.
        scope: the scopes, with a space between them.
        session: the user's session, with which the token ends; None if the server acts without a session.
        actor: the `client_id` of the client that acts for the user.
        one_time: whether the token is single-use, even if the setting of the audience doesn't say so.

    Raises:
        InvalidTargetError: when there is no such audience.
        InvalidScopeError: when `scope` is malformed.
    """
    require_aware(now=now)
    if session is not None:
        require(session, "session", UserSession, "the session itself, not its id")
    if actor is not None:
        require(actor, "actor", str, "the client_id of a client")
    return _issue(
        user,
        audience,
        scope,
        session=session,
        amr=session.methods if session else (),
        acr=(session.acr or None) if session else None,
        actor=actor,
        one_time=one_time,
        now=now or timezone.now(),
    )


def _issue(
    user: AbstractBaseUser,
    audience: str,
    scope: str,
    *,
    session: UserSession | None,
    amr: tuple[str, ...],
    acr: str | None,
    actor: str | None,
    now: datetime,
    one_time: bool = False,
) -> ServiceToken:
    target, granted = _audience(audience), _parsed(scope)
    claims = _claims(user, target, scopes=granted, session=session, actor=actor, now=now)
    claims = replace(claims, amr=amr, acr=acr)
    values: dict[str, Any] = claims.as_dict()
    if actor is not None:
        values["act"] = {"sub": actor}  # RFC 8693 section 4.1
    if one_time or target.one_time:
        values["one_time"] = True
    raw = tokens.encode(values, own_keys().signing, ACCESS_TOKEN_TYPE)
    service_token_issued.send_robust(ServiceToken, claims=claims, user=user, actor=actor)
    return ServiceToken(access_token=raw, expires_in=int(claims.exp - claims.iat), scope=claims.scope or "")


@sensitive_variables("raw")
def revoke(raw: str, *, reason: str = "", now: datetime | None = None) -> bool:
    """
    Revoke one token for another server, which learns it from the feed; the session continues.

    Returns:
        False if there was nothing to revoke: it is not such a token, has expired, or was revoked before.
    """
    now = now or timezone.now()
    try:
        claims = identify_only(raw, audiences=frozenset(get_settings().SERVICE_AUDIENCES))
    except TokenError:
        return False
    if claims.expires_at + MAX_LEEWAY <= now or claims.jti is None or is_denied(claims.iss, claims.jti):
        return False
    revoke_token(claims, reason=reason, now=now)
    return True


def _claims(
    user: AbstractBaseUser,
    target: ServiceAudience,
    *,
    scopes: frozenset[str],
    session: UserSession | None,
    actor: str | None,
    now: datetime,
) -> Claims:
    settings = get_settings()
    issued_at = int(now.timestamp())
    claims = Claims(
        iss=settings.ISSUER,
        aud=(target.name,),
        sub=user_id_of(user),
        client_id=actor or settings.ISSUER,
        jti=secrets.token_urlsafe(16),
        iat=issued_at,
        exp=issued_at + int(target.lifetime.total_seconds()),
        scope=" ".join(sorted(scopes)),  # never absent: a reader might take that for a token without limits
    )
    if session is None:
        return claims
    exp = min(claims.exp, int(session.ends_at.timestamp()))
    return replace(claims, sid=session.sid, auth_time=session.started_at, exp=exp)


def _audience(name: str) -> ServiceAudience:
    require(name, "audience", str, "one of SERVICE_AUDIENCES")
    known = get_settings().SERVICE_AUDIENCES
    try:
        return known[name]
    except KeyError:
        text = f"SERVICE_AUDIENCES has {shown(known)}" if known else "SERVICE_AUDIENCES is empty"
        raise InvalidTargetError(f"{name[:80]!r} is not one of SERVICE_AUDIENCES: {text}") from None


def _parsed(scope: str) -> frozenset[str]:
    require(scope, "scope", str, 'scopes with a space between them, such as " ".join(scopes)')
    try:
        return parse_scope(scope)
    except ValueError as error:
        raise InvalidScopeError(str(error)) from error


def _granted(scope: str | None, allowed: frozenset[str], subject: Claims) -> str:
    """Return the requested scopes; raise InvalidScopeError if one is not allowed, or not in the user's own token."""
    # A token without scope is the user's own, from a sign-in, and has no limits.
    available = allowed if subject.scope is None else allowed & subject.scopes
    wanted = available if scope is None else _parsed(scope)
    if not wanted <= available:
        raise InvalidScopeError(f"not allowed: {shown(wanted - available)}; allowed: {shown(available) or 'none'}")
    if not wanted:
        raise InvalidScopeError("no scope would be granted")
    return " ".join(sorted(wanted))
