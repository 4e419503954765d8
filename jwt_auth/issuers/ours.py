"""
This server as an issuer: the access tokens of its own sessions.
"""

from datetime import datetime

from jwt_auth.claims import Claims, Policy
from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import InvalidClaimError
from jwt_auth.issuers.base import ACCESS_TOKEN_TYPE, Issuer, LookUp, LookUps, Recheck, Verified
from jwt_auth.issuers.tenants import has_tenants, refuse_to_confuse_tenants
from jwt_auth.keyring.stored import source_of_own_keys
from jwt_auth.keyring.usage import note_signing_key
from jwt_auth.principals import ClaimsUser, lazy_user
from jwt_auth.process.blocking import about_to_block
from jwt_auth.revocation import database
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.subjects import parse_sid
from jwt_auth.revocation.verdict import WELCOME, State


def ourselves() -> Issuer:
    """Return this server as an issuer, under its name ISSUER and the settings in force."""
    refuse_to_confuse_tenants()
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
            default_scope=None,
        ),
        look_ups=LookUps(
            configured=_look_up_as_configured(settings.REVOCATION),
            database=_look_up_session,
            last_known=_look_up_in_last_known,
        ),
        count=note_signing_key if settings.KEYS == "database" else None,
        recheck=None if has_tenants() else _recheck(settings.REVOCATION),
    )


def _recheck(mode: str) -> Recheck:
    return Recheck(
        known_state=_known_nothing if mode == "none" else _known_state,
        has_rows=mode == "database",
        uses_view=mode != "none",
        read_states=database.read_states,
    )


def _look_up_as_configured(mode: str) -> LookUp:
    return {"database": _look_up_session, "memory": _look_up_in_memory, "none": _look_up_nothing}[mode]


def _check_sid(claims: Claims) -> None:
    """Raise InvalidClaimError for a `sid` that we never issue. The database knows by itself that there is no such."""
    if parse_sid(claims.sid) is None:
        raise InvalidClaimError("sid", "is not the id of a session")


def _look_up_session(claims: Claims, now: datetime) -> tuple[State | None, Verified]:
    about_to_block()  # here, because compiling the query for the first time may ask the database for its version
    session = database.find_by_token(claims)
    if session is None:
        return None, Verified(claims=claims, user=None)
    # Compared exactly: " 1", "01" and "1.0" name no user, even if the database takes them for 1.
    if claims.sub != user_id_of(session.user):
        raise InvalidClaimError("sub", "is not the session's user")
    return database.state_of(session), Verified(claims=claims, user=session.user, session=session)


def _look_up_in_memory(claims: Claims, now: datetime) -> tuple[State | None, Verified]:
    _check_sid(claims)
    state = view.state_of(claims)
    if state is None:
        return _look_up_session(claims, now)
    return state, Verified(claims=claims, user=lazy_user(claims.sub))


def _look_up_in_last_known(claims: Claims, now: datetime) -> tuple[State, Verified]:
    _check_sid(claims)
    return view.last_known_state_of(claims), Verified(claims=claims, user=lazy_user(claims.sub))


def _look_up_nothing(claims: Claims, now: datetime) -> tuple[State, Verified]:
    _check_sid(claims)
    return WELCOME, Verified(claims=claims, user=ClaimsUser(claims))


def _known_state(verified: Verified, now: datetime, *, last: bool) -> State | None:
    return view.last_known_state_of(verified.claims) if last else view.state_of(verified.claims)


def _known_nothing(verified: Verified, now: datetime, *, last: bool) -> State:
    return WELCOME
