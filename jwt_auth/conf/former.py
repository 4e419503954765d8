"""
The settings of djangorestframework-simplejwt 5.5, and what becomes of each: for the checks, and for `jwt_migrate`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """The outcome for a setting of simplejwt."""

    KEPT = "kept"
    RENAMED = "renamed"
    FIXED = "not configurable"
    GONE = "not supported"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for one setting: its outcome, its place in JWT_AUTH, if it has one, and the reason."""

    outcome: Outcome
    place: str
    reason: str


def _place(name: str) -> str:
    return f'JWT_AUTH["{name}"]'


def _in_simplejwt(name: str) -> str:
    return f'JWT_AUTH["SIMPLEJWT"]["{name}"]'


def _same(name: str) -> Rule:
    """Return the rule of a setting that SIMPLEJWT has under the same name."""
    return Rule(Outcome.KEPT, _in_simplejwt(name), "For as long as clients need it.")


_SLIDING = Rule(
    Outcome.GONE, "", "A stolen access token that can be renewed can't be detected; former ones are exchanged once."
)

RULES: Mapping[str, Rule] = {
    "ACCESS_TOKEN_LIFETIME": Rule(Outcome.KEPT, _place("ACCESS_TOKEN_LIFETIME"), "At most a day."),
    "REFRESH_TOKEN_LIFETIME": Rule(
        Outcome.RENAMED,
        _place("SESSION_IDLE_TIMEOUT"),
        "Each refresh restarts it, up to SESSION_ABSOLUTE_TIMEOUT.",
    ),
    "ROTATE_REFRESH_TOKENS": Rule(
        Outcome.FIXED, "", "A refresh returns a new refresh token, which clients must store."
    ),
    "BLACKLIST_AFTER_ROTATION": Rule(
        Outcome.FIXED, "", "A refresh token is single-use, with a grace period for parallel requests."
    ),
    "UPDATE_LAST_LOGIN": Rule(Outcome.FIXED, "", "Django's own receiver writes it at each sign-in."),
    "ALGORITHM": Rule(Outcome.KEPT, _place("ALGORITHM"), "It may name more algorithms than before."),
    "SIGNING_KEY": Rule(
        Outcome.KEPT,
        _place("SIGNING_KEY"),
        "Only a key pair is kept: for HMAC the key is derived from SECRET_KEY.",
    ),
    "VERIFYING_KEY": Rule(Outcome.FIXED, "", "It follows from SIGNING_KEY."),
    "AUDIENCE": Rule(Outcome.KEPT, _place("AUDIENCE"), "One name; ISSUER if it is not set."),
    "ISSUER": Rule(Outcome.KEPT, _place("ISSUER"), 'Tokens always have one; "jwt_auth" if it is not set.'),
    "JSON_ENCODER": Rule(Outcome.GONE, "", "Have CLAIMS_CALLABLE, or get_token(), set strings, numbers and lists."),
    "JWK_URL": Rule(
        Outcome.RENAMED, _place("TRUSTED_ISSUERS"), "Tokens of another server: an entry with its JWKS_URL."
    ),
    "LEEWAY": Rule(Outcome.KEPT, _place("LEEWAY"), "A timedelta of at most a minute."),
    "AUTH_HEADER_TYPES": _same("AUTH_HEADER_TYPES"),
    "AUTH_HEADER_NAME": _same("AUTH_HEADER_NAME"),
    "USER_ID_FIELD": Rule(
        Outcome.KEPT,
        f"{_place('USER_ID_FIELD')} and {_in_simplejwt('USER_ID_FIELD')}",
        "For `sub`, and for the former claim.",
    ),
    "USER_ID_CLAIM": _same("USER_ID_CLAIM"),
    "USER_AUTHENTICATION_RULE": Rule(
        Outcome.KEPT, _in_simplejwt("USER_AUTHENTICATION_RULE"), "is_active is required in any case."
    ),
    "AUTH_TOKEN_CLASSES": Rule(Outcome.GONE, "", "The access token is the only kind that authenticates a request."),
    "TOKEN_TYPE_CLAIM": _same("TOKEN_TYPE_CLAIM"),
    "JTI_CLAIM": Rule(Outcome.FIXED, "", "It is `jti`."),
    "TOKEN_USER_CLASS": Rule(Outcome.GONE, "", 'REVOCATION = "memory" needs no query either, and has real users.'),
    "SLIDING_TOKEN_REFRESH_EXP_CLAIM": _SLIDING,
    "SLIDING_TOKEN_LIFETIME": _SLIDING,
    "SLIDING_TOKEN_REFRESH_LIFETIME": _SLIDING,
    "TOKEN_OBTAIN_SERIALIZER": _same("TOKEN_OBTAIN_SERIALIZER"),
    "TOKEN_REFRESH_SERIALIZER": _same("TOKEN_REFRESH_SERIALIZER"),
    "TOKEN_VERIFY_SERIALIZER": _same("TOKEN_VERIFY_SERIALIZER"),
    "TOKEN_BLACKLIST_SERIALIZER": _same("TOKEN_BLACKLIST_SERIALIZER"),
    "SLIDING_TOKEN_OBTAIN_SERIALIZER": _SLIDING,
    "SLIDING_TOKEN_REFRESH_SERIALIZER": _SLIDING,
    "CHECK_REVOKE_TOKEN": Rule(Outcome.FIXED, "", "A new password ends the sessions that began with the old one."),
    "REVOKE_TOKEN_CLAIM": Rule(
        Outcome.GONE, "", "The session stores which password it began with, so no token has a hash of it."
    ),
    "CHECK_USER_IS_ACTIVE": Rule(Outcome.FIXED, "", "Tokens of inactive users are refused."),
}

# The options of SIMPLEJWT that name a serializer.
SERIALIZERS = (
    "TOKEN_OBTAIN_SERIALIZER",
    "TOKEN_REFRESH_SERIALIZER",
    "TOKEN_VERIFY_SERIALIZER",
    "TOKEN_BLACKLIST_SERIALIZER",
)


def hint_for(name: str) -> str:
    """Return what to do with a setting of simplejwt that is in JWT_AUTH, or among the options of SIMPLEJWT."""
    rule = RULES[name]
    return f"Use {rule.place}. {rule.reason}" if rule.place else f"{rule.reason} Remove it."
