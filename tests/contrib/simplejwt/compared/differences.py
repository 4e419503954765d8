"""
The differences between the answers of simplejwt and those of its stand-in that are allowed, each with its reason.

docs/how-to/from-simplejwt.md has them for people who write clients, under the same titles.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer as a client sees it; tokens are replaced by their kind."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Difference:
    """`change` makes the answer that is expected now of the one that simplejwt gave."""

    title: str
    reason: str
    change: Callable[[Answer], Answer]


# What stands for tokens of this app in an answer.
ACCESS = "access token with amr, aud, auth_time, client_id, exp, iat, iss, jti, sid, sub, token_type, user_id"
REFRESH = "refresh token"
DOCSTRING = "docstring of the view"
KEY, NAME = "key of the user", "name of the user"

CHALLENGE = 'Bearer realm="api"'


def refused(text: str, allow: str = "POST, OPTIONS") -> Answer:
    """The answer of a view for tokens to a token that it refuses."""
    return _answer(401, {"detail": text, "code": "token_not_valid"}, allow, challenge=True)


def refused_at_view(text: str) -> Answer:
    """The answer of a view of the project to an access token that is refused."""
    reason = {"token_class": "AccessToken", "token_type": "access", "message": text}
    body = {"detail": "Given token not valid for any token type", "code": "token_not_valid", "messages": [reason]}
    return _answer(401, body, "GET, HEAD, OPTIONS", challenge=True)


def bad(text: str) -> Answer:
    return _answer(400, {"detail": text}, "POST, OPTIONS")


def _answer(status: int, body: Any, allow: str, *, challenge: bool = False) -> Answer:
    headers = {
        "Content-Type": "application/json",
        "Vary": "Accept",
        "Allow": allow,
        **({"WWW-Authenticate": CHALLENGE} if challenge else {}),
    }
    return Answer(status, headers, body)


def _with_header(answer: Answer, name: str, value: str) -> Answer:
    return replace(answer, headers={**answer.headers, name: value})


def _with_body(answer: Answer, **values: Any) -> Answer:
    return replace(answer, body={**answer.body, **values})


def _with_other_texts(answer: Answer) -> Answer:
    fields = answer.body["actions"]["POST"]
    if "password" in fields:
        fields = {**fields, "password": {**fields["password"], "max_length": 4096}}
    return _with_body(answer, description=DOCSTRING, actions={"POST": fields})


DIFFERENCES = {
    "no-store": Difference(
        "`Cache-Control: no-store`",
        "The answer has it, because no cache may keep tokens (RFC 6749 section 5.1).",
        lambda answer: _with_header(answer, "Cache-Control", "no-store"),
    ),
    "access token": Difference(
        "the claims of an access token",
        "It also has the claims of RFC 9068 and of its session, and expires up to 5 % earlier.",
        lambda answer: _with_body(answer, access=ACCESS),
    ),
    "refresh token": Difference(
        "the form of a refresh token",
        "It is not a JWT, so a client can't read its `exp`.",
        lambda answer: _with_body(answer, refresh=REFRESH),
    ),
    "spaces": Difference(
        "spaces around a password",
        "They are part of the password, as in Django's own form; simplejwt removes them.",
        lambda answer: _answer(
            401,
            {"detail": "No active account found with the given credentials"},
            "POST, OPTIONS",
            challenge=True,
        ),
    ),
    "long password": Difference(
        "a password of more than 4,096 characters",
        "It is refused with 400 before it is hashed.",
        lambda answer: _answer(
            400, {"password": ["Ensure this field has no more than 4096 characters."]}, "POST, OPTIONS"
        ),
    ),
    "throttle": Difference(
        "too many sign-ins, refreshes or sign-outs",
        "The answer is 429 with `Retry-After`. `LOGIN_THROTTLE` and `DEFAULT_THROTTLE_RATES` set the rates.",
        lambda answer: _with_header(
            _answer(429, {"detail": "Request was throttled. Expected available in 60 seconds."}, "POST, OPTIONS"),
            "Retry-After",
            "60",
        ),
    ),
    "grace": Difference(
        "a refresh token that is sent twice within 60 seconds",
        "Both requests get the same new tokens: two tabs may refresh at once. `ROTATION_GRACE_PERIOD` sets the time.",
        lambda answer: _answer(200, {"access": ACCESS, "refresh": REFRESH}, "POST, OPTIONS"),
    ),
    "used twice": Difference(
        "a refresh token that is sent again later",
        "The session ends, with its newer tokens: one of the two clients may be a thief.",
        lambda answer: refused("Token is blacklisted"),
    ),
    "password": Difference(
        "a refresh after a new password",
        "A new password ends all sessions, as `CHECK_REVOKE_TOKEN` does for access tokens.",
        lambda answer: refused("Token is blacklisted"),
    ),
    "password at a view": Difference(
        "an access token from before a new password",
        "It is refused, as with simplejwt's `CHECK_REVOKE_TOKEN`.",
        lambda answer: _answer(
            401,
            {"detail": "The user's password has been changed.", "code": "password_changed"},
            "GET, HEAD, OPTIONS",
            challenge=True,
        ),
    ),
    "deleted": Difference(
        "a refresh of a deleted user",
        "The answer is 401; simplejwt answers 500.",
        lambda answer: refused("Token is blacklisted"),
    ),
    "verify": Difference(
        "`token/verify/` with an access token after signing out, or of an inactive or deleted user",
        "It refuses each token that a view would refuse.",
        lambda answer: refused("Token is blacklisted"),
    ),
    "signed out": Difference(
        "an access token after signing out",
        "It is refused at once; simplejwt accepts it until it expires.",
        lambda answer: refused_at_view("Token is blacklisted"),
    ),
    "leeway": Difference(
        "an access token that expired less than 10 seconds ago",
        "It is still accepted, because clocks differ. `LEEWAY` sets the time; simplejwt's default is 0.",
        lambda answer: _answer(
            200,
            {"user": KEY, "name": NAME, "claims": [KEY, "access", True, "none"], "payload": KEY},
            "GET, HEAD, OPTIONS",
        ),
    ),
    "long": Difference(
        "a body of more than 65,536 bytes",
        "It is refused with 400 before it is parsed.",
        lambda answer: bad("The body has more than 65536 bytes."),
    ),
    "nested": Difference(
        "a body that is nested too deeply",
        "The answer is 400; simplejwt answers 500.",
        lambda answer: bad("The body is nested too deeply."),
    ),
    "letters": Difference(
        "a character outside Latin-1 in the header",
        "The answer is 401; simplejwt answers 500.",
        lambda answer: refused_at_view("Token is invalid"),
    ),
    "description": Difference(
        "the texts in the answer to OPTIONS",
        "`description` is the docstring of the view, which differs; a password has a `max_length`.",
        _with_other_texts,
    ),
}
