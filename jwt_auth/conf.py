"""
The `JWT_AUTH` setting, parsed into one frozen value object; nothing else reads it.

Each setting is one line of `Settings` with the rule that its value must keep. `find_problems()` names
every fault for `manage.py check`; `get_settings()` raises for the first one.
"""

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from jwt_auth.exceptions import ConfigurationError

T = TypeVar("T")

KeySource: TypeAlias = str | bytes | Path | Mapping[str, Any]

HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")
ALGORITHMS = (
    *HMAC_ALGORITHMS,
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
)

# RFC 7519 section 4.1.4 allows "no more than a few minutes"; we allow one.
MAX_LEEWAY = timedelta(seconds=60)

# Names of the abandoned djangorestframework-jwt, which used the same setting.
LEGACY_PREFIX = "JWT_"


Rule = Callable[[object], str | None]


def _text(value: object) -> str | None:
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        return "must be a non-empty string of printable ASCII characters"
    return None if " " not in value and len(value) <= 255 else "must have no space and at most 255 characters"


def _realm(value: object) -> str | None:
    ok = isinstance(value, str) and value.isascii() and value.isprintable() and not set(value) & {'"', "\\"}
    return None if ok else "must be a string of printable ASCII characters without quotes and backslashes"


def _one_of(*choices: str) -> Rule:
    def rule(value: object) -> str | None:
        return None if value in choices else f"must be one of {', '.join(choices)}"

    return rule


def _duration(low: timedelta, high: timedelta) -> Rule:
    def rule(value: object) -> str | None:
        if not isinstance(value, timedelta):
            return "must be a datetime.timedelta, such as timedelta(minutes=5)"
        return None if low <= value <= high else f"must be between {low} and {high}"

    return rule


def _key(value: object) -> str | None:
    return None if isinstance(value, str | bytes | Path | Mapping) else "must be a PEM, a JWK or a path"


def _optional(rule: Rule) -> Rule:
    return lambda value: None if value is None else rule(value)


def _list_of(rule: Rule) -> Rule:
    def check(value: object) -> str | None:
        if not isinstance(value, list | tuple):
            return "must be a list or a tuple"
        return next((f"item {i} {problem}" for i, item in enumerate(value) if (problem := rule(item))), None)

    return check


def _field_name(value: object) -> str | None:
    ok = isinstance(value, str) and value.isidentifier()
    return None if ok else "must be the name of a field of the user model"


def _callable_path(value: object) -> str | None:
    if callable(value):
        return None
    if not isinstance(value, str):
        return "must be a callable or the dotted path of one"
    try:
        import_callable(value)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        return f"can't be imported as a callable: {error}"
    return None


def _rate(value: object) -> str | None:
    return None if is_rate(value) else 'must be a rate such as "10/min" (s, m, h, d for second, minute, hour, day)'


def _setting(default: Any, rule: Rule, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"rule": rule})


