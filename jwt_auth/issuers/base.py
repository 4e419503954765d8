"""
Whom we believe: an issuer's keys, the policy of its tokens, and how to find whom they speak for.

A key is only reachable through its issuer, together with that issuer's policy, so no token can choose
the rules it is judged by (RFC 8725 section 3.8).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from jwt_auth.claims import Claims, Policy
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken
from jwt_auth.models import ClientKey, UserSession
from jwt_auth.revocation.verdict import State

# A way of asking beside those that REVOCATION can name: memory, whatever its age.
HOWEVER_OLD = "memory, however old"


ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # a media type: RFC 9068 section 2.1


class KeySource(Protocol):
    """Where an issuer's keys come from."""

    def find(self, kid: str | None) -> Key:
        """The key named `kid`; raise UnknownKeyError."""


class Standing(NamedTuple):  # because one is made with each request, and a frozen dataclass takes longer
    """
    What was found about a token's principal: the facts to judge by, and the rows to hand on.

    Args:
        claims: as they count here, which is what is judged.
        client_key: what signed it, when that was a client.
        one_time: whether the token is good for one request alone.
    """

    claims: Claims
    state: State | None
    user: Any
    session: UserSession | None = None
    client_key: ClientKey | None = None
    one_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """
    One party whose tokens are accepted.

    Args:
        name: the value of `iss`.
        keys: its keys, and nobody else's.
        policy: what its tokens must keep.
        look_ups: find the principal that verified claims speak for (`sub` means nothing without `iss`), each
            in its own way of asking about revocation; None is the project's.
        count: told the `kid` of each signature that was checked and found good.
    """

    name: str
    keys: KeySource
    policy: Policy
    look_ups: Mapping[str | None, Callable[[Claims], Standing]]
    count: Callable[[str], None] | None = None


# Finds the issuer that a token names, which may have signed it or not; raises UntrustedIssuerError.
Directory: TypeAlias = Callable[[UnverifiedToken], Issuer]
