"""
Whom we believe: an issuer's keys, the policy of its tokens, and how to find whom they speak for.

A key is only reachable through its issuer, together with that issuer's policy, so no token can choose
the rules it is judged by (RFC 8725 section 3.8).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from jwt_auth import foreign, key_usage
from jwt_auth.claims import Claims, Policy
from jwt_auth.conf import cached_until_settings_change, get_settings
from jwt_auth.exceptions import InvalidClaimError, UntrustedIssuerError
from jwt_auth.keys import Key
from jwt_auth.models import ClientKey, UserSession, user_id_of
from jwt_auth.own_keys import source_of_own_keys
from jwt_auth.principals import ClaimsUser, lazy_user
from jwt_auth.revocation import database, memory
from jwt_auth.revocation.verdict import WELCOME, State
from jwt_auth.tokens import UnverifiedToken, media_type
from jwt_auth.trusted import TrustedIssuer, trusted_issuers

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


def issuer_of(token: UnverifiedToken) -> Issuer:
    """The directory of ourselves and TRUSTED_ISSUERS."""
    # Looked up here, because each request comes this way, and a call more takes longer than the look.
    return _trusted().get(token.issuer) or find_issuer(token.issuer)  # type: ignore[arg-type]  # None is not in it


def find_issuer(name: str | None) -> Issuer:
    """The trusted issuer called `name`, to the letter; raise UntrustedIssuerError."""
    try:
        return _trusted()[name]  # type: ignore[index]  # None is simply not in it
    except KeyError:
        raise UntrustedIssuerError(f"issuer {name!r} is not trusted") from None


@cached_until_settings_change
def _trusted() -> Mapping[str, Issuer]:
    own = _ourselves()
    return {own.name: own, **{name: _another(trusted) for name, trusted in trusted_issuers().items()}}


def _ourselves() -> Issuer:
    settings = get_settings()
    return Issuer(
        name=settings.ISSUER,
        keys=source_of_own_keys(),
        policy=Policy(
            types=frozenset({ACCESS_TOKEN_TYPE}),
            audiences=frozenset({settings.AUDIENCE}),
            max_lifetime=settings.ACCESS_TOKEN_LIFETIME,
            leeway=settings.LEEWAY,
            required=("client_id", "sid", "jti", "auth_time"),
        ),
        look_ups={**_LOOK_UPS, None: _LOOK_UPS[settings.REVOCATION]},
        count=key_usage.count if settings.KEYS == "database" else None,
    )


def _another(trusted: TrustedIssuer) -> Issuer:
    """Another server: nothing of what its claims name (`sid`, `sub`, `jti`) is looked up among ours."""
    names = {"scope": "scope", **trusted.CLAIMS}  # never empty, because a `scope` may be a list there
    keys = foreign.keys_of(trusted)
    judge, judge_however_old = foreign.judges_of(trusted, keys)
    return Issuer(
        name=trusted.name,
        keys=keys,
        policy=Policy(
            types=frozenset(map(media_type, trusted.TYPES)),
            audiences=frozenset(trusted.AUDIENCE),
            max_lifetime=trusted.MAX_LIFETIME,
            leeway=get_settings().LEEWAY,
            required=(),
            names=names,
            values=trusted.REQUIRE,
        ),
        look_ups={
            **dict.fromkeys((*_LOOK_UPS, None), _look_up_by(judge, trusted)),
            HOWEVER_OLD: _look_up_by(judge_however_old, trusted),
        },
    )


def _look_up_by(judge: foreign.Judge, trusted: TrustedIssuer) -> Callable[[Claims], Standing]:
    def look_up(claims: Claims) -> Standing:
        one_time = trusted.ONE_TIME or claims.all.get("one_time") is True
        if one_time and claims.jti is None:
            raise InvalidClaimError("jti", "is missing, and the token is good for once")
        state, principal = judge(claims)
        return Standing(claims=claims, state=state, user=principal, one_time=one_time)

    return look_up


def _look_up_session(claims: Claims) -> Standing:
    session = database.find_by_token(claims)
    if session is None:
        return Standing(claims=claims, state=None, user=None)
    # To the letter: " 1", "01" and "1.0" are nobody, whatever a database makes of them.
    if claims.sub != user_id_of(session.user):
        raise InvalidClaimError("sub", "is not the session's user")
    return Standing(claims=claims, state=database.state_of(session), user=session.user, session=session)


def _look_up_in_memory(claims: Claims) -> Standing:
    return Standing(claims=claims, state=memory.state_of(claims), user=lazy_user(claims.sub))


def _look_up_in_last_known(claims: Claims) -> Standing:
    return Standing(claims=claims, state=memory.last_known_state_of(claims), user=lazy_user(claims.sub))


def _look_up_nothing(claims: Claims) -> Standing:
    return Standing(claims=claims, state=WELCOME, user=ClaimsUser(claims))


_LOOK_UPS: Mapping[str | None, Callable[[Claims], Standing]] = {
    "database": _look_up_session,
    "memory": _look_up_in_memory,
    "none": _look_up_nothing,
    HOWEVER_OLD: _look_up_in_last_known,
}
