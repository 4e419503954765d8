"""
The claims of a token (RFC 7519, RFC 9068) as a value, and the rules about audience and time.

Pure: functions of values alone, with `now` passed in.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from jwt_auth.exceptions import ExpiredTokenError, InvalidClaimError
from jwt_auth.lines import is_line

__all__ = ["Claims"]

# Times in documents must be earlier. Nearly two days are left before the last moment that a datetime can hold: for
# every time zone, and for leeways and lifetimes, which are added.
LATEST = datetime(9999, 12, 30, tzinfo=timezone.utc)
_LATEST_SECONDS = int(LATEST.timestamp())

# Claims that the app sets; CLAIMS_CALLABLE can't.
REGISTERED = frozenset(
    (
        *("iss", "aud", "sub", "client_id", "sid", "jti", "auth_time", "iat", "exp", "nbf"),
        *("amr", "acr", "scope", "act", "cnf", "one_time"),
    )
)

_SID = re.compile("[0-9a-f]{32}")

_ABSENT = object()

_AS_THEY_ARE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """
    The rules for an issuer's tokens.

    Args:
        types: accepted values of the `typ` header, in lower case; None stands for an absent one.
        audiences: the audiences of which `aud` must name one.
        sole_audience: whether `aud` must name no other audience.
        max_lifetime: the longest accepted `exp - iat`.
        leeway: tolerance for clocks that differ.
        required: names of claims that must be present, beyond iss, aud, sub, iat and exp.
        names: the issuer's name for a claim, by our name for it, where the two differ.
        undated: whether a token may lack `iat`. It then counts as issued `max_lifetime` before `exp`: it can't have
            been issued earlier, and so no cutoff is missed.
        values: the accepted values of a claim, by the issuer's name for it; None stands for an absent one.
        default_scope: the scope of a token without the claim; None if such a token has no limits, as only those of
            sign-ins at this server have.
    """

    types: frozenset[str | None]
    audiences: frozenset[str]
    max_lifetime: timedelta
    leeway: timedelta
    required: tuple[str, ...]
    sole_audience: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    undated: bool = False
    values: Mapping[str, Collection[Any]] = field(default_factory=dict)
    default_scope: str | None = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """
    Claims of the right types; `check_claims` decides whether they are valid now.

    `exp`, `iat` and `nbf` are seconds since the epoch; `auth_time` is an aware datetime with microseconds.
    If the issuer leaves `iat` out, it is the earliest time at which the token may have been issued.
    `scope` is None only in a token from a sign-in at this server, which has no limits. Another token without the claim
    has the scope "", and so is not valid for anything that requires a scope.
    `kid` is not a claim, but names the key that signed them; None if no signature was checked.
    `amr` and `acr` say how, and at which level, the user was authenticated at `auth_time` (RFC 8176, RFC 9068 section
    2.2.1).
    `all` has every claim of the token as received, including private ones.
    """

    iss: str
    aud: tuple[str, ...]
    sub: str
    iat: float
    exp: float
    nbf: float | None = None
    jti: str | None = None
    sid: str | None = None
    client_id: str | None = None
    scope: str | None = None
    auth_time: datetime | None = None
    amr: tuple[str, ...] = ()
    acr: str | None = None
    kid: str | None = None
    all: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def scopes(self) -> frozenset[str]:
        """The single scopes in `scope` (RFC 6749 section 3.3)."""
        return frozenset((self.scope or "").split())

    @property
    def is_limited(self) -> bool:
        """True if the token is valid only for its scopes; False for that of a sign-in at this server."""
        return self.scope is not None

    @property
    def session_id(self) -> UUID | None:
        """The id of the session that the token is of; None for any token but that of a sign-in at this server."""
        if self.is_limited or self.sid is None:
            return None
        return UUID(hex=self.sid) if _SID.fullmatch(self.sid) else None

    def as_dict(self) -> dict[str, Any]:
        """Return the claims in the form that a token has; `all` is not used."""
        values = {
            "iss": self.iss,
            "aud": self.aud[0] if len(self.aud) == 1 else list(self.aud),
            "sub": self.sub,
            "client_id": self.client_id,
            "sid": self.sid,
            "jti": self.jti,
            "auth_time": self.auth_time and self.auth_time.timestamp(),
            "amr": list(self.amr) or None,
            "acr": self.acr,
            "iat": self.iat,
            "exp": self.exp,
            "nbf": self.nbf,
            "scope": self.scope,
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def expires_at(self) -> datetime:
        """`exp` as an aware datetime."""
        return moment(self.exp)


def parse_claims(
    document: Mapping[str, Any],
    names: Mapping[str, str] = _AS_THEY_ARE,
    *,
    default_scope: str | None = "",
    undated: timedelta | None = None,
    kid: str | None = None,
) -> Claims:
    """
    Check the types of a decoded token's claims. A claim that has another name in `names` is read from there alone.

    Args:
        names, default_scope: see Policy.
        undated: the longest life of the issuer's tokens, if they may lack `iat`; see Policy.

    Raises:
        InvalidClaimError: for the first claim that is missing or of the wrong type.
    """

    def named(claim: str) -> str:
        return names.get(claim, claim)

    def optional(read: Any, claim: str) -> Any:
        return read(document, named(claim)) if named(claim) in document else None

    scope, auth_time = optional(_scope if "scope" not in names else _scopes, "scope"), optional(_number, "auth_time")
    return Claims(
        iss=_text(document, "iss"),
        aud=_texts(document, named("aud")),
        sub=_text(document, named("sub")),
        iat=_issued_at(document, named("iat"), undated),
        exp=_number(document, "exp"),
        nbf=optional(_number, "nbf"),
        jti=optional(_text, "jti"),
        sid=optional(_text, "sid"),
        client_id=optional(_text, "client_id"),
        scope=default_scope if scope is None else scope,
        auth_time=None if auth_time is None else moment(auth_time),
        amr=optional(_list_of_texts, "amr") or (),
        acr=optional(_text, "acr"),
        kid=kid,
        all=document,
    )


def _issued_at(document: Mapping[str, Any], name: str, undated: timedelta | None) -> float:
    """Return the earliest time at which the token may have been issued, by the claim `name`, and by a real `iat`."""
    if name != "iat" and "iat" in document:
        return min(_number(document, name), _number(document, "iat"))
    if undated is None or name in document:
        return _number(document, name)
    return max(0.0, _number(document, "exp") - undated.total_seconds())


def check_claims(claims: Claims, policy: Policy, now: datetime) -> None:
    """
    Check the audience, the times, and the claims that `policy` requires (RFC 7519 section 4.1).

    Raises:
        InvalidClaimError: when the token is not for us, not valid yet, or valid for too long, or when a required
            claim is missing or has another value.
        ExpiredTokenError: when the token has expired.
    """
    check_lasting_claims(claims, policy)
    check_times(claims, policy, now)


def check_lasting_claims(claims: Claims, policy: Policy) -> None:
    """
    Do the part of check_claims() whose result is always the same for the same claims and policy.

    Raises:
        InvalidClaimError: see check_claims().
    """
    for name in policy.required:
        if claims.all.get(name) is None:
            raise InvalidClaimError(name, "is missing")
    for name, accepted in policy.values.items():
        if not any(_equal(claims.all.get(name), item) for item in accepted):
            raise InvalidClaimError(name, "has another value than this issuer's tokens must have")
    if policy.audiences.isdisjoint(claims.aud):
        raise InvalidClaimError(policy.names.get("aud", "aud"), not_for_us(claims.aud, policy.audiences))
    if "aud" in policy.names and "aud" in claims.all:  # although another claim takes its place
        audiences = _texts(claims.all, "aud")
        if policy.audiences.isdisjoint(audiences):
            raise InvalidClaimError("aud", not_for_us(audiences, policy.audiences))
    if policy.sole_audience and len(claims.aud) > 1:
        raise InvalidClaimError("aud", "names others besides us")
    # In this form, because _issued_at() computes the same difference: no rounding makes the two differ.
    if claims.iat < claims.exp - policy.max_lifetime.total_seconds():
        raise InvalidClaimError("exp", "is further from iat than allowed")


def check_times(claims: Claims, policy: Policy, now: datetime) -> None:
    """
    Do the rest of check_claims(), which depends on the time.

    Raises:
        InvalidClaimError: when the token is not valid yet.
        ExpiredTokenError: when it has expired.
    """
    seconds, leeway = now.timestamp(), policy.leeway.total_seconds()
    latest = seconds + leeway
    # `iat` twice: `claims.iat` may be the earlier of two times, and the token's own `iat` may be later.
    if claims.iat > latest or claims.all.get("iat", 0) > latest:
        raise InvalidClaimError("iat", "lies in the future")
    if claims.nbf is not None and claims.nbf > latest:
        raise InvalidClaimError("nbf", "lies in the future")
    if claims.exp <= seconds - leeway:
        raise ExpiredTokenError("exp has passed")


def not_for_us(named: Collection[str], accepted: Collection[str]) -> str:
    """Return the text for a token whose audiences are other servers."""
    return f"is {shown(named)}, and accepted is {shown(accepted)}"


def shown(names: Collection[str]) -> str:
    """Return a few names for the log; they are as long as the issuer made them, and the text has a limit."""
    few = [repr(name[:80]) for name in sorted(names)[:5]]
    return ", ".join([*few, "..."] if len(names) > len(few) else few)


def _equal(value: object, accepted: object) -> bool:
    """Compare a claim with a value of the settings, which may have tuples, as JSON: there, `true` is not 1."""
    if isinstance(accepted, Mapping):
        return (
            isinstance(value, Mapping)
            and value.keys() == accepted.keys()
            and all(_equal(value[name], accepted[name]) for name in accepted)
        )
    if isinstance(accepted, list | tuple):
        return isinstance(value, list) and len(value) == len(accepted) and all(map(_equal, value, accepted))
    return value == accepted and isinstance(value, bool) == isinstance(accepted, bool)


def moment(seconds: float) -> datetime:
    """Return seconds since the epoch as an aware datetime, exact to the microsecond."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def later(value: datetime, by: timedelta) -> datetime:
    """Return `value + by`, or `value` unchanged if it is LATEST or later, because datetimes end soon after."""
    return value + by if value < LATEST else value


