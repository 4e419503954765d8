"""
simplejwt as an issuer: its access tokens and sliding tokens, in requests.

The database is asked in each mode of REVOCATION, as simplejwt does for each request, in at most two queries.
"""

from collections.abc import Mapping
from datetime import datetime

from jwt_auth.claims import Claims
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.contrib.simplejwt.window.package import (
    NAME,
    FormerToken,
    Kind,
    check_by_package,
    is_open,
    kind_of,
    package,
    read,
)
from jwt_auth.contrib.simplejwt.window.users import find_user, state_of
from jwt_auth.issuers.base import Issuer, LookUp, LookUps, Verified
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken
from jwt_auth.revocation.verdict import State


class _PackageKey:
    """Stands for simplejwt's key, which only its backend reads: this app would refuse some keys as too weak."""

    def __init__(self, algorithm: str) -> None:
        self._key = Key(kid=NAME, algorithm=algorithm, verifying=b"", signing=None)

    def find(self, kid: str | None) -> Key:
        return self._key


def find_former(token: UnverifiedToken) -> Issuer | None:
    """Return simplejwt as the issuer of a former access token or sliding token; None for another, or after the end."""
    if not is_open() or (kind := kind_of(token)) is None or not kind.is_access:
        return None
    return _issuers()[kind.token_class.token_type]  # type: ignore[index]  # only classes with a type are kinds


@cached_until_settings_change
def _issuers() -> Mapping[str, Issuer]:
    """Return simplejwt as an issuer, for each type of tokens that requests may have."""
    return {token_type: _issuer_of(kind) for token_type, kind in package().kinds.items() if kind.is_access}


def _issuer_of(kind: Kind) -> Issuer:
    look_up = _look_up(kind)
    return Issuer(
        name=NAME,
        keys=_PackageKey(kind.backend.algorithm),
        policy=kind.policy,
        look_ups=LookUps(configured=look_up, database=look_up, last_known=look_up),
        verify_signature=lambda token, key, policy: read(token, kind).claims,
    )


def _look_up(kind: Kind) -> LookUp:
    def look_up(claims: Claims, now: datetime) -> tuple[State, Verified]:
        former = FormerToken(kind=kind, claims=claims)
        row, user = find_user(former)
        check_by_package(former.as_token(now))
        return state_of(row, user, former, now), Verified(claims=claims, user=user)

    return look_up
