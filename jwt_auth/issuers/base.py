"""
An issuer: its keys, the policy of its tokens, and how to look up the principals they speak for.

A key is only reachable through its issuer, together with that issuer's policy. So no token can choose
the rules it is judged by (RFC 8725 section 3.8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from jwt_auth.claims import Claims, Policy
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken
from jwt_auth.models import ClientKey, UserSession
from jwt_auth.revocation.verdict import State

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # a media type: RFC 9068 section 2.1


class KeySource(Protocol):
    """The keys of an issuer, wherever they are kept."""

    def find(self, kid: str | None) -> Key:
        """The key named `kid`; raise UnknownKeyError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """
    A token that is good right now: its claims as they count here, and its principal.

    `session` is the session of a user's token, where the database was asked. `client_key` is the key that signed
    an API client's token. A token that is `one_time` is still to be used up, by `authentication.replay.burn`: the
    authentication classes do that.
    """

    claims: Claims
    user: Any
    session: UserSession | None = None
    client_key: ClientKey | None = None
    one_time: bool = False


# The facts to judge by, None when there is no session, and the result if they refuse nothing.
LookUp: TypeAlias = Callable[[Claims], tuple[State | None, Verified]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUps:
    """
    Three ways to find the principal of verified claims, which differ in what they ask about revocation.

    Args:
        configured: asks as the setting REVOCATION says.
        database: asks the database, whatever REVOCATION says.
        last_known: asks what this process knows, however old that is. For safe methods in an outage, if
            REVOCATION_ON_STALE allows it.
    """

    configured: LookUp
    database: LookUp
    last_known: LookUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """
    One party whose tokens are accepted.

    Args:
        name: the value of `iss`.
        keys: its keys, and nobody else's.
        policy: what its tokens must keep.
        look_ups: find the principal; `sub` means nothing without `iss`.
        count: called with the `kid` of each signature that was checked and found good.
    """

    name: str
    keys: KeySource
    policy: Policy
    look_ups: LookUps
    count: Callable[[str], None] | None = None


# Finds the issuer that a token names, which may have signed it or not; raises UntrustedIssuerError.
Directory: TypeAlias = Callable[[UnverifiedToken], Issuer]
