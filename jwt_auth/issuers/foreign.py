"""
Other servers as issuers: the principals of their tokens, and the revocations that they publish.

Their claims are never looked up among our sessions, our denied tokens, or the primary keys of our users: `sid`, `jti`
and `sub` have the meaning that their issuer gives them.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from jwt_auth.claims import Claims, Policy, moment
from jwt_auth.conf import get_settings
from jwt_auth.conf.issuers import TrustedIssuer
from jwt_auth.conf.user_keys import key_of, user_id_of
from jwt_auth.exceptions import InvalidClaimError, InvalidTokenError
from jwt_auth.issuers.base import Issuer, LookUp, LookUps, Recheck, Verified
from jwt_auth.issuers.remote.jwks import RemoteKeys, jwks_source
from jwt_auth.issuers.remote.subscription import Subscription, feed_source
from jwt_auth.issuers.tenants import has_tenants
from jwt_auth.jose.public_keys import PublicKeys
from jwt_auth.jose.tokens import media_type
from jwt_auth.models import RevocationEvent
from jwt_auth.principals import ClaimsUser
from jwt_auth.process.blocking import about_to_block
from jwt_auth.revocation import cutoff, wall_clock
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.verdict import WELCOME, State
from jwt_auth.user_model import as_made, is_user, read_exact_key, user_field, visible_rows

Scope = RevocationEvent.Scope

# The state to judge a token by, and its principal.
Found = tuple[State, Any]
Judge = Callable[[Claims, datetime], Found]


def foreign_issuer(trusted: TrustedIssuer) -> Issuer:
    """Return the issuer for an entry of TRUSTED_ISSUERS."""
    keys = _keys_of(trusted)
    feed = _feed_of(trusted, keys)
    judge, judge_by_last_known = _judges_of(trusted, feed)
    now, last_known = _look_up_by(judge, trusted), _look_up_by(judge_by_last_known, trusted)
    return Issuer(
        name=trusted.name,
        keys=keys,
        policy=Policy(
            types=frozenset(map(media_type, trusted.TYPES)),
            audiences=frozenset(trusted.AUDIENCE),
            max_lifetime=trusted.MAX_LIFETIME,
            leeway=get_settings().LEEWAY,
            required=(),
            # With "scope" in any case: under a name in `names`, a scope may be a list.
            names={"scope": "scope", **{ours: theirs for ours, theirs in trusted.CLAIMS.items() if theirs is not None}},
            undated=trusted.CLAIMS.get("iat", "iat") is None,
            values=trusted.REQUIRE,
        ),
        look_ups=LookUps(configured=now, database=now, last_known=last_known),
        recheck=_recheck(trusted, feed),
    )


def _look_up_by(judge: Judge, trusted: TrustedIssuer) -> LookUp:
    def look_up(claims: Claims, now: datetime) -> tuple[State, Verified]:
        if "cnf" in claims.all:  # RFC 7800, as DPoP and mutual TLS use it
            raise InvalidClaimError("cnf", "binds the token to a key of its client, and nothing here checks that")
        one_time = trusted.ONE_TIME or claims.all.get("one_time") is True
        if one_time and claims.jti is None:
            raise InvalidClaimError("jti", "is missing, and the token is single-use")
        claims = _without_late_sign_in(claims)
        state, principal = judge(claims, now)
        return state, Verified(claims=claims, user=principal, one_time=one_time)

    return look_up


def _without_late_sign_in(claims: Claims) -> Claims:
    """
    Drop an `auth_time` later than the token, which would be immune to cutoffs; `iat` takes its place there.

    `iat` often has whole seconds, and `auth_time` microseconds: within the second of `iat` it is not later.
    """
    late = claims.auth_time is not None and claims.auth_time >= moment(int(claims.iat) + 1)
    return replace(claims, auth_time=None) if late else claims


def _keys_of(trusted: TrustedIssuer) -> PublicKeys | RemoteKeys:
    """Return the issuer's keys: from the settings, or from its JWK Set."""
    if trusted.KEYS is not None:
        return trusted.KEYS
    return RemoteKeys(jwks_source(str(trusted.JWKS_URL), trusted.PRIVATE_NETWORK), trusted.ALGORITHMS)


def _feed_of(trusted: TrustedIssuer, keys: PublicKeys | RemoteKeys) -> Subscription | None:
    """Return the revocations that the issuer publishes; None if it publishes none."""
    if trusted.REVOCATIONS_URL is None:
        return None
    source = feed_source(trusted.REVOCATIONS_URL, trusted.PRIVATE_NETWORK)
    return Subscription(
        trusted.name, source, keys, trusted.REVOCATIONS_MAX_STALENESS, max_lifetime=trusted.MAX_LIFETIME
    )


def _judges_of(trusted: TrustedIssuer, feed: Subscription | None) -> tuple[Judge, Judge]:
    """Return two judges: one with a feed that is fresh enough, and one with the last feed that was read, of any age."""
    find = _principals_of(trusted)
    if feed is None:
        return find, find
    return _both(feed.state_of, find), _both(feed.last_known_state_of, find)


