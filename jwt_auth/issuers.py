"""
Whom we believe: an issuer's keys, the policy of its tokens, and how to find whom they speak for.

A key is only reachable through its issuer, together with that issuer's policy, so no token can choose
the rules it is judged by (RFC 8725 section 3.8).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jwt_auth.claims import Claims, Policy
from jwt_auth.conf import cached_until_settings_change, get_settings
from jwt_auth.exceptions import InvalidClaimError, UntrustedIssuerError
from jwt_auth.keys import Key, own_keys
from jwt_auth.models import UserSession, user_id_of
from jwt_auth.revocation import database
from jwt_auth.revocation.verdict import State

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # a media type: RFC 9068 section 2.1


class KeySource(Protocol):
    """Where an issuer's keys come from."""

    def find(self, kid: str | None) -> Key:
        """The key named `kid`; raise UnknownKeyError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was found about a token's principal: the facts to judge by, and the rows to hand on."""

    state: State | None
    user: Any
    session: UserSession | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """
    One party whose tokens are accepted.

    Args:
        name: the value of `iss`.
        keys: its keys, and nobody else's.
        policy: what its tokens must keep.
        look_up: finds the principal that verified claims speak for; `sub` means nothing without `iss`.
    """

    name: str
    keys: KeySource
    policy: Policy
    look_up: Callable[[Claims], Standing]


def find_issuer(name: str | None) -> Issuer:
    """The trusted issuer called `name`, to the letter; raise UntrustedIssuerError."""
    try:
        return _trusted()[name]  # type: ignore[index]  # None is simply not in it
    except KeyError:
        raise UntrustedIssuerError(f"issuer {name!r} is not trusted") from None


@cached_until_settings_change
def _trusted() -> Mapping[str, Issuer]:
    own = _ourselves()
    return {own.name: own}


def _ourselves() -> Issuer:
    settings = get_settings()
    return Issuer(
        name=settings.ISSUER,
        keys=own_keys(),
        policy=Policy(
            types=frozenset({ACCESS_TOKEN_TYPE}),
            audience=settings.AUDIENCE,
            max_lifetime=settings.ACCESS_TOKEN_LIFETIME,
            leeway=settings.LEEWAY,
            required=("client_id", "sid", "jti", "auth_time"),
        ),
        look_up=_LOOK_UPS[settings.REVOCATION],
    )


def _look_up_session(claims: Claims) -> Standing:
    session = database.find_by_token(claims)
    if session is None:
        return Standing(state=None, user=None, session=None)
    # To the letter: " 1", "01" and "1.0" are nobody, whatever a database makes of them.
    if claims.sub != user_id_of(session.user):
        raise InvalidClaimError("sub", "is not the session's user")
    return Standing(state=database.state_of(session), user=session.user, session=session)


_LOOK_UPS = {"database": _look_up_session}
