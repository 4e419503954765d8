"""
System checks. Each fault has one id, and a hint that says how to mend it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, router
from rest_framework.settings import api_settings

from jwt_auth.base_models import TokenCutoffField
from jwt_auth.conf import get_settings, rules
from jwt_auth.conf.settings import find_problems, raw_settings
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.keyring.configured import configured_keys
from jwt_auth.models import CLIENT_PREFIX, UserSession
from jwt_auth.principals import user_field


def check_settings(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Settings, keys and what they name. The rest is only looked at when the settings can be read."""
    problems = list(find_problems(raw_settings()))
    if problems:
        return [_error(problem) for problem in problems]
    return [*_check_keys(), *_check_issuers(), *_check_user_fields(), *_check_throttles(), *_check_project()]


def _error(problem: ConfigurationError) -> checks.CheckMessage:
    return checks.Error(problem.message, hint=problem.hint, id=f"jwt_auth.{problem.id}")


def _check_keys() -> Iterator[checks.CheckMessage]:
    if get_settings().KEYS == "database":
        return  # `deploy_checks` asks the database
    try:
        configured_keys()
    except ConfigurationError as problem:
        yield _error(problem)


def _check_issuers() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    for name in (settings.ISSUER, *settings.TRUSTED_ISSUERS):
        if str(name).startswith(CLIENT_PREFIX):
            yield checks.Error(
                f"The issuer {name!r} begins with {CLIENT_PREFIX!r}, as the ids of API clients do.",
                hint="Let ISSUER and the names in TRUSTED_ISSUERS be URLs.",
                id="jwt_auth.E050",
            )


def _check_user_fields() -> Iterator[checks.CheckMessage]:
    settings, model = get_settings(), get_user_model()
    if settings.USER_CUTOFF_FIELD is not None:
        field = _field(settings.USER_CUTOFF_FIELD)
        if field is None:
            yield checks.Error(
                f"USER_CUTOFF_FIELD names {settings.USER_CUTOFF_FIELD!r}, which {model.__name__} does not have.",
                hint="Add jwt_auth.base_models.TokensValidAfterMixin to the model and migrate.",
                id="jwt_auth.E020",
            )
        elif not isinstance(field, TokenCutoffField):
            yield checks.Error(
                f"{model.__name__}.{settings.USER_CUTOFF_FIELD} is not a TokenCutoffField.",
                hint="Only that field moves forward and never back: use jwt_auth.base_models.TokenCutoffField.",
                id="jwt_auth.E021",
            )
    field = _field(settings.USER_ID_FIELD)
    if not getattr(field, "unique", False) or field.null:
        yield checks.Error(
            f"USER_ID_FIELD names {settings.USER_ID_FIELD!r}, no unique and non-null field of {model.__name__}.",
            hint='Name a unique field that never changes, or leave it at "pk".',
            id="jwt_auth.E022",
        )


def _check_throttles() -> Iterator[checks.CheckMessage]:
    for scope, rate in api_settings.DEFAULT_THROTTLE_RATES.items():
        if scope.startswith("jwt_auth_") and rate is not None and rules.rate(rate):
            yield checks.Error(
                f'DEFAULT_THROTTLE_RATES["{scope}"] is {rate!r}, which is no rate.',
                hint='Write a rate such as "600/min", or None to count nothing.',
                id="jwt_auth.E024",
            )
    proxies = api_settings.NUM_PROXIES
    if proxies is not None and (type(proxies) is not int or proxies < 0):
        yield checks.Error(
            f"NUM_PROXIES is {proxies!r}, which is no number of proxies.",
            hint="Set REST_FRAMEWORK['NUM_PROXIES'] to how many proxies of yours a request passes.",
            id="jwt_auth.E025",
        )


def _check_project() -> Iterator[checks.CheckMessage]:
    if not django_settings.USE_TZ:
        yield checks.Error(
            "USE_TZ is False: local times repeat an hour every autumn, in which no cutoff can be judged.",
            hint="Set USE_TZ = True.",
            id="jwt_auth.E023",
        )
    if connections[router.db_for_write(UserSession)].settings_dict["ATOMIC_REQUESTS"]:
        yield checks.Warning(
            "ATOMIC_REQUESTS is on: an error answer rolls back what the view wrote, a revocation too.",
            hint="The views of jwt_auth are excepted by themselves. Decorate your own views that call "
            "jwt_auth.sessions.refresh() with django.db.transaction.non_atomic_requests, "
            "then add jwt_auth.W001 to SILENCED_SYSTEM_CHECKS.",
            id="jwt_auth.W001",
        )


def _field(name: str) -> Any:
    try:
        return user_field(name)
    except FieldDoesNotExist:
        return None