_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force, with the defaults of all that the project did not name."""

    ISSUER: str = _setting("jwt_auth", _text)
    AUDIENCE: str = _setting("", _text)  # "" stands for ISSUER, and is never seen outside this module
    ALGORITHM: str = _setting("HS256", _one_of(*ALGORITHMS))
    SIGNING_KEY: KeySource | None = _setting(None, _optional(_key), secret=True)
    SIGNING_KEY_FALLBACKS: tuple[KeySource, ...] = _setting((), _list_of(_key), secret=True)
    ACCESS_TOKEN_LIFETIME: timedelta = _setting(timedelta(minutes=5), _duration(10 * _SECOND, _DAY))
    SESSION_IDLE_TIMEOUT: timedelta = _setting(14 * _DAY, _duration(60 * _SECOND, 3650 * _DAY))
    SESSION_ABSOLUTE_TIMEOUT: timedelta = _setting(30 * _DAY, _duration(60 * _SECOND, 3650 * _DAY))
    ROTATION_GRACE_PERIOD: timedelta = _setting(10 * _SECOND, _duration(0 * _SECOND, 60 * _SECOND))
    LEEWAY: timedelta = _setting(10 * _SECOND, _duration(0 * _SECOND, MAX_LEEWAY))
    REVOCATION: str = _setting("database", _one_of("database"))
    USER_CUTOFF_FIELD: str | None = _setting(None, _optional(_field_name))
    USER_ID_FIELD: str = _setting("pk", _field_name)
    CLAIMS_CALLABLE: str | Callable[..., Any] | None = _setting(None, _optional(_callable_path))
    LOGIN_THROTTLE: str = _setting("10/min", _rate)
    REALM: str = _setting("api", _realm)


_RULES: Mapping[str, Rule] = {item.name: item.metadata["rule"] for item in fields(Settings)}


def import_callable(path: str) -> Callable[..., Any]:
    """Import `path`, a dotted path; raise ImportError, AttributeError, ValueError or TypeError."""
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    if not callable(found):
        raise TypeError(f"{path} is not callable")
    return found  # type: ignore[no-any-return]  # callable() narrows Any to nothing that mypy can name


def parse_rate(value: object) -> tuple[int, int]:
    """Give `"10/min"` as (10, 60): how many requests in how many seconds. Raise ValueError or TypeError."""
    if not isinstance(value, str):
        raise TypeError("a rate is a string")
    count, slash, period = value.partition("/")
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(period[:1])
    if not slash or seconds is None or not count.isascii() or not count.isdigit() or int(count) < 1:
        raise ValueError(f"not a rate: {value!r}")
    return int(count), seconds


def is_rate(value: object) -> bool:
    """Whether `parse_rate` can read `value`."""
    try:
        parse_rate(value)
    except (TypeError, ValueError):
        return False
    return True


def find_problems(raw: object) -> Iterator[ConfigurationError]:
    """Name every fault of `raw`, a value of the `JWT_AUTH` setting."""
    if not isinstance(raw, Mapping):
        yield ConfigurationError(
            "E001", "JWT_AUTH must be a dict.", 'Write JWT_AUTH = {"ISSUER": "..."}, or leave it out.'
        )
        return
    for name, value in raw.items():
        if rule := _RULES.get(name):
            if problem := rule(value):
                yield ConfigurationError("E004", f'JWT_AUTH["{name}"] {problem}.', f"It is {_shown(name, value)}.")
        else:
            yield _unknown(name)
    if all(_RULES[name](value) is None for name, value in raw.items() if name in _RULES):
        yield from _contradictions(_build({k: v for k, v in raw.items() if k in _RULES}))


def _shown(name: str, value: object) -> str:
    # A key may hold a secret, and checks are printed in CI logs.
    return f"of type {type(value).__name__}" if "KEY" in name else repr(value)


def _unknown(name: object) -> ConfigurationError:
    if isinstance(name, str) and name.startswith(LEGACY_PREFIX):
        return ConfigurationError(
            "E003",
            f'JWT_AUTH["{name}"] is a setting of djangorestframework-jwt, which this app does not read.',
            "Remove it; docs/reference/settings.md lists what there is instead.",
        )
    near = get_close_matches(str(name).upper(), _RULES, n=1)
    hint = f'Did you mean "{near[0]}"?' if near else f"The settings are: {', '.join(_RULES)}."
    return ConfigurationError("E002", f"JWT_AUTH has no setting {name!r}.", hint)


def _contradictions(settings: Settings) -> Iterator[ConfigurationError]:
    if settings.SESSION_IDLE_TIMEOUT > settings.SESSION_ABSOLUTE_TIMEOUT:
        yield ConfigurationError(
            "E005",
            "SESSION_IDLE_TIMEOUT is longer than SESSION_ABSOLUTE_TIMEOUT, and would never be reached.",
            "Make the idle timeout the shorter one.",
        )
    if settings.ACCESS_TOKEN_LIFETIME > settings.SESSION_IDLE_TIMEOUT:
        yield ConfigurationError(
            "E006",
            "ACCESS_TOKEN_LIFETIME is longer than SESSION_IDLE_TIMEOUT: a session in use would end as idle.",
            "Make the access token's lifetime the shorter one; minutes are usual.",
        )
    if settings.ALGORITHM not in HMAC_ALGORITHMS and settings.SIGNING_KEY is None:
        yield ConfigurationError(
            "E007",
            f"ALGORITHM is {settings.ALGORITHM}, but there is no SIGNING_KEY to sign with.",
            "Set SIGNING_KEY to a private key (PEM, JWK or path); only HS256, HS384 and HS512 keys are derived.",
        )
    if settings.SIGNING_KEY is None and settings.SIGNING_KEY_FALLBACKS:
        yield ConfigurationError(
            "E008",
            "SIGNING_KEY_FALLBACKS is set, but SIGNING_KEY is not.",
            "Derived keys rotate with SECRET_KEY_FALLBACKS; set SIGNING_KEY, or remove the fallbacks.",
        )


def _build(raw: Mapping[str, Any]) -> Settings:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
    settings = Settings(**values)
    return settings if settings.AUDIENCE else replace(settings, AUDIENCE=settings.ISSUER)


_caches: list[Callable[[], None]] = []


def cached_until_settings_change(build: Callable[[], T]) -> Callable[[], T]:
    """Remember the result of `build` until a setting that this app depends on changes."""
    cached = functools.cache(build)
    _caches.append(cached.cache_clear)
    return cached


@cached_until_settings_change
def get_settings() -> Settings:
    """
    The settings in force, live under `override_settings`.

    Raises:
        ConfigurationError: for the first fault that `manage.py check` would name.
    """
    raw = raw_settings()
    for problem in find_problems(raw):
        raise problem
    return _build(raw)  # type: ignore[arg-type]  # find_problems() has seen that it is a mapping


def raw_settings() -> object:
    """What the project wrote, unread."""
    return getattr(django_settings, "JWT_AUTH", {})


def _forget(*, setting: str, **kwargs: object) -> None:
    if setting in {"JWT_AUTH", "SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        for clear in _caches:
            clear()


setting_changed.connect(_forget, dispatch_uid="jwt_auth.conf")
