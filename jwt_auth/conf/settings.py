"""
The `JWT_AUTH` setting, parsed into one frozen value object; no other module reads it.

Each setting is one line of `Settings`, with the rule for its value. `find_problems()` reports every fault to
`manage.py check`; `get_settings()` raises the first one.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from jwt_auth.conf import former, rules
from jwt_auth.conf.audiences import (
    MAX_SERVICE_TOKEN_LIFETIME,
    MIN_SERVICE_TOKEN_LIFETIME,
    ServiceAudience,
    parse_audiences,
)
from jwt_auth.conf.rules import setting, without_prefix
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.jose.algorithms import ALGORITHMS, HMAC_ALGORITHMS

T = TypeVar("T")

ConfiguredKey: TypeAlias = str | bytes | Path | Mapping[str, Any]


# The packages whose opaque tokens are accepted for a while: see contrib/authtoken and contrib/knox.
FORMER_KINDS = ("authtoken", "knox")

# RFC 7519 section 4.1.4 allows "no more than a few minutes"; we allow one.
MAX_LEEWAY = timedelta(seconds=60)

# The prefix of the settings of djangorestframework-jwt, an abandoned package that also read JWT_AUTH.
LEGACY_PREFIX = "JWT_"

# Cookie attributes that other packages have settings for. Here they are fixed, because they keep the cookies safe.
_FIXED = {
    "COOKIE_DOMAIN": "With a Domain, each host below it would get the tokens and could plant others.",
    "COOKIE_SECURE": "It is always on, except under DEBUG on plain http.",
    "COOKIE_HTTPONLY": "It is always on: a script that can read a token can send it to anyone.",
    "COOKIE_PATH": "It is always /, as the prefix of the names requires.",
}


def _key(value: object) -> str | None:
    return None if isinstance(value, str | bytes | Path | Mapping) else "must be a PEM, a JWK or a path"


def _issuers(value: object) -> str | None:
    return (
        rules.mapping(value) and 'must be a dict of issuers: {"https://login.example.com": {"JWKS_URL": "https://..."}}'
    )


def _simplejwt(value: object) -> str | None:
    return rules.mapping(value) and 'must be a dict of options, such as {"ACCEPT_UNTIL": date(2030, 1, 31)}'


def _former_tokens(value: object) -> str | None:
    if rules.mapping(value):
        return 'must be a dict of dates, such as {"authtoken": date(2030, 1, 31)}'
    for name, end in value.items():  # type: ignore[attr-defined]  # the rule has found a mapping
        if name not in FORMER_KINDS:
            return f"has {name!r}; the packages are {', '.join(FORMER_KINDS)}"
        if problem := rules.end_date(end):
            return f"for {name!r} {problem}"
    return None


def _audiences(value: object) -> str | None:
    try:
        parse_audiences(value, MAX_SERVICE_TOKEN_LIFETIME)
    except ValueError as error:
        return str(error)
    return None


_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force, with the defaults of all that the project did not set."""

    ISSUER: str = setting("jwt_auth", rules.text)
    AUDIENCE: str = setting("", rules.text)  # "" stands for ISSUER, and is never seen outside this module
    ALGORITHM: str = setting("HS256", rules.one_of(*ALGORITHMS))
    SIGNING_KEY: ConfiguredKey | None = setting(None, rules.optional(_key), secret=True)
    SIGNING_KEY_FALLBACKS: tuple[ConfiguredKey, ...] = setting((), rules.list_of(_key), secret=True)
    KEYS: str = setting("settings", rules.one_of("settings", "database"))
    ENCRYPTION_KEYS: tuple[str | bytes, ...] | None = setting(
        None, rules.optional(rules.at_least_one(rules.list_of(rules.fernet_key))), secret=True
    )
    ACCESS_TOKEN_LIFETIME: timedelta = setting(timedelta(minutes=5), rules.duration(10 * _SECOND, _DAY))
    SESSION_IDLE_TIMEOUT: timedelta = setting(14 * _DAY, rules.duration(60 * _SECOND, 3650 * _DAY))
    SESSION_ABSOLUTE_TIMEOUT: timedelta = setting(30 * _DAY, rules.duration(60 * _SECOND, 3650 * _DAY))
    SESSION_MAX_TIMEOUT: timedelta | None = setting(None, rules.optional(rules.duration(60 * _SECOND, 3650 * _DAY)))
    SESSION_LIMIT: int | None = setting(1000, rules.optional(rules.count))
    ROTATION_GRACE_PERIOD: timedelta = setting(60 * _SECOND, rules.duration(0 * _SECOND, 60 * _SECOND))
    LEEWAY: timedelta = setting(10 * _SECOND, rules.duration(0 * _SECOND, MAX_LEEWAY))
    REVOCATION: str = setting("database", rules.one_of("database", "memory", "none"))
    REVOCATION_MAX_STALENESS: timedelta = setting(_SECOND, rules.duration(_SECOND / 10, 60 * _SECOND))
    REVOCATION_ON_STALE: str = setting("deny", rules.one_of("deny", "allow_safe_methods"))
    REVOCATION_CACHE: str | None = setting(None, rules.optional(rules.cache_alias))
    REVOCATION_PUSH: str | None = setting(None, rules.optional(rules.redis_url), secret=True)
    VERIFIED_TOKEN_CACHE_SIZE: int = setting(4096, rules.between(0, 1_000_000))
    # Its entries have rules of their own: issuers.py.
    TRUSTED_ISSUERS: Mapping[str, Any] = setting({}, _issuers, secret=True)
    CLIENT_TOKEN_MAX_LIFETIME: timedelta = setting(300 * _SECOND, rules.duration(10 * _SECOND, 3600 * _SECOND))
    CLIENT_REPLAY_PROTECTION: str = setting("unsafe_methods", rules.one_of("off", "unsafe_methods", "all"))
    REPLAY_CACHE: str | None = setting("default", rules.optional(rules.cache_alias))
    USER_CUTOFF_FIELD: str | None = setting(None, rules.optional(rules.field_name))
    USER_ID_FIELD: str = setting("pk", rules.field_name)
    CLAIMS_CALLABLE: str | Callable[..., Any] | None = setting(None, rules.optional(rules.callable_path))
    SERVICE_AUDIENCES: Mapping[str, ServiceAudience] = setting({}, _audiences)
    SERVICE_TOKEN_LIFETIME: timedelta = setting(
        timedelta(seconds=120), rules.duration(MIN_SERVICE_TOKEN_LIFETIME, MAX_SERVICE_TOKEN_LIFETIME)
    )
    BROWSER_ACCESS_TOKEN: str = setting("cookie", rules.one_of("cookie", "body"))
    COOKIE_ACCESS_NAME: str = setting("__Host-Http-access", rules.cookie_name)
    COOKIE_REFRESH_NAME: str = setting("__Host-Http-refresh", rules.cookie_name)
    COOKIE_NAMES_WITHOUT_PREFIX: tuple[str, ...] = setting((), rules.list_of(rules.plain_cookie_name))
    COOKIE_SAMESITE: str = setting("Strict", rules.one_of("Strict", "Lax", "None"))
    CSRF_MODE: str = setting("fetch_metadata", rules.one_of("fetch_metadata", "django", "log_only"))
    CLEAR_SITE_DATA: tuple[str, ...] = setting(("cache", "storage"), rules.list_of(rules.site_data))
    SESSION_EXCHANGE: str | None = setting(None, rules.optional(rules.one_of("keep", "end", "tie")))
    ADMIN_ENDPOINTS_MAX_AGE: timedelta | None = setting(None, rules.optional(rules.duration(10 * _SECOND, 30 * _DAY)))
    ADMIN_ENDPOINTS_AMR: tuple[str, ...] = setting((), rules.list_of(rules.sign_in_method))
    LOGIN_THROTTLE: str = setting("10/min", rules.rate)
    REALM: str = setting("api", rules.realm)
    FORMER_TOKENS: Mapping[str, date] = setting({}, _former_tokens)
    # Its options have rules of their own: simplejwt.py.
    SIMPLEJWT: Mapping[str, Any] | None = setting(None, rules.optional(_simplejwt))


