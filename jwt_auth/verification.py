"""
The read path: from the text of an access token to the user it speaks for.

It needs neither DRF nor a request, so it serves plain views, middleware and consumers as well.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth import tokens
from jwt_auth.claims import Claims, check_claims
from jwt_auth.issuers import Issuer, find_issuer
from jwt_auth.models import UserSession
from jwt_auth.outages import outage_is_unavailable
from jwt_auth.revocation.verdict import verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A token that is good right now: its claims, the fresh user, and the session it belongs to."""

    claims: Claims
    user: Any
    session: UserSession | None


@sensitive_variables("raw")
def verify(raw: str, *, now: datetime | None = None) -> Verified:
    """
    Verify an access token: signature, claims, revocation. One query.

    Args:
        raw: the token as it came.
        now: aware; the current time when left out.

    Raises:
        InvalidTokenError: when it was never good here.
        ExpiredTokenError: when its time, or its session's, is over.
        RevokedTokenError: when it was taken back.
        UnavailableError: when the database can't be asked.
    """
    now = now or timezone.now()
    issuer, claims = _identify(raw)
    check_claims(claims, issuer.policy, now)
    with outage_is_unavailable():
        standing = issuer.look_up(claims)
    verdict(claims, standing.state, now)
    return Verified(claims=claims, user=standing.user, session=standing.session)


async def averify(raw: str, *, now: datetime | None = None) -> Verified:
    """See verify()."""
    return await sync_to_async(verify)(raw, now=now)


@sensitive_variables("raw")
def identify_only(raw: str) -> Claims:
    """
    Claims that a trusted issuer did sign, be they expired or revoked.

    Enough to take a token back; never to let anybody in.

    Raises:
        InvalidTokenError: when it was never good here.
    """
    return _identify(raw)[1]


def _identify(raw: str) -> tuple[Issuer, Claims]:
    token = tokens.peek_unverified(raw)
    issuer = find_issuer(token.issuer)
    return issuer, tokens.verify_signature(token, issuer.keys.find(token.kid), issuer.policy)
