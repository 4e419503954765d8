"""
System checks of the settings, the keys in them, and the names that they refer to.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, router
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.settings import api_settings

from jwt_auth.base_models import TokenCutoffField
from jwt_auth.conf import get_settings, rules
from jwt_auth.conf.settings import Settings, find_problems, raw_settings
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.keyring.configured import idle_fallbacks
from jwt_auth.models import CLIENT_PREFIX, UserSession
from jwt_auth.throttling import ADJUSTABLE
from jwt_auth.user_model import user_field

# Names of the time zone in which no hour repeats, and in which the database's own clock is asked.
UTC = ("UTC", "Etc/UTC")


def check_settings(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check settings, keys and the names in them. If settings are invalid, nothing else is checked."""
    problems = list(find_problems(raw_settings()))
    if problems:
        return [_error(problem) for problem in problems]
    return [
        *_check_keys(),
        *_check_names(),
        *_check_places(),
        *_check_issuers(),
        *_check_effects(),
        *_check_staleness(),
        *_check_grace_period(),
        *_check_user_fields(),
        *_check_throttles(),
        *_check_project(),
    ]


def _error(problem: ConfigurationError) -> checks.CheckMessage:
    return checks.Error(problem.message, hint=problem.hint, id=f"jwt_auth.{problem.id}")


def _check_keys() -> Iterator[checks.CheckMessage]:
    if get_settings().KEYS == "database":
        return  # `checks.deploy` checks the database
    try:
        for name in idle_fallbacks():
            yield checks.Warning(
                f"{name} is the signing key, or repeats another fallback, and has no effect.",
                hint="Remove it; or, if ALGORITHM is to change, create a new key for the new algorithm and keep the "
                'former key as a fallback, as a JWK with its "alg".',
                id="jwt_auth.W022",
            )
    except ConfigurationError as problem:
        yield _error(problem)


def _check_names() -> Iterator[checks.CheckMessage]:
    """Look for JWT_AUTH under another name, and for the app of DRF."""
    near = get_close_matches("JWT_AUTH", dir(django_settings), 1, 0.85)
    for name in near if "JWT_AUTH" not in near else ():
        yield checks.Warning(
            f"The settings have {name}, which this app does not read, and no JWT_AUTH: all its settings have defaults.",
            hint=f"Rename {name} to JWT_AUTH, or set JWT_AUTH = {{}} if another package reads {name}.",
            id="jwt_auth.W004",
        )
    renderers: Sequence[Any] = api_settings.DEFAULT_RENDERER_CLASSES
    if not apps.is_installed("rest_framework") and BrowsableAPIRenderer in renderers:
        yield checks.Warning(
            '"rest_framework" is not in INSTALLED_APPS: a browser that opens a view of DRF gets TemplateDoesNotExist.',
            hint='Add "rest_framework", or remove BrowsableAPIRenderer from DEFAULT_RENDERER_CLASSES.',
            id="jwt_auth.W005",
        )


# Settings with names that no other package uses; a project may use one of the others, such as ISSUER, for itself.
_UNMISTAKABLE = (
    "ADMIN_ENDPOINTS_AMR",
    "ADMIN_ENDPOINTS_MAX_AGE",
    "BROWSER_ACCESS_TOKEN",
    "CLAIMS_CALLABLE",
    "CLIENT_REPLAY_PROTECTION",
    "CLIENT_TOKEN_MAX_LIFETIME",
    "COOKIE_NAMES_WITHOUT_PREFIX",
    "REVOCATION_CACHE",
    "REVOCATION_MAX_STALENESS",
    "REVOCATION_ON_STALE",
    "REVOCATION_PUSH",
    "ROTATION_GRACE_PERIOD",
    "SERVICE_AUDIENCES",
    "SERVICE_TOKEN_LIFETIME",
    "SESSION_EXCHANGE",
    "USER_CUTOFF_FIELD",
    "VERIFIED_TOKEN_CACHE_SIZE",
)


