"""
Rules for the values of settings: a rule is called with a value, and returns what is wrong with it, or None.

`settings` and `issuers` have a rule next to the default of each setting.
"""

import importlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, fields
from datetime import date, datetime, time, timedelta, timezone
from difflib import get_close_matches
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.utils.timezone import is_aware

from jwt_auth.jose.scopes import is_scope

Rule: TypeAlias = Callable[[object], str | None]

# Browsers store a cookie with such a prefix only if it came over https, for this host alone (RFC 6265bis section
# 4.1.3), and with the first prefix only if no script has written it. The longer one is first: it contains the other.
COOKIE_PREFIXES = ("__Host-Http-", "__Host-")

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def setting(default: Any, rule: Rule, *, secret: bool = False) -> Any:
    """Return a field for a dataclass of settings; the value of a `secret` one is never shown."""
    given: dict[str, Any] = {"default_factory": dict} if default == {} else {"default": default}
    return field(**given, repr=not secret, metadata={"rule": rule})


def rules_of(settings: Any) -> Mapping[str, Rule]:
    """Return the rules of a dataclass whose fields were made by `setting`, by the names of the fields."""
    return {item.name: item.metadata["rule"] for item in fields(settings) if item.metadata}


def did_you_mean(name: object, known: Collection[str], kind: str) -> str:
    """Return the hint for a name that is not in `known`; `kind` is the text for what these are."""
    near = get_close_matches(str(name).upper(), known, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"The {kind} are: {', '.join(known)}."


def frozen(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with a tuple for each list."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


# Rules made of other rules


def optional(rule: Rule) -> Rule:
    """None, or a value that satisfies `rule`."""
    return lambda value: None if value is None else rule(value)


def list_of(rule: Rule) -> Rule:
    """A list or tuple in which every item satisfies `rule`."""

    def check(value: object) -> str | None:
        if not isinstance(value, list | tuple):
            return "must be a list or a tuple"
        return next((f"item {i} {problem}" for i, item in enumerate(value) if (problem := rule(item))), None)

    return check


def at_least_one(rule: Rule) -> Rule:
    """A value that satisfies `rule`, and is not an empty list."""
    return lambda value: "must have at least one item, or be None" if value in ([], ()) else rule(value)


# Rules of many settings


def end_date(value: object) -> str | None:
    """A date, which is included, or an aware datetime."""
    if isinstance(value, datetime):
        ok = is_aware(value)
    else:
        ok = isinstance(value, date) and value < date.max  # it ends with the next day
    return None if ok else "must be a date, or an aware datetime"


def end_of(value: date | datetime) -> datetime:
    """Return the end that a value of `end_date` means; a date ends in UTC."""
    if isinstance(value, datetime):
        return value
    return datetime.combine(value + timedelta(days=1), time(), timezone.utc)


def flag(value: object) -> str | None:
    """True or False."""
    return None if isinstance(value, bool) else "must be True or False"


def text(value: object) -> str | None:
    """A string of printable ASCII without spaces, as for identifiers."""
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        return "must be a non-empty string of printable ASCII characters"
    return None if " " not in value and len(value) <= 255 else "must have no space and at most 255 characters"


def one_of(*choices: str) -> Rule:
    """One of these strings."""

    def rule(value: object) -> str | None:
        if value in choices:
            return None
        # In quotes, because "None" is a choice of COOKIE_SAMESITE.
        near = [choice for choice in choices if isinstance(value, str) and choice.lower() == value.lower()]
        return f'must be "{near[0]}"' if near else "must be one of " + ", ".join(f'"{choice}"' for choice in choices)

    return rule


def duration(low: timedelta, high: timedelta) -> Rule:
    """A timedelta between `low` and `high`."""

    def rule(value: object) -> str | None:
        if type(value) in (int, float):
            return f"must be a datetime.timedelta, such as timedelta(seconds={value})"
        if not isinstance(value, timedelta):
            return "must be a datetime.timedelta, such as timedelta(minutes=5)"
        return None if low <= value <= high else f"must be between {low} and {high}"

    return rule


def between(low: int, high: int) -> Rule:
    """A whole number between `low` and `high`."""

    def rule(value: object) -> str | None:
        ok = type(value) is int and low <= value <= high  # type(), because True is an int
        return None if ok else f"must be a whole number between {low} and {high}"

    return rule


def count(value: object) -> str | None:
    """A whole number above 0; for settings in which None stands for no limit."""
    return None if type(value) is int and value > 0 else "must be a whole number above 0, or None"


def mapping(value: object) -> str | None:
    """A dict."""
    return None if isinstance(value, Mapping) else "must be a dict"


def field_name(value: object) -> str | None:
    """A valid name of a field; `checks` looks whether the user model has that field."""
    ok = isinstance(value, str) and value.isidentifier()
    return None if ok else "must be the name of a field of the user model"


def callable_path(value: object) -> str | None:
    """A callable, or the dotted path of one that can be imported."""
    if callable(value):
        return None
    if not isinstance(value, str) or "." not in value:
        return 'must be a callable or the dotted path of one, such as "accounts.tokens.claims"'
    try:
        import_callable(value)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        return f"can't be imported as a callable: {error}"
    return None


def import_callable(path: str) -> Callable[..., Any]:
    """Import `path`, a dotted path; raise ImportError, AttributeError, ValueError or TypeError."""
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    if not callable(found):
        raise TypeError(f"{path} is not callable")
    return found  # type: ignore[no-any-return]  # callable() narrows Any to nothing that mypy can name


def remote_url(value: object) -> str | None:
    """The URL of a document that another server publishes."""
    if not isinstance(value, str):
        return "must be a URL"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  # raises if it is not a number
    except ValueError:
        return "must be a URL"
    if not parts.hostname or not value.isascii() or not value.isprintable() or " " in value:
        return "must be a URL"
    if parts.username is not None or parts.fragment:
        return "must be a URL without a user and without a fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname)):
        return None
    return "must begin with https://; under DEBUG, http:// is allowed for localhost"


def is_this_machine(host: str) -> bool:
    """Return whether plain http to `host` is allowed: only under DEBUG, and only to this machine itself."""
    return django_settings.DEBUG and host in LOOPBACK


# Rules of one setting each


def realm(value: object) -> str | None:
    """A text that can stand between quotes in a header (RFC 9110 section 11.5)."""
    ok = isinstance(value, str) and value.isascii() and value.isprintable() and not set(value) & {'"', "\\"}
    return None if ok else "must be a string of printable ASCII characters without quotes and backslashes"


def sign_in_method(value: object) -> str | None:
    """A value of `amr` (RFC 8176), which can stand in a header."""
    return None if is_scope(value) else 'must be a method such as "otp", without spaces, quotes and backslashes'


def fernet_key(value: object) -> str | None:
    """A key as `Fernet.generate_key()` makes it."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    ok = isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]{43}=", text)
    return None if ok else "must be 32 random bytes in URL-safe base64, as Fernet.generate_key() makes them"


def cache_alias(value: object) -> str | None:
    """A name in CACHES."""
    ok = isinstance(value, str) and value in django_settings.CACHES
    return None if ok else "must be the name of one of CACHES"


def redis_url(value: object) -> str | None:
    """A URL that redis-py understands."""
    ok = isinstance(value, str) and value.startswith(("redis://", "rediss://", "unix://"))
    return None if ok else "must be a URL that begins with redis://, rediss:// or unix://"


def site_data(value: object) -> str | None:
    """A kind of data that a sign-out may have the browser delete, as Clear-Site-Data names it."""
    if value == "cookies":
        return "is 'cookies', which would delete the cookies of every host of the domain, not only this app's"
    return None if value in ("cache", "storage") else "must be 'cache' or 'storage'"


def rate(value: object) -> str | None:
    """See parse_rate()."""
    try:
        parse_rate(value)
    except (TypeError, ValueError):
        return 'must be a rate such as "10/min" (s, m, h, d for second, minute, hour, day)'
    return None


# The first letter alone does not decide, as it does in DRF: "5/month" would be five per minute.
_PERIODS = {
    **dict.fromkeys(("s", "sec", "second"), 1),
    **dict.fromkeys(("m", "min", "minute"), 60),
    **dict.fromkeys(("h", "hour"), 3600),
    **dict.fromkeys(("d", "day"), 86400),
}


def parse_rate(value: object) -> tuple[int, int]:
    """Parse `"10/min"` as (10, 60): the number of requests, and the seconds. Raise ValueError or TypeError."""
    if not isinstance(value, str):
        raise TypeError("a rate is a string")
    count, slash, period = value.partition("/")
    seconds = _PERIODS.get(period.removesuffix("s") or period)
    if not slash or seconds is None or not count.isascii() or not count.isdigit() or int(count) < 1:
        raise ValueError(f"not a rate: {value!r}")
    return int(count), seconds


def cookie_name(value: object) -> str | None:
    """The name of a cookie that is bound to https and one host; without the prefix the project has to list it."""
    # Browsers also know other prefixes, and these in other cases: such a name would be neither one nor the other.
    rest = without_prefix(value) if isinstance(value, str) else ""
    ok = re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", rest) and (rest != value or not rest.startswith("__"))
    return None if ok else f"must be {' or '.join(COOKIE_PREFIXES)} and letters, digits, '_', '-' or '.'"


def plain_cookie_name(value: object) -> str | None:
    """The name of a cookie without a prefix."""
    ok = isinstance(value, str) and cookie_name(value) is None and not is_prefixed(value)
    return None if ok else "must be the name of a cookie of this app, without a prefix"


def is_prefixed(name: str) -> bool:
    """Return whether a cookie of this name is bound to https and to one host."""
    return name.startswith(COOKIE_PREFIXES)


def without_prefix(name: str) -> str:
    """Return the cookie's `name` without the prefix that binds the cookie to https and to one host."""
    return name.removeprefix(COOKIE_PREFIXES[0]).removeprefix(COOKIE_PREFIXES[1])
