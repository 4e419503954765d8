"""
The exchange of a former refresh token, or of a sliding token, for a session: once, in one transaction.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication.replay import record
from jwt_auth.claims import REGISTERED, check_claims, moment
from jwt_auth.contrib.simplejwt.window.package import (
    FormerToken,
    blacklist,
    check_by_package,
    former_of,
    is_open,
    kept_until,
    package,
)
from jwt_auth.contrib.simplejwt.window.users import find_user, find_user_or_none, state_of
from jwt_auth.exceptions import (
    ExpiredTokenError,
    InactivePrincipalError,
    InvalidTokenError,
    ReplayedTokenError,
    RevokedTokenError,
    StaleCredentialsError,
    TokenError,
)
from jwt_auth.http.peer import Peer
from jwt_auth.revocation.verdict import verdict
from jwt_auth.sessions.extensions import FormerContent
from jwt_auth.sessions.lifecycle import check_exchanged, refresh_exchanged
from jwt_auth.sessions.results import TokenPair
from jwt_auth.sessions.starting import CredentialsChangedError, exchange
from jwt_auth.sessions.terms import Terms


@sensitive_variables()
def exchange_former(raw: str, *, peer: Peer | None, now: datetime | None) -> TokenPair | None:
    """
    Exchange a former refresh token or sliding token for a session; None if `raw` is none, or after the window's end.

    Raises:
        InvalidTokenError, ExpiredTokenError, RevokedTokenError: if it is one, and is refused. RefreshTokenReusedError
            ends the session that it was exchanged for.
        ConfigurationError: if simplejwt can't be asked; otherwise as sessions.start().
        UnavailableError: as sessions.start(). The token is not used up.
    """
    arrived_at = now or timezone.now()
    if (found := _find(raw, arrived_at)) is None:
        return None
    former, user, is_used = found
    pair = None if is_used else _exchange(former, user, peer, now)
    return pair or refresh_exchanged(former.digest, peer=peer, arrived_at=arrived_at, now=now)


@sensitive_variables()
def check_former(raw: str, *, now: datetime | None = None) -> bool:
    """
    Check whether a former refresh token or sliding token could be exchanged, and change nothing.

    Returns:
        False if `raw` is none, or after the window's end.

    Raises:
        InvalidTokenError, ExpiredTokenError, RevokedTokenError: if it is one, and an exchange is refused. One that was
            used before is, after the grace period of the exchange.
        ConfigurationError: if simplejwt can't be asked.
        UnavailableError: if the database can't be asked.
    """
    with outage_is_unavailable():
        found = _find(raw, now or timezone.now())
        if found is None:
            return False
        former, _, is_used = found
        if is_used:
            check_exchanged(former.digest, now=now)
    return True


@sensitive_variables()
def read_former(raw: str, *, now: datetime | None = None) -> FormerContent | None:
    """
    Return what is in a former token, of any age, with the names that this app's own tokens have for its times and id.

    Returns:
        None if `raw` is no former token, or after the window's end.

    Raises:
        InvalidTokenError: if its signature, or what it says, is wrong.
        ConfigurationError: if simplejwt can't be asked.
        UnavailableError: if the database can't be asked.
    """
    if not is_open(now) or (former := former_of(raw)) is None:
        return None
    with outage_is_unavailable():
        _, user = find_user_or_none(former)
    claims = former.claims
    times = {"exp": int(claims.expires_at.timestamp()), "iat": claims.iat, "jti": claims.jti}
    return FormerContent(
        token_type=str(former.kind.token_class.token_type),
        is_access=former.kind.is_access,
        is_exchanged=former.kind.is_exchanged,
        user=user,
        sid=former.digest,
        claims={**times, **claims.all},
        kept=_own_claims(former),
    )


@sensitive_variables()
def _find(raw: str, now: datetime) -> tuple[FormerToken, Any, bool] | None:
    """
    Return the former token in `raw`, its user, and whether it is used up; None if it is none that can be exchanged.

    A token that is not used up has passed all checks: those of simplejwt and ours.
    """
    if not is_open(now) or (former := former_of(raw)) is None or not former.kind.is_exchanged:
        return None
    check_claims(former.claims, former.kind.policy, now)
    # Before the row is read: if another request exchanges the token meanwhile, which also puts it on the blacklist, the
    # row already says that it is used.
    refusal = _refusal_by_package(former, now)
    row, user = find_user(former)
    if row.jwt_used:
        return former, user, True
    if refusal is not None:
        raise refusal
    verdict(former.claims, state_of(row, user, former, now), now)
    if not package().settings.USER_AUTHENTICATION_RULE(user):
        raise InactivePrincipalError("USER_AUTHENTICATION_RULE refuses the user")
    return former, user, False


def _refusal_by_package(former: FormerToken, now: datetime) -> TokenError | None:
    """Return the error if simplejwt itself refuses a token whose signature and claims are valid."""
    from rest_framework_simplejwt.exceptions import TokenError as PackageError

    token = former.as_token(now)
    try:
        check_by_package(token)
        if former.kind.is_access:  # a sliding token, which has two ends
            token.check_exp(package().settings.SLIDING_TOKEN_REFRESH_EXP_CLAIM)
    except RevokedTokenError as error:
        return error
    except PackageError as error:
        return ExpiredTokenError(f"simplejwt refuses the token: {error}")
    return None


def _exchange(former: FormerToken, user: Any, peer: Peer | None, now: datetime | None) -> TokenPair | None:
    """Start the session of a token that was checked; return None if another request has used the token up."""

    def use_up() -> bool:
        try:
            record(former.digest, kept_until(former.claims))
        except ReplayedTokenError:
            return False
        blacklist(former.as_token(now or timezone.now()))
        return True

    terms = _terms(former, peer, now or timezone.now())
    try:
        return exchange(user, terms, sid=former.digest, use_up=use_up, now=now)
    except CredentialsChangedError as error:
        raise StaleCredentialsError(str(error)) from error


def _terms(former: FormerToken, peer: Peer | None, now: datetime) -> Terms:
    """
    Return the terms of the session for a former token.

    Raises:
        InvalidTokenError: if its claims don't fit into a session's `data`.
    """
    claims = _own_claims(former)
    terms = Terms(
        data={"claims": claims} if claims else None,
        peer=peer or Peer(),
        authenticated_at=min(moment(former.claims.iat), now),  # the clocks of two machines differ
    )
    try:
        terms.check(now)
    except ValueError as error:
        raise InvalidTokenError(f"the token's own claims can't be kept: {error}") from error
    return terms


def _own_claims(former: FormerToken) -> Mapping[str, Any]:
    """Return the claims that the project has added: those that simplejwt copies, except those that this app sets."""
    from rest_framework_simplejwt.tokens import RefreshToken

    settings = package().settings
    not_copied = {
        *REGISTERED,
        *RefreshToken.no_copy_claims,
        settings.USER_ID_CLAIM,
        settings.REVOKE_TOKEN_CLAIM,
        settings.SLIDING_TOKEN_REFRESH_EXP_CLAIM,
    }
    return {name: value for name, value in former.claims.all.items() if name not in not_copied}
