"""
The read path: from the text of an access token to the user it speaks for.

It needs neither DRF nor a request, so it serves plain views, middleware and consumers as well.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Literal, NamedTuple, TypeAlias

from asgiref.sync import sync_to_async
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import Claims, check_claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import InvalidClaimError, UntrustedIssuerError
from jwt_auth.issuers.base import Issuer, LookUp, LookUps, Verified
from jwt_auth.issuers.directory import DIRECTORIES, issuer_of_user
from jwt_auth.jose import tokens
from jwt_auth.jose.keys import Key
from jwt_auth.keyring.stored import own_keys
from jwt_auth.process.lru import Recent
from jwt_auth.revocation.verdict import verdict

__all__ = ["Issuers", "Verified", "averify", "verify"]

Issuers: TypeAlias = Literal["users", "clients", "anyone"]

# Longer tokens are verified each time: so the memory has a limit in bytes too, whoever fills it.
REMEMBERED_LENGTH = 2048


class _Signed(NamedTuple):
    """A token whose signature was good: all that never changes."""

    token: tokens.UnverifiedToken
    key: Key
    claims: Claims


@sensitive_variables("raw")
def verify(
    raw: str, *, issuers: Issuers = "users", ask_database: bool = False, now: datetime | None = None
) -> Verified:
    """
    Verify an access token: signature, claims, revocation. One query, or none where REVOCATION is "memory".

    The signature of a token that came before may be remembered; all else, also whether its key still is
    one of the issuer's, is judged anew each time.

    Args:
        raw: the token as it came.
        issuers: "users" accepts tokens of this server and of TRUSTED_ISSUERS, "clients" those that API clients
            signed themselves, "anyone" both.
        ask_database: ask the database, whatever the setting REVOCATION says. Nothing asks for less than the setting.
        now: aware; the current time if omitted.

    Raises:
        InvalidTokenError: if it was never good here.
        ExpiredTokenError: if it, or its session, has expired.
        RevokedTokenError: if it was revoked.
        UnavailableError: if the database can't be asked.
        ValueError: if `issuers` is another word.
    """
    return _verify(raw, issuers, _in_database if ask_database else _as_configured, now)


async def averify(
    raw: str, *, issuers: Issuers = "users", ask_database: bool = False, now: datetime | None = None
) -> Verified:
    """See verify()."""
    return await sync_to_async(verify)(raw, issuers=issuers, ask_database=ask_database, now=now)


@sensitive_variables("raw")
def verify_by_last_known(raw: str, *, issuers: Issuers = "users", now: datetime | None = None) -> Verified:
    """
    Do what verify() does, by what this process last knew of the revocations, however old that is.

    It may let a revoked token in. Only for safe methods, if REVOCATION_ON_STALE allows it, after verify() has
    raised RevocationUnavailableError.
    """
    return _verify(raw, issuers, _by_last_known, now)


_as_configured, _in_database, _by_last_known = map(attrgetter, ("configured", "database", "last_known"))


@sensitive_variables("raw")
def _verify(raw: str, issuers: str, choose: Callable[[LookUps], LookUp], now: datetime | None) -> Verified:
    now = now or timezone.now()
    memory = remembering(issuers)
    known = memory.get(raw)
    token = tokens.peek_unverified(raw) if known is None else known.token
    issuer = DIRECTORIES[issuers](token)
    key = issuer.keys.find(token.kid)
    if known is None or (known.key is not key and known.key != key):
        known = _verify_signature(token, key, issuer, memory)
    check_claims(claims := known.claims, issuer.policy, now)
    with outage_is_unavailable():
        state, verified = choose(issuer.look_ups)(claims)
    verdict(verified.claims, state, now)
    return verified


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
    issuer = issuer_of_user(token)
    if issuer.name != get_settings().ISSUER:  # before its keys, which may have to be fetched, are looked at
        raise UntrustedIssuerError(f"issuer {issuer.name!r} takes back its tokens itself")
    claims = tokens.verify_signature(token, issuer.keys.find(token.kid), issuer.policy)
    if (issuer.policy.audiences if audiences is None else audiences).isdisjoint(claims.aud):
        raise InvalidClaimError("aud", "does not name us")
    own_keys().find(token.kid)  # who holds a key that was revoked must not sign people out either
    return claims


def remembering(issuers: str = "users") -> Recent[str, _Signed]:
    """
    The last tokens whose signature was good, of the issuers that are called so in verify().

    What was refused is not among them. When a setting changes, the whole memory goes: a request that is still
    verifying by old keys puts its result into one that nobody asks any more.
    """
    try:
        return _memories()[issuers]
    except KeyError:
        raise ValueError(f"issuers is one of {', '.join(DIRECTORIES)}") from None


@cached_until_settings_change
def _memories() -> Mapping[str, Recent[str, _Signed]]:
    size = get_settings().VERIFIED_TOKEN_CACHE_SIZE
    return {issuers: Recent(size) for issuers in DIRECTORIES}


def _verify_signature(token: tokens.UnverifiedToken, key: Key, issuer: Issuer, memory: Recent[str, _Signed]) -> _Signed:
    signed = _Signed(token, key, tokens.verify_signature(token, key, issuer.policy))
    if issuer.count is not None:
        issuer.count(key.kid)
    if len(token.raw) <= REMEMBERED_LENGTH:
        memory.put(token.raw, signed)
    return signed