def _text(values: Mapping[str, Any], claim: str) -> str:
    return _check_text(values.get(claim, _ABSENT), claim)


def _check_text(value: object, claim: str) -> str:
    if value is _ABSENT:
        raise InvalidClaimError(claim, "is missing")
    if not isinstance(value, str):
        raise InvalidClaimError(claim, "is not a string")
    # An identifier must not have control characters, and PostgreSQL can't look up a NUL.
    if not 0 < len(value) <= 255 or not is_line(value):
        raise InvalidClaimError(claim, "is empty, too long or not one line of text")
    return value


def _texts(values: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    value = values.get(claim, _ABSENT)
    items = value if isinstance(value, list) else [value]
    return tuple(_check_text(item, claim) for item in items)


def _list_of_texts(values: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    if not isinstance(values[claim], list):
        raise InvalidClaimError(claim, "is not a list of strings")
    return _texts(values, claim)


def _scope(values: Mapping[str, Any], claim: str) -> str:
    value = values[claim]
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidClaimError(claim, "is not a string")
    return value


def _scopes(values: Mapping[str, Any], claim: str) -> str:
    """Return a scope that may also be a list: RFC 9068 has a string; Okta and others write a list."""
    scope = values[claim]
    if isinstance(scope, list) and all(isinstance(item, str) for item in scope):
        return _scope({claim: " ".join(scope)}, claim)
    return _scope(values, claim)


def _number(values: Mapping[str, Any], claim: str) -> float:
    value = values.get(claim, _ABSENT)
    if value is _ABSENT:
        raise InvalidClaimError(claim, "is missing")
    # type(), because True is an int; by RFC 7519 section 2 a NumericDate is always a number. NaN and Infinity are
    # in no range.
    if type(value) not in (int, float) or not 0 <= value < _LATEST_SECONDS:
        raise InvalidClaimError(claim, "is not a number of seconds")
    return value  # type: ignore[no-any-return]
