"""
System checks of what the token strategy for allauth needs: apps, middleware and adapters.

Nothing here imports allauth, unless the strategy is in use and the apps are there.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware
from django.core import checks
from django.utils.module_loading import import_string

from jwt_auth.middleware import JWTUserMiddleware

_PLACE = "jwt_auth.contrib.allauth"
_MIDDLEWARE = f"{_PLACE}.middleware.AllauthMiddleware"
_APPS = ("django.contrib.sessions", "allauth.account", "allauth.headless")


def check_allauth(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check the rest of the settings if HEADLESS_TOKEN_STRATEGY is that of this app, and otherwise the setting."""
    path = str(getattr(django_settings, "HEADLESS_TOKEN_STRATEGY", ""))
    missing = [name for name in _APPS if not apps.is_installed(name)]
    if missing:
        return list(_check_apps(missing)) if path.startswith(_PLACE) else []
    if not _is_a(path, f"{_PLACE}.strategy.TokenStrategy"):
        return list(_check_strategy())
    return [*_check_middleware(), *_check_adapters()]


def _check_apps(missing: list[str]) -> Iterator[checks.CheckMessage]:
    names = ", ".join(f'"{name}"' for name in missing)
    yield checks.Error(
        f"HEADLESS_TOKEN_STRATEGY is that of jwt_auth, but INSTALLED_APPS lacks {names}.",
        hint=f'Install "django-revocable-jwt[allauth]", and add {names} to INSTALLED_APPS; or remove the setting.',
        id="jwt_auth.E090",
    )


def _check_strategy() -> Iterator[checks.CheckMessage]:
    if _names_a("HEADLESS_ADAPTER", f"{_PLACE}.adapter.HeadlessAdapter"):
        found = "HEADLESS_ADAPTER"
    elif any(issubclass(item, import_string(_MIDDLEWARE)) for item in _middleware_classes()):
        found = "AllauthMiddleware"
    else:
        return
    yield checks.Error(
        f"{found} is that of jwt_auth, and HEADLESS_TOKEN_STRATEGY is not: who signs in with allauth gets no tokens.",
        hint=f'Set HEADLESS_TOKEN_STRATEGY = "{_PLACE}.strategy.TokenStrategy", or derive your strategy from it.',
        id="jwt_auth.E094",
    )


def _check_middleware() -> Iterator[checks.CheckMessage]:
    ours = import_string(_MIDDLEWARE)
    # Those that set or ask for the user, in their order.
    kinds = (AuthenticationMiddleware, ours, LoginRequiredMiddleware, JWTUserMiddleware)
    order = [kind for item in _middleware_classes() for kind in kinds if issubclass(item, kind)]
    if order[:2] != [AuthenticationMiddleware, ours]:
        yield checks.Error(
            "MIDDLEWARE lacks AllauthMiddleware, or has it in the wrong place: browsers get no tokens, and Django's "
            "sessions go on when the sessions of the tokens end.",
            hint=f"Add {_PLACE}.middleware.AllauthMiddleware after AuthenticationMiddleware, and before "
            "LoginRequiredMiddleware and JWTUserMiddleware.",
            id="jwt_auth.E091",
        )


def _check_adapters() -> Iterator[checks.CheckMessage]:
    clients = getattr(django_settings, "HEADLESS_CLIENTS", ("app", "browser"))
    if "app" in clients and not _names_a("HEADLESS_ADAPTER", f"{_PLACE}.adapter.HeadlessAdapter"):
        yield checks.Error(
            "HEADLESS_ADAPTER is not derived from HeadlessAdapter: apps get no tokens after a re-authentication.",
            hint=f'Set HEADLESS_ADAPTER = "{_PLACE}.adapter.HeadlessAdapter", or derive your adapter from it.',
            id="jwt_auth.E092",
        )
    its_adapter = f"{_PLACE}.usersessions.UserSessionsAdapter"
    if apps.is_installed("allauth.usersessions") and not _names_a("USERSESSIONS_ADAPTER", its_adapter):
        yield checks.Error(
            "USERSESSIONS_ADAPTER is not derived from UserSessionsAdapter: the tokens of a session that a user ends at "
            "allauth stay valid.",
            hint=f'Set USERSESSIONS_ADAPTER = "{its_adapter}", or derive your adapter from it.',
            id="jwt_auth.E093",
        )


def _middleware_classes() -> list[type]:
    """Return the classes in MIDDLEWARE; allauth's own middleware is a function."""
    return [item for item in map(import_string, django_settings.MIDDLEWARE) if isinstance(item, type)]


def _names_a(setting: str, wanted: str) -> bool:
    path = getattr(django_settings, setting, None)
    return path is not None and _is_a(path, wanted)


def _is_a(path: str, wanted: str) -> bool:
    """Return whether the class at `path` is the `wanted` one, or derived from it."""
    return bool(path) and issubclass(import_string(path), import_string(wanted))
