"""
TRUSTED_ISSUERS: other servers whose tokens are accepted, parsed into one frozen value object each.

Each option is one line of `TrustedIssuer`, with the rule for its value. `find_trust_problems()` reports every fault
to `manage.py check`; `trusted_issuers()` raises the first one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from datetime import timedelta
from typing import Any

from jwt_auth.conf import rules
from jwt_auth.conf.rules import setting
from jwt_auth.conf.settings import cached_until_settings_change, get_settings
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.jose.algorithms import PUBLIC_KEY_ALGORITHMS
from jwt_auth.jose.public_keys import PublicKeys, read_configured

# Claims that have other names at some issuers, or whose place another claim takes. `iss` chooses these rules, and
# without `exp` a token would never end.
TRANSLATABLE = ("aud", "sub", "client_id", "scope", "jti", "sid", "auth_time", "iat")

# Claims that say nothing about a token's holder or audience: the same in all tokens, and its end.
_NOT_TO_BE_TAKEN = ("iss", "exp")

# Names of the claim for the client to which a token was issued, in lower case and without "_".
_NAMES_OF_CLIENTS = frozenset(("client", "clientid", "azp", "appid", "cid"))

_NO_NAMES = 'must be a dict such as {"client_id": "azp"}; only "iat" may be None, for tokens without it'

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def _texts(value: object) -> str | None:
    ok = isinstance(value, list | tuple) and value and all(isinstance(item, str) and item for item in value)
    return None if ok else "must be a non-empty list of strings"


def _audience(value: object) -> str | None:
    return _texts([value] if isinstance(value, str) else value)


def _algorithms(value: object) -> str | None:
    if problem := _texts(value):
        return problem
    wrong = [name for name in value if name not in PUBLIC_KEY_ALGORITHMS]  # type: ignore[attr-defined]  # it's a list
    return f"has {wrong[0]!r}; the algorithms are {', '.join(PUBLIC_KEY_ALGORITHMS)}" if wrong else None


def _types(value: object) -> str | None:
    ok = isinstance(value, list | tuple) and value and all(item is None or isinstance(item, str) for item in value)
    return None if ok else "must be a list of values of `typ`, such as at+jwt; None stands for a header without it"


def _names(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return _NO_NAMES
    wrong = [name for name in value if name not in TRANSLATABLE]
    if wrong:
        return f"has {wrong[0]!r}; only {', '.join(TRANSLATABLE)} can have other names"
    wrong = [ours for ours, theirs in value.items() if theirs in _NOT_TO_BE_TAKEN]
    if wrong:
        return f"takes {wrong[0]!r} from {value[wrong[0]]!r}, which can't take the place of another claim"
    ok = all((isinstance(theirs, str) and theirs) or (theirs, ours) == (None, "iat") for ours, theirs in value.items())
    return None if ok else _NO_NAMES


def _values(value: object) -> str | None:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) and name for name in value):
        return 'must be a dict such as {"typ": "Bearer"}'
    wrong = [name for name, accepted in value.items() if not _is_json(accepted) or accepted in ([], ())]
    return f"has a value for {wrong[0]!r} that no claim can have, such as a set or an empty list" if wrong else None


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_json(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | bool | int | float)


def _principal(value: object) -> str | None:
    problem = None if value in ("claims", "user") else rules.callable_path(value)
    return problem and f'is neither "claims" nor "user", and {problem}'


def _keys(value: object) -> str | None:
    return None if value else "must be a PEM, a JWK, a JWK Set, or a list of these"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """The rules for tokens of one issuer, with the defaults of all options that the project did not set."""

    name: str
    JWKS_URL: str | None = setting(None, rules.remote_url)
    PRIVATE_NETWORK: bool = setting(False, rules.flag)
    KEYS: PublicKeys | None = setting(None, _keys)
    ALGORITHMS: tuple[str, ...] = setting((), _algorithms)
    AUDIENCE: tuple[str, ...] = setting((), _audience)  # () stands for our own, and is never seen outside this module
    TYPES: tuple[str | None, ...] = setting(("at+jwt",), _types)
    MAX_LIFETIME: timedelta = setting(timedelta(minutes=5), rules.duration(_SECOND, _DAY))
    CLAIMS: Mapping[str, str | None] = setting({}, _names)
    REQUIRE: Mapping[str, tuple[Any, ...]] = setting({}, _values)
    PRINCIPAL: str | Callable[..., Any] = setting("claims", _principal)
    ONE_TIME: bool = setting(False, rules.flag)
    REVOCATIONS_URL: str | None = setting(None, rules.remote_url)
    REVOCATIONS_MAX_STALENESS: timedelta = setting(10 * _SECOND, rules.duration(_SECOND, 60 * _SECOND))
    USER_FIELD: str | None = setting(None, rules.field_name)


_RULES = rules.rules_of(TrustedIssuer)


def _without(option: Field[Any]) -> str:
    """Return the hint for a wrong value of an option: what happens without the option."""
    if option.name == "AUDIENCE":
        return "Without it, our own AUDIENCE is expected."
    default = {} if option.default is MISSING else option.default
    return (
        "Change it; it has no default." if default in (None, ()) else f"Without it, the default is {_shown(default)}."
    )


def _shown(default: object) -> str:
    return str(default) if isinstance(default, timedelta) else repr(default)


_DEFAULTS = {option.name: _without(option) for option in fields(TrustedIssuer)}


@cached_until_settings_change
def trusted_issuers() -> Mapping[str, TrustedIssuer]:
    """
    Return the other issuers that the project trusts, by their names.

    Raises:
        ConfigurationError: for the first fault that `manage.py check` would report.
    """
    for problem in find_trust_problems():
        raise problem
    return {name: _build(name, options) for name, options in get_settings().TRUSTED_ISSUERS.items()}


def find_trust_problems() -> Iterator[ConfigurationError]:
    """Yield every fault of TRUSTED_ISSUERS; the rest of the settings must be valid."""
    for name, options in get_settings().TRUSTED_ISSUERS.items():
        if not (isinstance(name, str) and 0 < len(name) <= 255 and name.isprintable() and isinstance(options, Mapping)):
            yield ConfigurationError(
                "E075",
                f"TRUSTED_ISSUERS has {name!r}, which is not an `iss` with a dict of options.",
                'Use the `iss` of the tokens as the key: {"https://login.example.com": {"JWKS_URL": "https://..."}}.',
            )
        elif name == get_settings().ISSUER:
            yield ConfigurationError(
                "E076",
                f"TRUSTED_ISSUERS has {name!r}, which is ISSUER: our own tokens have our own keys.",
                "Remove it, or give this server an ISSUER of its own.",
            )
        else:
            problems = list(_find_problems(name, options))
            yield from problems or _contradictions(name, options)


def _of(name: str, option: str | None = None) -> str:
    return f"TRUSTED_ISSUERS[{name!r}]" + (f'["{option}"]' if option else "")


def _find_problems(name: str, options: Mapping[Any, Any]) -> Iterator[ConfigurationError]:
    for option, value in options.items():
        if rule := _RULES.get(option):
            if problem := rule(value):
                yield ConfigurationError("E078", f"{_of(name, option)} {problem}.", _DEFAULTS[option])
        else:
            hint = rules.did_you_mean(option, _RULES, "options")
            yield ConfigurationError("E077", f"{_of(name)} has no option {option!r}.", hint)


def _contradictions(name: str, options: Mapping[str, Any]) -> Iterator[ConfigurationError]:
    if ("JWKS_URL" in options) == ("KEYS" in options):
        yield ConfigurationError(
            "E079",
            f"{_of(name)} must have either JWKS_URL or KEYS.",
            "Set the URL where its public keys are published, or the keys themselves.",
        )
    elif "ALGORITHMS" not in options:
        yield ConfigurationError(
            "E080",
            f"{_of(name)} has no ALGORITHMS: the tokens must not choose which signatures are accepted.",
            'List those that the issuer uses, such as ["RS256"].',
        )
    elif "KEYS" in options:
        try:
            read_configured(options["KEYS"], options["ALGORITHMS"])
        except ValueError as error:
            yield ConfigurationError(
                "E081",
                f"{_of(name, 'KEYS')} can't be used: {error}.",
                "Give the issuer's public keys: PEM, JWK or JWK Set.",
            )
    if (options.get("PRINCIPAL") == "user") != ("USER_FIELD" in options):
        yield ConfigurationError(
            "E082",
            f'{_of(name)} must have PRINCIPAL "user" and USER_FIELD together, or neither.',
            "USER_FIELD names the field of your user model that holds this issuer's `sub`.",
        )
    yield from _half_renamed(name, options)


def _half_renamed(name: str, options: Mapping[str, Any]) -> Iterator[ConfigurationError]:
    """Yield the faults of CLAIMS that can be corrected with another option."""
    names = options.get("CLAIMS", {})
    if names.get("aud", "aud") != "aud" and "AUDIENCE" not in options:
        yield ConfigurationError(
            "E088",
            f"{_of(name)} takes `aud` from {names['aud']!r}, and has no AUDIENCE.",
            f"Set AUDIENCE to the accepted values of {names['aud']!r}, such as the ids of your own clients.",
        )
    subject = names.get("sub", "sub")
    is_client = subject.lower().replace("_", "") in _NAMES_OF_CLIENTS
    if is_client and options.get("REQUIRE", {}).get("sub", "") not in (None, [None], (None,)):
        yield ConfigurationError(
            "E089",
            f"{_of(name)} takes `sub` from {subject!r}: the token of a user would speak for the client that it was "
            "issued to.",
            'Accept only the tokens of clients themselves, which have no `sub` here: "REQUIRE": {"sub": None}.',
        )


def _build(name: str, options: Mapping[str, Any]) -> TrustedIssuer:
    values = rules.frozen(options)
    audience = values.get("AUDIENCE", get_settings().AUDIENCE)
    values["AUDIENCE"] = (audience,) if isinstance(audience, str) else audience
    if "KEYS" in values:
        values["KEYS"] = read_configured(options["KEYS"], options["ALGORITHMS"])
    if isinstance(values.get("PRINCIPAL"), str) and values["PRINCIPAL"] not in ("claims", "user"):
        values["PRINCIPAL"] = rules.import_callable(values["PRINCIPAL"])
    values["REQUIRE"] = {
        claim: tuple(accepted) if isinstance(accepted, list | tuple) else (accepted,)
        for claim, accepted in options.get("REQUIRE", {}).items()
    }
    return TrustedIssuer(name=name, **values)
