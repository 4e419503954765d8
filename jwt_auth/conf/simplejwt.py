"""
SIMPLEJWT: the options that a project keeps from djangorestframework-simplejwt, parsed into one frozen value object.

Each option is one line of `SimpleJWT`, with the rule for its value. `find_simplejwt_problems()` reports every fault to
`manage.py check`; `simplejwt()` raises the first one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jwt_auth.conf import former, rules
from jwt_auth.conf.rules import setting
from jwt_auth.conf.settings import cached_until_settings_change, get_settings
from jwt_auth.exceptions import ConfigurationError


def _claim(value: object) -> str | None:
    return None if isinstance(value, str) and value.isprintable() and value else "must be the name of a claim"


def _header(value: object) -> str | None:
    ok = isinstance(value, str) and value.isidentifier() and value.isupper()
    return None if ok else 'must be a key of request.META, such as "HTTP_AUTHORIZATION"'


def _scheme(value: object) -> str | None:
    ok = isinstance(value, str) and value.isascii() and value.isprintable() and value and " " not in value
    return None if ok else "must be the first word of the header"


def _schemes(value: object) -> str | None:
    # simplejwt also accepts a single word.
    return _scheme(value) if isinstance(value, str) else _scheme_list(value)


_scheme_list = rules.at_least_one(rules.list_of(_scheme))


def _path(value: object) -> str | None:
    ok = isinstance(value, str) and "." in value
    return None if ok else 'must be the dotted path of a class, such as "accounts.serializers.SignInSerializer"'


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleJWT:
    """
    The options of SIMPLEJWT, with the defaults of all that the project did not set.

    All but ACCEPT_UNTIL have the names and meanings that simplejwt gives them.
    """

    ACCEPT_UNTIL: datetime | None = setting(None, rules.optional(rules.end_date))
    AUTH_HEADER_TYPES: tuple[str, ...] = setting(("Bearer",), _schemes)
    AUTH_HEADER_NAME: str = setting("HTTP_AUTHORIZATION", _header)
    USER_ID_FIELD: str = setting("pk", rules.field_name)
    USER_ID_CLAIM: str = setting("user_id", _claim)
    TOKEN_TYPE_CLAIM: str | None = setting("token_type", rules.optional(_claim))
    USER_AUTHENTICATION_RULE: str | Callable[..., Any] | None = setting(None, rules.optional(rules.callable_path))
    TOKEN_OBTAIN_SERIALIZER: str = setting("jwt_auth.contrib.simplejwt.serializers.TokenObtainPairSerializer", _path)
    TOKEN_REFRESH_SERIALIZER: str = setting("jwt_auth.contrib.simplejwt.serializers.TokenRefreshSerializer", _path)
    TOKEN_VERIFY_SERIALIZER: str = setting("jwt_auth.contrib.simplejwt.serializers.TokenVerifySerializer", _path)
    TOKEN_BLACKLIST_SERIALIZER: str = setting("jwt_auth.contrib.simplejwt.serializers.TokenBlacklistSerializer", _path)

    def accepts_former_tokens(self, now: datetime) -> bool:
        """Return whether tokens that simplejwt has issued are still accepted at `now`."""
        return self.ACCEPT_UNTIL is not None and now < self.ACCEPT_UNTIL


_DEFAULTS = SimpleJWT()
_RULES = rules.rules_of(SimpleJWT)


@cached_until_settings_change
def simplejwt() -> SimpleJWT | None:
    """
    Return the options of SIMPLEJWT; None if the project does not set it.

    Raises:
        ConfigurationError: for the first fault that `manage.py check` would report.
    """
    for problem in find_simplejwt_problems():
        raise problem
    raw = get_settings().SIMPLEJWT
    return None if raw is None else _build(raw)


def simplejwt_or_default() -> SimpleJWT:
    """Return the options of SIMPLEJWT; the defaults if the project does not set it. Never call it at import."""
    return simplejwt() or _DEFAULTS


def find_simplejwt_problems() -> Iterator[ConfigurationError]:
    """Yield every fault of SIMPLEJWT; the rest of the settings must be valid."""
    for option, value in (get_settings().SIMPLEJWT or {}).items():
        if rule := _RULES.get(option):
            if problem := rule(value):
                yield ConfigurationError("E101", f'SIMPLEJWT["{option}"] {problem}.', f"It is {value!r}.")
        else:
            hint = former.hint_for(option) if option in former.RULES else rules.did_you_mean(option, _RULES, "options")
            yield ConfigurationError("E100", f"SIMPLEJWT has no option {option!r}.", hint)


def _build(raw: Mapping[str, Any]) -> SimpleJWT:
    values = rules.frozen(raw)
    if isinstance(types := values.get("AUTH_HEADER_TYPES"), str):
        values["AUTH_HEADER_TYPES"] = (types,)
    options = SimpleJWT(**values)
    end = options.ACCEPT_UNTIL
    return options if end is None else replace(options, ACCEPT_UNTIL=rules.end_of(end))