def _check_places() -> Iterator[checks.CheckMessage]:
    """Look for settings outside JWT_AUTH. If a name is in JWT_AUTH as well, the outer one is the project's own."""
    inside: Any = raw_settings()
    outside = [field.name for field in fields(Settings) if hasattr(django_settings, field.name)]
    # Two of them, and none in JWT_AUTH: all were written for this app, in the wrong place.
    are_ours = not inside and len(outside) > 1
    for name in outside:
        if name not in inside and (are_ours or name in _UNMISTAKABLE):
            yield checks.Warning(
                f"{name} has no effect here: this app reads it from JWT_AUTH.",
                hint=f'Move it: JWT_AUTH = {{"{name}": ...}}. Silence this if other code reads it.',
                id="jwt_auth.W007",
            )


def _check_issuers() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    for name in (settings.ISSUER, *settings.TRUSTED_ISSUERS):
        if str(name).startswith(CLIENT_PREFIX):
            yield checks.Error(
                f"The issuer {name!r} begins with {CLIENT_PREFIX!r}, like the ids of API clients.",
                hint="Use URLs for ISSUER and for the names in TRUSTED_ISSUERS.",
                id="jwt_auth.E050",
            )


# Settings that are read only under a condition, with the text for the condition.
_CONDITIONS: Sequence[tuple[str, Callable[[Settings], bool], str]] = (
    # In database mode watches and WebSockets read the first three. No check can tell whether a project has any.
    ("REVOCATION_CACHE", lambda settings: settings.REVOCATION != "none", 'REVOCATION is not "none"'),
    ("REVOCATION_PUSH", lambda settings: settings.REVOCATION != "none", 'REVOCATION is not "none"'),
    (
        "REVOCATION_ON_STALE",
        lambda settings: settings.REVOCATION != "none" or bool(settings.TRUSTED_ISSUERS),
        'REVOCATION is not "none", or TRUSTED_ISSUERS has a REVOCATIONS_URL',
    ),
    ("SERVICE_TOKEN_LIFETIME", lambda settings: bool(settings.SERVICE_AUDIENCES), "there are SERVICE_AUDIENCES"),
    ("USER_CUTOFF_FIELD", lambda settings: settings.REVOCATION != "none", 'REVOCATION is not "none"'),
)


def _check_effects() -> Iterator[checks.CheckMessage]:
    settings, defaults = get_settings(), Settings()
    for name, is_read, condition in _CONDITIONS:
        if getattr(settings, name) != getattr(defaults, name) and not is_read(settings):
            yield checks.Warning(
                f"{name} is set, and has no effect here: it is only read if {condition}.",
                hint=f"Remove {name}, or change the setting that it depends on. Silence this if servers with other "
                "settings share the configuration.",
                id="jwt_auth.W002",
            )


def _check_staleness() -> Iterator[checks.CheckMessage]:
    staleness, lifetime = get_settings().REVOCATION_MAX_STALENESS, get_settings().ACCESS_TOKEN_LIFETIME
    if get_settings().REVOCATION == "memory" and staleness >= lifetime:
        yield checks.Warning(
            f"REVOCATION_MAX_STALENESS is {staleness}, and ACCESS_TOKEN_LIFETIME is {lifetime}: a revoked token may be "
            "accepted until it expires.",
            hint="Set REVOCATION_MAX_STALENESS to a small part of the lifetime; 1 second is the default.",
            id="jwt_auth.W006",
        )


def _check_grace_period() -> Iterator[checks.CheckMessage]:
    grace, most = get_settings().ROTATION_GRACE_PERIOD, get_settings().SESSION_IDLE_TIMEOUT / 4
    if grace > most and grace != Settings().ROTATION_GRACE_PERIOD:
        yield checks.Warning(
            f"ROTATION_GRACE_PERIOD is {grace}, but only {most} are in effect, a quarter of SESSION_IDLE_TIMEOUT.",
            hint="Set it to that or less, or make SESSION_IDLE_TIMEOUT longer.",
            id="jwt_auth.W003",
        )