def _recheck(trusted: TrustedIssuer, feed: Subscription | None) -> Recheck:
    """Return the way to judge a token again: by the feed, and by our own revocations of the local user, if any."""

    def known_state(verified: Verified, now: datetime, *, last: bool) -> State | None:
        told = WELCOME
        if feed is not None:
            told = _told_by((feed.last_known_state_of if last else feed.state_of), verified.claims, now)
        if not asks_view or not _is_row(verified.user):
            return told
        state = _state_of_local_user(verified, now, last=last)
        return state and state.joined(told)

    is_ours = trusted.PRINCIPAL != "claims"
    asks_view = is_ours and get_settings().REVOCATION != "none" and not has_tenants()
    return Recheck(known_state=known_state, has_rows=is_ours, uses_view=asks_view, is_polled=True)


def _state_of_local_user(verified: Verified, now: datetime, *, last: bool) -> State | None:
    """Return the user's state in the view. The token's own `sub`, `sid`, `jti` and `kid` are another server's names."""
    sub = user_id_of(verified.user)
    local = replace(verified.claims, iss="", sub=sub, sid=None, jti=None, kid=None, client_id=None)
    state = view.last_known_state_of(local) if last else view.state_of(local)
    return state and wall_clock.judged_by_another_clock(state, now, {Scope.USER: sub, Scope.ALL: ""})


def _is_row(principal: Any) -> bool:
    """Return whether a principal is a user of this project, with a row."""
    return is_user(principal) and not principal._state.adding


def _both(revoked: Callable[[Claims], State], find: Judge) -> Judge:
    """Return a judge that joins the state from the issuer's feed with the state from our own tables."""

    def judge(claims: Claims, now: datetime) -> Found:
        told = _told_by(revoked, claims, now)
        state, principal = find(claims, now)
        return told if state is WELCOME else state.joined(told), principal

    return judge


def _told_by(revoked: Callable[[Claims], State], claims: Claims, now: datetime) -> State:
    """Return the state from the issuer's feed."""
    told = revoked(claims)
    if claims.auth_time is None:
        told = replace(told, cutoffs=tuple(_in_force_at(each, now, claims.iss) for each in told.cutoffs))
    return told


def _in_force_at(cutoff: datetime | None, now: datetime, issuer: str) -> datetime | None:
    return cutoff and wall_clock.in_force_at(cutoff, now, {}, issuer)


def _principals_of(trusted: TrustedIssuer) -> Judge:
    if trusted.PRINCIPAL == "claims":
        return _claims_only
    if trusted.USER_FIELD is not None:
        return _user_by(trusted.USER_FIELD)
    return _whom_the_project_says(trusted)


def _claims_only(claims: Claims, now: datetime) -> Found:
    return WELCOME, ClaimsUser(claims)


def _user_by(name: str) -> Judge:
    """Return a judge that finds the user by the field `name`, which has the `sub`, with their cutoffs. One query."""

    def find(claims: Claims, now: datetime) -> Found:
        field = user_field(name)
        key = read_exact_key(field, claims.sub)
        row = None if key is None else _rows().filter(**{name: key}).first()
        # Compared exactly, because databases may ignore case or blanks, or accept another spelling of a number.
        found = row is not None and str(field.value_from_object(row)) == claims.sub
        user = as_made(row, shown=True) if found else None
        if user is None:
            raise InvalidClaimError("sub", f"is the {name} of no user")
        return _state_of(row, user, now), user

    return find


def _whom_the_project_says(trusted: TrustedIssuer) -> Judge:
    """
    Return a judge that calls PRINCIPAL.

    If PRINCIPAL returns a user of this project, the user's state counts, as with USER_FIELD. One query, for that.
    """

    def find(claims: Claims, now: datetime) -> Found:
        about_to_block()  # the project's code may ask a cache or a server, and is not called twice
        principal = trusted.PRINCIPAL(claims)  # type: ignore[operator]  # it is a callable here
        if principal is None:
            raise InvalidTokenError(f"PRINCIPAL found nobody for the claims of {trusted.name!r}")
        if not _is_row(principal):
            return WELCOME, principal
        row = _rows().filter(pk=key_of(principal)).first()
        user = None if row is None else as_made(row, shown=True)
        if user is None:
            raise InvalidTokenError("PRINCIPAL returned a user who does not exist")
        return _state_of(row, user, now), principal

    return find


def _rows() -> QuerySet[Any]:
    """Return the rows of all visible users, with the columns that `_state_of` needs."""
    return cutoff.with_cutoff(visible_rows().annotate(global_cutoff=cutoff.global_cutoff()))


def _state_of(row: Any, user: Any, now: datetime) -> State:
    """Return the state of a user: `row` has the cutoffs, and the project's manager made `user` of it."""
    state = replace(WELCOME, cutoffs=(cutoff.read(row), row.global_cutoff), principal_active=user.is_active)
    return wall_clock.judged_by_another_clock(state, now, {Scope.USER: user_id_of(user), Scope.ALL: ""})