_RULES = rules.rules_of(Settings)
_SECRETS = frozenset(item.name for item in fields(Settings) if not item.repr)


def find_problems(raw: object) -> Iterator[ConfigurationError]:
    """Yield every fault of `raw`, a value of the `JWT_AUTH` setting."""
    if not isinstance(raw, Mapping):
        yield ConfigurationError(
            "E001",
            f"JWT_AUTH must be a dict, and is of type {type(raw).__name__}.",
            'Write JWT_AUTH = {"ISSUER": "..."}, without a comma after the brace, or leave it out.',
        )
        return
    for name, value in raw.items():
        if rule := _RULES.get(name):
            if problem := rule(value):
                yield ConfigurationError("E004", f'JWT_AUTH["{name}"] {problem}.', _hint_for(name, value))
        else:
            yield _unknown(name)
    if all(_RULES[name](value) is None for name, value in raw.items() if name in _RULES):
        yield from _contradictions(_build({k: v for k, v in raw.items() if k in _RULES}))


def _hint_for(name: str, value: object) -> str:
    if value == "":
        return f"It is an empty string. Is the variable set that it comes from? Or leave {name} out."
    if name in _SECRETS:
        # A key is a secret, a URL may hold one, and checks are printed in CI logs.
        return f"It is of type {type(value).__name__}."
    return f"It is {value!r}."


