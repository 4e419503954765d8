"""
The settings in SIMPLE_JWT, and what becomes of them.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import ceil
from typing import Any, NamedTuple

from django.conf import settings as django_settings

from jwt_auth.conf.former import SERIALIZERS
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.jose.algorithms import HMAC_ALGORITHMS

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)

# The default of SESSION_ABSOLUTE_TIMEOUT.
_MONTH = timedelta(days=30)


# simplejwt's defaults for the options of SIMPLEJWT: a value that equals its default is left out.
_DEFAULTS: Mapping[str, Any] = {
    "AUTH_HEADER_TYPES": ("Bearer",),
    "AUTH_HEADER_NAME": "HTTP_AUTHORIZATION",
    "USER_ID_FIELD": "id",
    "USER_ID_CLAIM": "user_id",
    "TOKEN_TYPE_CLAIM": "token_type",
    "USER_AUTHENTICATION_RULE": "rest_framework_simplejwt.authentication.default_user_authentication_rule",
}

# simplejwt's package; values of SIMPLE_JWT that name something in it are replaced by ours.
PACKAGE = "rest_framework_simplejwt"

# A private key that is written in the settings file itself.
_SECRET = re.compile(r"-----BEGIN|[\w+/=-]{64}")


class _Lifetime(NamedTuple):
    """A lifetime, and the expression for it."""

    value: timedelta
    source: str


# The defaults of simplejwt.
_LIFETIMES = {
    "ACCESS_TOKEN_LIFETIME": _Lifetime(timedelta(minutes=5), "timedelta(minutes=5)"),
    "REFRESH_TOKEN_LIFETIME": _Lifetime(_DAY, "timedelta(days=1)"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """JWT_AUTH for a project: the options as Python expressions, and what a person has to know or decide."""

    options: Mapping[str, str]
    simplejwt: Mapping[str, str]
    notices: tuple[str, ...] = field(default=())

    def as_code(self) -> str:
        """Return the assignment, as a settings file has it."""
        lines = ["JWT_AUTH = {", *(f'    "{name}": {value},' for name, value in self.options.items())]
        lines += ['    "SIMPLEJWT": {', *(f'        "{name}": {value},' for name, value in self.simplejwt.items())]
        return "\n".join([*lines, "    },", "}"]) + "\n"


class Translator:
    """
    The translation of one SIMPLE_JWT.

    Args:
        values: the setting in force; empty if the project does not set it.
        sources: for each name, the expression in the settings file, which may call a function.
        today: the date from which ACCEPT_UNTIL is calculated.
    """

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, str], today: date) -> None:
        self._values, self._sources, self._today = values, sources, today
        self._options: dict[str, str] = {}
        self._simplejwt: dict[str, str] = {}
        self._notices: list[str] = []

    def written(self) -> Written:
        self._lifetimes()
        self._keys()
        self._names()
        self._compatibility()
        return Written(options=self._options, simplejwt=self._simplejwt, notices=tuple(self._notices))

    def _set(self, place: dict[str, str], name: str) -> None:
        """Set an option of the same name, or say that it can't be done here."""
        source = self._source(name)
        if source is None:
            self._notices.append(f"{name} is set by code: set it in JWT_AUTH in the same way.")
        else:
            place[name] = source

    def _source(self, name: str) -> str | None:
        return self._sources.get(name) or _expression(self._values[name])

    def _lifetimes(self) -> None:
        access, refresh = self._lifetime("ACCESS_TOKEN_LIFETIME"), self._lifetime("REFRESH_TOKEN_LIFETIME")
        longest = max(access.value, refresh.value, self._sliding())
        until = self._today + timedelta(days=ceil(longest / _DAY))  # a date ends with its day
        self._simplejwt["ACCEPT_UNTIL"] = f"date({until.year}, {until.month}, {until.day})"
        if access.value > _DAY:
            self._notices.append(
                f"ACCESS_TOKEN_LIFETIME was {access.value}; a day is the longest. Clients that refresh after a 401 "
                "do not notice; clients that wait for `exp` read it from the token."
            )
            access = _Lifetime(_DAY, "timedelta(days=1)")
        if refresh.value < max(access.value, _MINUTE):
            self._notices.append(
                f"REFRESH_TOKEN_LIFETIME was {refresh.value}: a session lasts a minute at least, and as long as an "
                "access token."
            )
            refresh = access if access.value >= _MINUTE else _Lifetime(_MINUTE, "timedelta(minutes=1)")
        self._options["ACCESS_TOKEN_LIFETIME"] = access.source
        self._options["SESSION_IDLE_TIMEOUT"] = refresh.source
        if refresh.value > _MONTH:
            self._options["SESSION_ABSOLUTE_TIMEOUT"] = refresh.source

    def _lifetime(self, name: str) -> "_Lifetime":
        if name not in self._values:
            return _LIFETIMES[name]
        value: timedelta = self._values[name]
        return _Lifetime(value, self._source(name) or repr(value))

    def _sliding(self) -> timedelta:
        """Return how long a sliding token lives, if the project uses them."""
        lifetime: timedelta = self._values.get("SLIDING_TOKEN_REFRESH_LIFETIME", timedelta(0))
        return lifetime

    def _keys(self) -> None:
        algorithm = self._values.get("ALGORITHM", "HS256")
        if algorithm in HMAC_ALGORITHMS:
            if self._values.get("SIGNING_KEY", django_settings.SECRET_KEY) != django_settings.SECRET_KEY:
                self._notices.append(
                    "SIGNING_KEY is not carried over: a key of HMAC is derived from SECRET_KEY. Other servers that "
                    "verified with it need a key pair (ALGORITHM and SIGNING_KEY), whose public half this server "
                    "publishes."
                )
            return
        self._set(self._options, "ALGORITHM")
        if not self._values.get("SIGNING_KEY"):
            self._notices.append("SIGNING_KEY is missing: set it to the private key.")
        elif "SIGNING_KEY" in self._sources and not _SECRET.search(self._sources["SIGNING_KEY"]):
            self._options["SIGNING_KEY"] = self._sources["SIGNING_KEY"]
        else:
            self._notices.append("SIGNING_KEY is not shown here: set it in JWT_AUTH to what SIMPLE_JWT has.")

    def _names(self) -> None:
        if self._values.get("ISSUER"):
            self._set(self._options, "ISSUER")
        audience = self._values.get("AUDIENCE")
        if isinstance(audience, str):
            self._set(self._options, "AUDIENCE")
        elif audience:
            self._notices.append("AUDIENCE had several names; a token of this server has one: set AUDIENCE to it.")
        leeway = self._values.get("LEEWAY")
        if leeway:
            self._leeway(leeway)
        if self._values.get("USER_ID_FIELD", "id") not in ("id", "pk"):
            self._set(self._options, "USER_ID_FIELD")
        if self._values.get("JWK_URL"):
            self._notices.append(
                f"JWK_URL was {self._values['JWK_URL']}: tokens of another server. Add TRUSTED_ISSUERS with its `iss`, "
                "JWKS_URL, ALGORITHMS and AUDIENCE."
            )

    def _leeway(self, leeway: Any) -> None:
        span = leeway if isinstance(leeway, timedelta) else timedelta(seconds=leeway)
        source = self._source("LEEWAY") or repr(leeway)
        self._options["LEEWAY"] = source if isinstance(leeway, timedelta) else f"timedelta(seconds={source})"
        if span > MAX_LEEWAY:
            self._options["LEEWAY"] = "timedelta(seconds=60)"
            self._notices.append(f"LEEWAY was {span}; a minute is the longest.")

    def _compatibility(self) -> None:
        for name, default in _DEFAULTS.items():
            if name in self._values and not _equal(self._values[name], default):
                self._set(self._simplejwt, name)
        for name in SERIALIZERS:
            if name in self._values and not str(self._values[name]).startswith(f"{PACKAGE}."):
                self._set(self._simplejwt, name)
        if "AUTH_TOKEN_CLASSES" in self._values:
            own = [path for path in self._values["AUTH_TOKEN_CLASSES"] if not str(path).startswith(f"{PACKAGE}.")]
            if own:
                self._notices.append(
                    f"AUTH_TOKEN_CLASSES names {', '.join(map(str, own))}: in SIMPLE_JWT it must name classes of "
                    "simplejwt itself while former tokens are accepted, because simplejwt reads them."
                )


