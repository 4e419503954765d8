"""
The read path: from the text of an access token to its user.

It needs neither DRF nor a request, so plain views, middleware and consumers can use it too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from operator import attrgetter
from typing import Literal, TypeAlias

from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.lazy_rows import refuse_to_wait
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import Claims, Policy, check_lasting_claims, check_times, not_for_us
from jwt_auth.conf import get_settings
from jwt_auth.conf.arguments import require_aware
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import InvalidClaimError, TokenError, UntrustedIssuerError
from jwt_auth.issuers.base import Issuer, LookUp, LookUps, Verified
from jwt_auth.issuers.directory import DIRECTORIES, issuer_of_user
from jwt_auth.jose import tokens
from jwt_auth.jose.keys import Key
from jwt_auth.keyring.stored import own_keys
from jwt_auth.process.blocking import on_loop
from jwt_auth.process.lru import LRUCache
from jwt_auth.revocation.verdict import verdict

__all__ = ["Issuers", "Verified", "averify", "verify"]

Issuers: TypeAlias = Literal["users", "clients", "anyone"]

# The signatures of longer tokens are not cached. This limits the cache in bytes, even if an attacker fills it.
REMEMBERED_LENGTH = 2048


@dataclass(slots=True)
class _Signed:
    """
    A token with a valid signature: the facts about it that never change.

    Args:
        policy: the policy that the token's lasting claims comply with; None if they were not checked yet.
    """

    token: tokens.UnverifiedToken
    key: Key
    claims: Claims
    policy: Policy | None = None


@sensitive_variables("raw")
def verify(
    raw: str, *, issuers: Issuers = "users", ask_database: bool = False, now: datetime | None = None
) -> Verified:
    """
    Verify an access token: signature, claims, revocation. Usually one query, or none if REVOCATION is "memory".

    If a token was verified before, the results for its signature, audience, lifetime and required claims may be cached.
    All else is checked each time, including that the issuer still has the token's key.

    Args:
        raw: the token as it was received.
        issuers: "users" accepts tokens of this server and of TRUSTED_ISSUERS, "clients" those that API clients
            signed themselves, "anyone" both.
        ask_database: ask the database, regardless of REVOCATION. It can't weaken the setting.
        now: aware; the current time if omitted.

    Returns:
        The token's claims, and the principal that it stands for. `user` is an instance of the user model, lazy in
        memory mode, or a ClaimsUser.

        Some checks need the request, and are not made here: that a single-use token was not used before, that the
        token was made for this request (`htm`, `htu`, `content_digest`), and CSRF. For the tokens of API clients use
        the authentication classes, which make them all.

    Raises:
        InvalidTokenError: if it is not acceptable here; RevokedKeyError if its key was revoked.
        ExpiredTokenError: if it, or its session, has expired.
        RevokedTokenError: if it, its session, its user or its client was revoked.
        UnavailableError: if the database, or the keys of another issuer, can't be read;
            RevocationUnavailableError if only the revocations can't.
        ValueError: if `issuers` has another value.
    """
    if issuers not in DIRECTORIES:
        raise ValueError(f"issuers is one of {', '.join(DIRECTORIES)}")
    if now is not None:
        require_aware(now=now)
    return _verify(raw, issuers, _in_database if ask_database else _as_configured, now)


@sensitive_variables("raw")
async def averify(
    raw: str,
    *,
    issuers: Issuers = "users",
    ask_database: bool = False,
    now: datetime | None = None,
    load_user: bool = True,
) -> Verified:
    """
    Do the same as verify(), without blocking the event loop.

    In memory mode, if the known revocations are fresh, it runs on the loop, without a query and without a thread.
    Another thread reads new revocations before the known ones are too old. If a query is needed, a thread runs it.

    Args:
        load_user: load the user, so that each attribute can be read: one query in memory mode. If False, only the
            user's key can be read; reading more raises SynchronousOnlyOperation until `auser()` of the result has
            loaded the user.
    """
    verified = await on_loop(lambda: verify(raw, issuers=issuers, ask_database=ask_database, now=now))
    if load_user:
        await verified.auser()
    else:
        refuse_to_wait(verified.user)
    return verified


@sensitive_variables("raw")
def verify_by_last_known(raw: str, *, issuers: Issuers = "users", now: datetime | None = None) -> Verified:
    """
    Do the same as verify(), but with the last revocations that this process knew, even if they are too old.

    It may accept a revoked token. Use it only for requests with a safe method, if REVOCATION_ON_STALE allows it, after
    verify() has raised RevocationUnavailableError. It raises the same errors; that one only if this process has never
    read the revocations.
    """
    return _verify(raw, issuers, _by_last_known, now)


_as_configured = attrgetter("configured")
_in_database = attrgetter("database")
_by_last_known = attrgetter("last_known")


# Without @sensitive_variables, because its callers have it: debug pages search up the stack for the next one. Each
# decorator costs each request more time than a look-up in the cache.
def _verify(raw: str, issuers: str, choose: Callable[[LookUps], LookUp], now: datetime | None) -> Verified:
    now = now or datetime.now(timezone.utc)
    cache = _signature_caches()[issuers]
    known = cache.get(raw)
    token = tokens.peek_unverified(raw) if known is None else known.token
    issuer = DIRECTORIES[issuers](token)
    key = issuer.keys.find(token.kid)
    # A cached signature counts only for the key that the issuer has under this name now. Comparing identities first is
    # faster; equal keys that were read twice are fine.
    if known is None or (known.key is not key and known.key != key):
        known = _verify_signature(token, key, issuer, cache)
    verified: Verified | None = None
    try:
        claims, policy = known.claims, issuer.policy
        if known.policy is not policy:
            check_lasting_claims(claims, policy)
            known.policy = policy
        check_times(claims, policy, now)
        with outage_is_unavailable():
            state, verified = choose(issuer.look_ups)(claims, now)
        verdict(verified.claims, state, now)
    except TokenError as error:
        _name_session(error, known.claims, verified)
        raise
    return verified


def _name_session(error: TokenError, claims: Claims, verified: Verified | None) -> None:
    """
    Name the session and the user of a refused token in the error, for the log, if this server signed the token.

    Another issuer's `sid` and `sub` name nothing here. No query is made: the user's key is known if the session was
    read, or if the key is the `sub`.
    """
    settings = get_settings()
    if claims.iss != settings.ISSUER:
        return
    error.sid = claims.sid
    if verified is not None and verified.session is not None:
        error.user_id = str(verified.session.user_id)
    elif settings.USER_ID_FIELD == "pk":
        error.user_id = claims.sub


@sensitive_variables("raw")
def identify_only(raw: str, *, audiences: frozenset[str] | None = None) -> Claims:
    """
    Return the claims of a token that this server signed, even if it has expired or was revoked.

    That is enough to revoke a token, and never enough to let anybody in. A token of another issuer can't be revoked
    here: its `sid` and `sub` are not ours. A token that we signed for another server is refused, too: that server has
    it, and must not be able to sign users out.

    Args:
        audiences: the audiences that the token may have; None for those of this server.

    Raises:
        InvalidTokenError: if it is not such a token.
        UnavailableError: if the keys can't be read.
    """
    token = tokens.peek_unverified(raw)
    issuer = issuer_of_user(token)
    if issuer.name != get_settings().ISSUER:  # checked before its keys, which may have to be fetched
        raise UntrustedIssuerError(f"only issuer {issuer.name!r} itself can revoke its tokens")
    claims = tokens.verify_signature(token, issuer.keys.find(token.kid), issuer.policy)
    if (issuer.policy.audiences if audiences is None else audiences).isdisjoint(claims.aud):
        raise InvalidClaimError("aud", not_for_us(claims.aud, audiences or issuer.policy.audiences))
    # If KEYS is "database", the keys above may be a minute old, and include one that was revoked since. Its holder must
    # not be able to sign users out.
    own_keys().find(token.kid)
    return claims


def signature_cache(issuers: str = "users") -> LRUCache[str, _Signed]:
    """
    Return the cache of the last tokens with a valid signature, for a value of `issuers` as in verify().

    Refused tokens are not in it. If a setting changes, the cache is replaced: a request that is still verifying with
    the old keys puts its result into the old one, which nobody reads any more.
    """
    return _signature_caches()[issuers]


@cached_until_settings_change
def _signature_caches() -> Mapping[str, LRUCache[str, _Signed]]:
    size = get_settings().VERIFIED_TOKEN_CACHE_SIZE
    return {issuers: LRUCache(size) for issuers in DIRECTORIES}


def _verify_signature(
    token: tokens.UnverifiedToken, key: Key, issuer: Issuer, cache: LRUCache[str, _Signed]
) -> _Signed:
    check = issuer.verify_signature or tokens.verify_signature
    signed = _Signed(token, key, check(token, key, issuer.policy))
    if issuer.count is not None:
        issuer.count(key.kid)
    if len(token.raw) <= REMEMBERED_LENGTH:
        cache.put(token.raw, signed)
    return signed