def _unknown(name: object) -> ConfigurationError:
    if former := _former(name):
        package, hint = former
        return ConfigurationError(
            "E003", f'JWT_AUTH["{name}"] is a setting of {package}, which this app does not read.', hint
        )
    if name in _FIXED:
        return ConfigurationError("E040", f'JWT_AUTH["{name}"] can\'t be set.', f"{_FIXED[str(name)]} Remove it.")
    hint = rules.did_you_mean(name, _RULES, "settings")
    return ConfigurationError("E002", f"JWT_AUTH has no setting {name!r}.", hint)


def _former(name: object) -> tuple[str, str] | None:
    """Return the other package that has a setting of this name, and the hint for it."""
    if isinstance(name, str) and name.startswith(LEGACY_PREFIX):
        return "djangorestframework-jwt", f"Remove it. The settings of this app are {', '.join(_RULES)}."
    if name in former.RULES:
        return "djangorestframework-simplejwt", former.hint_for(str(name))
    return None


def _contradictions(settings: Settings) -> Iterator[ConfigurationError]:
    yield from _contradictions_of_lifetimes(settings)
    yield from _contradictions_of_keys(settings)
    yield from _contradictions_of_audiences(settings)
    yield from _contradictions_of_cookies(settings)


def _contradictions_of_lifetimes(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.SESSION_IDLE_TIMEOUT > settings.SESSION_ABSOLUTE_TIMEOUT:
        yield ConfigurationError(
            "E005",
            "SESSION_IDLE_TIMEOUT is longer than SESSION_ABSOLUTE_TIMEOUT, and would never be reached.",
            "Make the idle timeout the shorter one.",
        )
    if settings.SESSION_MAX_TIMEOUT is not None and settings.SESSION_MAX_TIMEOUT < settings.SESSION_ABSOLUTE_TIMEOUT:
        yield ConfigurationError(
            "E029",
            "SESSION_MAX_TIMEOUT is shorter than SESSION_ABSOLUTE_TIMEOUT, the default of all sessions.",
            "It is the longest timeout that a sign-in may set. Make it at least as long, or remove it.",
        )
    if settings.ACCESS_TOKEN_LIFETIME > settings.SESSION_IDLE_TIMEOUT:
        yield ConfigurationError(
            "E006",
            "ACCESS_TOKEN_LIFETIME is longer than SESSION_IDLE_TIMEOUT: a session in use would end as idle.",
            "Make the access token's lifetime the shorter one; minutes are usual.",
        )


def _contradictions_of_keys(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.KEYS == "database":
        yield from _contradictions_of_stored_keys(settings)
    elif settings.ALGORITHM not in HMAC_ALGORITHMS and settings.SIGNING_KEY is None:
        yield ConfigurationError(
            "E007",
            f"ALGORITHM is {settings.ALGORITHM}, but there is no SIGNING_KEY to sign with.",
            "Set SIGNING_KEY to a private key (PEM, JWK or path); only HS256, HS384 and HS512 keys are derived. If it "
            "is set to a variable, that has no value.",
        )
    if settings.KEYS == "settings" and settings.SIGNING_KEY is None and settings.SIGNING_KEY_FALLBACKS:
        yield ConfigurationError(
            "E008",
            "SIGNING_KEY_FALLBACKS is set, but SIGNING_KEY is not.",
            "Derived keys rotate with SECRET_KEY_FALLBACKS; set SIGNING_KEY, or remove the fallbacks.",
        )


def _contradictions_of_audiences(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.SERVICE_AUDIENCES and settings.ALGORITHM in HMAC_ALGORITHMS:
        yield ConfigurationError(
            "E085",
            f"SERVICE_AUDIENCES is set, but ALGORITHM is {settings.ALGORITHM}: other servers can't verify the tokens.",
            'Set ALGORITHM to "ES256" and SIGNING_KEY to a private key in a PEM, which openssl genpkey -algorithm EC '
            "-pkeyopt ec_paramgen_curve:P-256 makes; other algorithms have other key pairs.",
        )
    if settings.SERVICE_AUDIENCES and settings.REVOCATION == "none":
        yield ConfigurationError(
            "E087",
            'SERVICE_AUDIENCES is set, but REVOCATION is "none": there are no sessions whose tokens can be exchanged.',
            "Exchange tokens on the server that starts the sessions, and remove SERVICE_AUDIENCES here.",
        )
    if {settings.ISSUER, settings.AUDIENCE}.intersection(settings.SERVICE_AUDIENCES):
        yield ConfigurationError(
            "E086",
            "SERVICE_AUDIENCES names this server: service tokens would be accepted here, whatever their scope.",
            "Name other servers only, each with its own audience.",
        )


def _contradictions_of_cookies(settings: Settings) -> Iterator[ConfigurationError]:
    yield from _contradictions_of_cookie_names(settings)
    if without_prefix(settings.COOKIE_ACCESS_NAME) == without_prefix(settings.COOKIE_REFRESH_NAME):
        yield ConfigurationError(
            "E041",
            "COOKIE_ACCESS_NAME and COOKIE_REFRESH_NAME are the same: one cookie would overwrite the other.",
            "Give them different names; under DEBUG on plain http they lose their prefixes.",
        )
    if settings.COOKIE_SAMESITE == "None" and settings.CSRF_MODE == "log_only":
        yield ConfigurationError(
            "E042",
            'COOKIE_SAMESITE is "None" and CSRF_MODE is "log_only": any site could act as the user.',
            'Set CSRF_MODE to "fetch_metadata".',
        )


def _contradictions_of_cookie_names(settings: Settings) -> Iterator[ConfigurationError]:
    names = {name: getattr(settings, name) for name in ("COOKIE_ACCESS_NAME", "COOKIE_REFRESH_NAME")}
    for setting_name, name in names.items():
        if not rules.is_prefixed(name) and name not in settings.COOKIE_NAMES_WITHOUT_PREFIX:
            yield ConfigurationError(
                "E047",
                f"{setting_name} is {name!r}, without a prefix: other hosts of the domain, and anybody on plain http, "
                "could plant the cookie.",
                f'Name it "{rules.COOKIE_PREFIXES[0]}{name}". If clients that can\'t be changed yet know it by this '
                "name, list the name in COOKIE_NAMES_WITHOUT_PREFIX, for as long as they do.",
            )
    for name in settings.COOKIE_NAMES_WITHOUT_PREFIX:
        if name not in names.values():
            yield ConfigurationError(
                "E048",
                f"COOKIE_NAMES_WITHOUT_PREFIX has {name!r}, which is not the name of a cookie of this app.",
                "Remove it, or correct it: the names are those of COOKIE_ACCESS_NAME and COOKIE_REFRESH_NAME.",
            )


def _contradictions_of_stored_keys(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.ALGORITHM in HMAC_ALGORITHMS:
        yield ConfigurationError(
            "E070",
            f'KEYS is "database", but ALGORITHM is {settings.ALGORITHM}: anyone who can verify with it can sign.',
            'Set ALGORITHM to "ES256", for example. Symmetric keys stay in the settings, and rotate there.',
        )
    if settings.SIGNING_KEY is not None or settings.SIGNING_KEY_FALLBACKS:
        yield ConfigurationError(
            "E071",
            'KEYS is "database", but SIGNING_KEY or SIGNING_KEY_FALLBACKS is set, which would not be read.',
            'Run manage.py jwt_keys import while KEYS is still "settings", then remove them.',
        )
    if settings.REVOCATION == "none":
        yield ConfigurationError(
            "E072",
            'KEYS is "database", but REVOCATION is "none", which makes no queries, not even for keys.',
            'Set REVOCATION to "database" or "memory", or KEYS to "settings".',
        )


def _build(raw: Mapping[str, Any]) -> Settings:
    settings = Settings(**rules.frozen(raw))
    return replace(
        settings,
        AUDIENCE=settings.AUDIENCE or settings.ISSUER,
        SERVICE_AUDIENCES=parse_audiences(settings.SERVICE_AUDIENCES, settings.SERVICE_TOKEN_LIFETIME),
    )


_caches: list[Callable[[], None]] = []


def cached_until_settings_change(build: Callable[[], T]) -> Callable[[], T]:
    """Remember the result of `build` until a setting that this app depends on changes."""
    cached = functools.cache(build)
    _caches.append(cached.cache_clear)
    return cached


@cached_until_settings_change
def get_settings() -> Settings:
    """
    Return the settings in force; `override_settings` takes effect at once.

    Raises:
        ConfigurationError: for the first fault that `manage.py check` would report.
    """
    raw = raw_settings()
    for problem in find_problems(raw):
        raise problem
    return _build(raw)  # type: ignore[arg-type]  # find_problems() has checked that it is a mapping


def settings_are_valid() -> bool:
    """Return whether `get_settings()` succeeds; if not, `manage.py check` says why."""
    return not any(find_problems(raw_settings()))


def raw_settings() -> object:
    """Return the project's JWT_AUTH, unparsed."""
    return getattr(django_settings, "JWT_AUTH", {})


def _forget(*, setting: str, **kwargs: object) -> None:
    if setting in {"JWT_AUTH", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "AUTH_USER_MODEL", "DEBUG"}:
        for clear in _caches:
            clear()


setting_changed.connect(_forget, dispatch_uid="jwt_auth.conf")