def _equal(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return ((value,) if isinstance(value, str) else tuple(value)) == default
    return bool(value == default)


def _expression(value: Any) -> str | None:
    """Return Python code for a value that was not found in a file; None if it has none, such as a function."""
    if isinstance(value, timedelta):
        seconds = value.days * 86400 + value.seconds
        return f"timedelta(seconds={seconds})"
    try:
        ast.literal_eval(ascii(value))
    except (SyntaxError, ValueError):
        return None
    return ascii(value)  # the file may have an encoding of its own


def sources_of(tree: ast.Module, text: str) -> Mapping[str, str]:
    """Return the expressions of a SIMPLE_JWT that is assigned in a settings file as a dict; none if there is none."""
    for node in tree.body:
        if assigned(node) == "SIMPLE_JWT" and isinstance(node.value, ast.Dict):  # type: ignore[attr-defined]  # it has a value
            pairs = zip(node.value.keys, node.value.values, strict=True)  # type: ignore[attr-defined]  # the same
            return {
                str(key.value): ast.get_source_segment(text, value) or ""
                for key, value in pairs
                if isinstance(key, ast.Constant)
            }
    return {}


def assigned(node: ast.stmt) -> str | None:
    """Return the name that a statement assigns a value to; None for other statements."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return node.target.id
    return None
