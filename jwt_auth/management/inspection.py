"""
Diagnosis of a token: run each check of the read path separately, for support staff.

Nothing here decides about a request. The checks are those of requests, run one after the other; a check that needs
the result of a failed check is left out. The database is queried, whatever the setting REVOCATION is; it knows
nothing about tokens of other issuers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.views.decorators.debug import sensitive_variables

from jwt_auth.claims import Claims, check_claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import InvalidClaimError, RefusedError, RevokedTokenError
from jwt_auth.issuers.base import Issuer
from jwt_auth.issuers.directory import issuer_of_anyone
from jwt_auth.jose import tokens
from jwt_auth.models import CLIENT_PREFIX, ClientKey, UserSession
from jwt_auth.revocation import database
from jwt_auth.revocation.verdict import WELCOME, verdict
from jwt_auth.sessions import refresh_tokens

# Each check takes this one fact from the real state, and all other facts from `WELCOME`.
_QUESTIONS = {
    "token not denied": "token_denied",
    "session not revoked": "session_revoked",
    "user active": "principal_active",
    "after the cutoffs": "cutoffs",
    "same password": "credentials_stale",
    "session not over": "session_ends_at",
}


_QUESTIONS_OF_A_CLIENT = {
    "token not denied": "token_denied",
    "key not revoked": "key_revoked",
    "user not promoted since": "key_outranked",
    "client and user active": "principal_active",
    "after the cutoffs": "cutoffs",
    "key not over": "session_ends_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a token; `refusal` is None if it passed."""

    name: str
    refusal: RefusedError | None


@dataclass(slots=True)
class Inspection:
    """The findings about a token. `claims` is only set for an access token with a valid signature."""

    kind: str
    checks: list[Check] = field(default_factory=list)
    claims: Claims | None = None
    session: UserSession | None = None
    client_key: ClientKey | None = None

    @property
    def refusal(self) -> RefusedError | None:
        """Return the first refusal, which a request with the token would get; None if the token is valid."""
        return next((check.refusal for check in self.checks if check.refusal), None)

    @contextmanager
    def check(self, name: str) -> Iterator[None]:
        """Record whether the block raises RefusedError."""
        refusal = None
        try:
            yield
        except RefusedError as error:
            refusal = error
        self.checks.append(Check(name=name, refusal=refusal))


@sensitive_variables("raw")
def inspect(raw: str, now: datetime) -> Inspection:
    """Inspect an access token or a refresh token, without changing anything."""
    if refresh_tokens.is_shaped_like_a_refresh_token(raw):
        return _inspect_refresh_token(raw, now)
    return _inspect_access_token(raw, now)


@sensitive_variables("raw")
def _inspect_access_token(raw: str, now: datetime) -> Inspection:
    found = Inspection(kind="access token")
    issuer = key = claims = None
    with found.check("form"):
        token = tokens.peek_unverified(raw)
    if found.refusal is None:
        with found.check("issuer"):
            issuer = issuer_of_anyone(token)
    if issuer is not None:
        with found.check("key"):
            key = issuer.keys.find(token.kid)
    if issuer is not None and key is not None:
        with found.check("kind and signature"):
            claims = found.claims = tokens.verify_signature(token, key, issuer.policy)
    if issuer is not None and claims is not None:
        with found.check("audience and times"):
            check_claims(claims, issuer.policy, now)
    if issuer is not None and claims is not None and issuer.name.startswith(CLIENT_PREFIX):
        _judge_client(found, issuer, claims, now)
    elif issuer is not None and claims is not None and issuer.name != get_settings().ISSUER:
        with found.check("not revoked by its issuer, and principal known here"):
            state, verified = issuer.look_ups.configured(claims, now)
            verdict(verified.claims, state, now)
    elif claims is not None:
        found.session = database.find_by_token(claims)
        _judge(found, claims, now)
    return found


@sensitive_variables("raw")
def _inspect_refresh_token(raw: str, now: datetime) -> Inspection:
    found = Inspection(kind="refresh token")
    with found.check("signature"):
        found.session, presented = refresh_tokens.find(raw)
    if found.refusal is None:
        _judge(found, _claims_of(found.session), now)
        if found.session is not None:
            with found.check("not used before"):
                refresh_tokens.refuse_misuse(presented, found.session)
    return found


def _claims_of(session: UserSession | None) -> Claims | None:
    """Return the claims that an access token of the session would have."""
    if session is None:
        return None
    name = get_settings().ISSUER
    return Claims(iss=name, aud=(name,), sub=user_id_of(session.user), iat=0, exp=0, auth_time=session.started_at)


def _judge(found: Inspection, claims: Claims | None, now: datetime) -> None:
    """Call `verdict` once for each fact, with all other facts in favour of the token."""
    session = found.session
    with found.check("session found"):
        if session is None or claims is None:
            raise RevokedTokenError("there is no such session")
    if session is None or claims is None:
        return
    with found.check("user of the session"):
        if claims.sub != user_id_of(session.user):
            raise InvalidClaimError("sub", "is not the session's user")
    state = database.state_of(session)
    for name, fact in _QUESTIONS.items():
        with found.check(name):
            verdict(claims, replace(WELCOME, **{fact: getattr(state, fact)}), now)


def _judge_client(found: Inspection, issuer: Issuer, claims: Claims, now: datetime) -> None:
    """Do the same for a client's token. Replay protection and the binding to one request are not checked."""
    found.kind = "a client's token"
    with found.check("about the client itself"):
        state, verified = issuer.look_ups.database(claims, now)
        found.client_key = verified.client_key
        for name, fact in _QUESTIONS_OF_A_CLIENT.items():
            with found.check(name):
                asked = {each: getattr(state, each) for each in ("principal", fact)}
                verdict(verified.claims, replace(WELCOME, **asked), now)
