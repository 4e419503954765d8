"""
Whom we believe: an issuer's keys, the policy of its tokens, and how to find whom they speak for.

A key is only reachable through its issuer, together with that issuer's policy, so no token can choose
the rules it is judged by (RFC 8725 section 3.8).
"""

from collections.abc import Callable, Mapping

from jwt_auth.claims import Claims, Policy
from jwt_auth.conf import get_settings
from jwt_auth.conf.issuers import TrustedIssuer, trusted_issuers
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import InvalidClaimError, UntrustedIssuerError
from jwt_auth.issuers import foreign
from jwt_auth.issuers.base import ACCESS_TOKEN_TYPE, HOWEVER_OLD, Issuer, Standing
from jwt_auth.jose.tokens import UnverifiedToken, media_type
from jwt_auth.keyring import usage
from jwt_auth.keyring.stored import source_of_own_keys
from jwt_auth.models import user_id_of
from jwt_auth.principals import ClaimsUser, lazy_user
from jwt_auth.revocation import database
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.verdict import WELCOME


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
        count=usage.count if settings.KEYS == "database" else None,
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
    return Standing(claims=claims, state=view.state_of(claims), user=lazy_user(claims.sub))


def _look_up_in_last_known(claims: Claims) -> Standing:
    return Standing(claims=claims, state=view.last_known_state_of(claims), user=lazy_user(claims.sub))


def _look_up_nothing(claims: Claims) -> Standing:
    return Standing(claims=claims, state=WELCOME, user=ClaimsUser(claims))


_LOOK_UPS: Mapping[str | None, Callable[[Claims], Standing]] = {
    "database": _look_up_session,
    "memory": _look_up_in_memory,
    "none": _look_up_nothing,
    HOWEVER_OLD: _look_up_in_last_known,
}
