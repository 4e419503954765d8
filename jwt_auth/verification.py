"""
The read path: from the text of an access token to the user it speaks for.

It needs neither DRF nor a request, so it serves plain views, middleware and consumers as well.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import Claims, check_claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import InvalidClaimError, UntrustedIssuerError
from jwt_auth.issuers.base import Directory, Issuer
from jwt_auth.issuers.ours import issuer_of
from jwt_auth.jose import tokens
from jwt_auth.jose.keys import Key
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import ClientKey, UserSession
from jwt_auth.process.lru import Recent
from jwt_auth.revocation.verdict import verdict

# Longer tokens are verified each time: so the memory has a limit in bytes too, whoever fills it.
REMEMBERED_LENGTH = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """
    A token that is good right now: its claims as they count here, and whom it speaks for.

    `session` is the one that it belongs to; `client_key` is what signed it, when that was a client itself. A token
    that is `one_time` is still to be used up, by `authentication.replay.burn`: the authentication classes do that.
    """

    claims: Claims
    user: Any
    session: UserSession | None
    client_key: ClientKey | None
    one_time: bool = False


class _Signed(NamedTuple):
    """A token whose signature was good: all that never changes."""

    token: tokens.UnverifiedToken
    key: Key
    claims: Claims


@sensitive_variables("raw")
def verify(
    raw: str, *, directory: Directory = issuer_of, revocation: str | None = None, now: datetime | None = None
) -> Verified:
    """
    Verify an access token: signature, claims, revocation. One query, or none where REVOCATION is "memory".

    The signature of a token that came before may be remembered; all else, also whether its key still is
    one of the issuer's, is judged anew each time.

    Args:
        raw: the token as it came.
        directory: finds who may have signed it; us and TRUSTED_ISSUERS when left out.
        revocation: "database" asks the database, whatever the setting REVOCATION says.
        now: aware; the current time when left out.

    Raises:
        InvalidTokenError: when it was never good here.
        ExpiredTokenError: when its time, or its session's, is over.
        RevokedTokenError: when it was taken back.
        UnavailableError: when the database can't be asked.
    """
    now = now or timezone.now()
    memory = _memories()[directory]
    known = memory.get(raw)
    token = tokens.peek_unverified(raw) if known is None else known.token
    issuer = directory(token)
    key = issuer.keys.find(token.kid)
    if known is None or (known.key is not key and known.key != key):
        known = _verify_signature(token, key, issuer, memory)
    check_claims(claims := known.claims, issuer.policy, now)
    with outage_is_unavailable():
        standing = issuer.look_ups[revocation](claims)
    verdict(standing.claims, standing.state, now)
    return Verified(
        claims=standing.claims,
        user=standing.user,
        session=standing.session,
        client_key=standing.client_key,
        one_time=standing.one_time,
    )


async def averify(
    raw: str, *, directory: Directory = issuer_of, revocation: str | None = None, now: datetime | None = None
) -> Verified:
    """See verify()."""
    return await sync_to_async(verify)(raw, directory=directory, revocation=revocation, now=now)


@sensitive_variables("raw")
def identify_only(raw: str, *, audiences: frozenset[str] | None = None) -> Claims:
    """
    Claims that we did sign, be they expired or revoked.

    Enough to take a token back; never to let anybody in. What another issuer signed can't be taken back
    here: its `sid` and `sub` are not ours. Neither is what we signed for another server good for anything here:
    that server holds it, and must not sign people out.

    Args:
        audiences: whom the token may be for; None for ourselves.

    Raises:
        InvalidTokenError: when it was never good here.
    """
    token = tokens.peek_unverified(raw)
    issuer = issuer_of(token)
    if issuer.name != get_settings().ISSUER:  # before its keys, which may have to be fetched, are looked at
        raise UntrustedIssuerError(f"issuer {issuer.name!r} takes back its tokens itself")
    claims = tokens.verify_signature(token, issuer.keys.find(token.kid), issuer.policy)
    if (issuer.policy.audiences if audiences is None else audiences).isdisjoint(claims.aud):
        raise InvalidClaimError("aud", "does not name us")
    own_keys().find(token.kid)  # who holds a key that was revoked must not sign people out either
    return claims


def remembering(directory: Directory = issuer_of) -> Recent[str, _Signed]:
    """
    The last tokens of a directory's issuers whose signature was good. What was refused is not among them.

    With a setting, the whole memory goes: a request that is still verifying by old keys puts its result
    into one that nobody asks any more.
    """
    return _memories()[directory]


@cached_until_settings_change
def _memories() -> defaultdict[Directory, Recent[str, _Signed]]:
    size = get_settings().VERIFIED_TOKEN_CACHE_SIZE
    return defaultdict(lambda: Recent(size))


def _verify_signature(token: tokens.UnverifiedToken, key: Key, issuer: Issuer, memory: Recent[str, _Signed]) -> _Signed:
    signed = _Signed(token, key, tokens.verify_signature(token, key, issuer.policy))
    if issuer.count is not None:
        issuer.count(key.kid)
    if len(token.raw) <= REMEMBERED_LENGTH:
        memory.put(token.raw, signed)
    return signed