def _check_user_fields() -> Iterator[checks.CheckMessage]:
    settings, model = get_settings(), get_user_model()
    if settings.USER_CUTOFF_FIELD is not None:
        field = _field(settings.USER_CUTOFF_FIELD)
        if field is None:
            yield checks.Error(
                f"USER_CUTOFF_FIELD is {settings.USER_CUTOFF_FIELD!r}, which {model.__name__} does not have.",
                hint="Add jwt_auth.base_models.TokensValidAfterMixin to the model and migrate.",
                id="jwt_auth.E020",
            )
        elif not isinstance(field, TokenCutoffField):
            yield checks.Error(
                f"{model.__name__}.{settings.USER_CUTOFF_FIELD} is not a TokenCutoffField.",
                hint="Use jwt_auth.base_models.TokenCutoffField: only this field never moves back.",
                id="jwt_auth.E021",
            )
    field = _field(settings.USER_ID_FIELD)
    if not getattr(field, "unique", False) or field.null:
        yield checks.Error(
            f"USER_ID_FIELD is {settings.USER_ID_FIELD!r}, which is not a unique, non-null field of {model.__name__}.",
            hint='Use a unique field that never changes, or leave it at "pk".',
            id="jwt_auth.E022",
        )


def _hint_for(scope: str) -> str:
    if scope.startswith("jwt_auth_login"):
        return 'The rate of sign-ins is JWT_AUTH["LOGIN_THROTTLE"].'
    return f"The scopes are {', '.join(ADJUSTABLE)}."


def _check_throttles() -> Iterator[checks.CheckMessage]:
    for scope, rate in api_settings.DEFAULT_THROTTLE_RATES.items():
        if not scope.startswith("jwt_auth_"):
            continue
        if scope not in ADJUSTABLE:
            yield checks.Error(
                f'DEFAULT_THROTTLE_RATES["{scope}"] has no effect: no throttle of this app reads it.',
                hint=_hint_for(scope),
                id="jwt_auth.E026",
            )
        elif rate is not None and rules.rate(rate):
            yield checks.Error(
                f'DEFAULT_THROTTLE_RATES["{scope}"] is {rate!r}, which is not a rate.',
                hint='Use a rate such as "600/min", or None to disable the throttle.',
                id="jwt_auth.E024",
            )
    proxies = api_settings.NUM_PROXIES
    if proxies is not None and (type(proxies) is not int or proxies < 0):
        yield checks.Error(
            f"NUM_PROXIES is {proxies!r}, which is not a number of proxies.",
            hint="Set REST_FRAMEWORK['NUM_PROXIES'] to the number of your own proxies that a request passes.",
            id="jwt_auth.E025",
        )


def _check_project() -> Iterator[checks.CheckMessage]:
    if not django_settings.USE_TZ:
        yield checks.Error(
            "USE_TZ is False: local times repeat an hour every autumn, in which cutoffs are ambiguous.",
            hint="Set USE_TZ = True.",
            id="jwt_auth.E023",
        )
    database = connections[router.db_for_write(UserSession)]
    if database.settings_dict["TIME_ZONE"] not in (None, *UTC):
        yield checks.Error(
            f"The database {database.alias!r} has TIME_ZONE {database.settings_dict['TIME_ZONE']!r}: its times are "
            "local times, in which one hour comes twice when the clocks go back. In that hour revocations are lost.",
            hint=f'Remove TIME_ZONE from DATABASES["{database.alias}"]. The setting TIME_ZONE, outside of DATABASES, '
            "may be any zone.",
            id="jwt_auth.E027",
        )
    if database.settings_dict["ATOMIC_REQUESTS"]:
        yield checks.Warning(
            "ATOMIC_REQUESTS is on: an error response rolls back what the view wrote, including a revocation.",
            hint="The views of jwt_auth are already exempt. Decorate your own views that call "
            "jwt_auth.sessions.refresh() with django.db.transaction.non_atomic_requests, "
            "then add jwt_auth.W001 to SILENCED_SYSTEM_CHECKS.",
            id="jwt_auth.W001",
        )


def _field(name: str) -> Any:
    try:
        return user_field(name)
    except FieldDoesNotExist:
        return None
