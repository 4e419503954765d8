"""
What a token of another issuer comes to here: whom it speaks for, and whether it was taken back.

Nothing that its claims name is looked up among our sessions, denied tokens or users by number: `sid`, `jti`
and `sub` mean what their issuer means by them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from jwt_auth.claims import Claims
from jwt_auth.conf.issuers import TrustedIssuer
from jwt_auth.exceptions import InvalidClaimError, InvalidTokenError
from jwt_auth.issuers.client_keys import late
from jwt_auth.issuers.remote.jwks import RemoteKeys, jwks_source
from jwt_auth.issuers.remote.subscription import Subscription, feed_source
from jwt_auth.jose.public_keys import PublicKeys
from jwt_auth.principals import ClaimsUser, parse_key, user_field, visible_users
from jwt_auth.revocation import cutoff
from jwt_auth.revocation.database import global_cutoff
from jwt_auth.revocation.verdict import WELCOME, State

# The facts to judge a token by, and its principal.
Found = tuple[State, Any]
Judge = Callable[[Claims], Found]


def keys_of(trusted: TrustedIssuer) -> PublicKeys | RemoteKeys:
    """Its keys, and nobody else's: as they were written down, or as it publishes them."""
    if trusted.KEYS is not None:
        return trusted.KEYS
    return RemoteKeys(jwks_source(str(trusted.JWKS_URL), trusted.PRIVATE_NETWORK), trusted.ALGORITHMS)


def judges_of(trusted: TrustedIssuer, keys: PublicKeys | RemoteKeys) -> tuple[Judge, Judge]:
    """How to judge what this issuer has signed, and how to do so by what is known of its revocations, however old."""
    find = _principals_of(trusted)
    if trusted.REVOCATIONS_URL is None:
        return find, find
    source = feed_source(trusted.REVOCATIONS_URL, trusted.PRIVATE_NETWORK)
    subscription = Subscription(trusted.name, source, keys, trusted.REVOCATIONS_MAX_STALENESS)
    return _both(subscription.state_of, find), _both(subscription.last_known_state_of, find)


def _both(revoked: Callable[[Claims], State], find: Judge) -> Judge:
    """What the issuer's feed and our own tables say together: whatever either refuses."""

    def judge(claims: Claims) -> Found:
        told = revoked(claims)
        state, principal = find(claims)
        return told if state is WELCOME else _combined(state, told), principal

    return judge


def _combined(state: State, told: State) -> State:
    return replace(
        state,
        token_denied=told.token_denied,
        session_revoked=told.session_revoked,
        key_revoked=told.key_revoked,
        cutoffs=(*state.cutoffs, *told.cutoffs),
    )


def _principals_of(trusted: TrustedIssuer) -> Judge:
    if trusted.PRINCIPAL == "claims":
        return _claims_only
    if trusted.USER_FIELD is not None:
        return _user_by(trusted.USER_FIELD)
    return _whom_the_project_says(trusted)


def _claims_only(claims: Claims) -> Found:
    return WELCOME, ClaimsUser(claims)


def _user_by(name: str) -> Judge:
    """The user whose field `name` holds the issuer's `sub`, with the cutoffs that users have here. One query."""

    def find(claims: Claims) -> Found:
        user = _users().filter(**{name: parse_key(user_field(name), claims.sub)}).first()
        # To the letter, whatever a database makes of case, blanks or another spelling of a number.
        if user is None or str(getattr(user, name)) != claims.sub:
            raise InvalidClaimError("sub", f"is the {name} of no user")
        return _state_of(user), user

    return find


def _whom_the_project_says(trusted: TrustedIssuer) -> Judge:
    """Whom PRINCIPAL returns. A user of ours is judged as one, whoever has found it, with one query."""

    def find(claims: Claims) -> Found:
        principal = trusted.PRINCIPAL(claims)  # type: ignore[operator]  # neither of the two words
        if principal is None:
            raise InvalidTokenError(f"PRINCIPAL knows nobody for the claims of {trusted.name!r}")
        if not isinstance(principal, get_user_model()) or principal._state.adding:
            return WELCOME, principal
        user = _users().filter(pk=principal.pk).first()
        if user is None:
            raise InvalidTokenError("PRINCIPAL names a user who is not there")
        return _state_of(user), principal

    return find


def _users() -> QuerySet[Any]:
    """All users, with what `_state_of` needs."""
    return cutoff.with_cutoff(visible_users().annotate(global_cutoff=global_cutoff()))


def _state_of(user: Any) -> State:
    return State(
        token_denied=False,
        session_revoked=False,
        session_ends_at=None,
        cutoffs=late((cutoff.read(user), user.global_cutoff)),  # by our clock; the token is dated by another's
        principal_active=user.is_active,
        credentials_stale=False,
    )
