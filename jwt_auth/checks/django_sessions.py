"""
System checks of what the exchange of Django sessions needs: middleware, and a session that the server can end.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import checks

from jwt_auth.checks.middleware import middleware_classes
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.middleware import JWTUserMiddleware, TiedSessionMiddleware


def check_session_exchange(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check what SESSION_EXCHANGE needs, if our own settings are valid; else `checks.settings` reports them."""
    if not settings_are_valid() or get_settings().SESSION_EXCHANGE is None:
        return []
    return [*_check_middleware(), *_check_engine()]


def _check_middleware() -> Iterator[checks.CheckMessage]:
    mode = get_settings().SESSION_EXCHANGE
    if not any(middleware_classes(SessionMiddleware)):
        yield _error(
            f'SESSION_EXCHANGE is "{mode}", but MIDDLEWARE lacks SessionMiddleware: there are no Django sessions.',
            "Add django.contrib.sessions.middleware.SessionMiddleware, or remove SESSION_EXCHANGE.",
        )
    if mode != "tie":
        return
    order = [
        found for found in middleware_classes(object) if issubclass(found, (TiedSessionMiddleware, JWTUserMiddleware))
    ]
    if not order or not issubclass(order[0], TiedSessionMiddleware):
        yield _error(
            'SESSION_EXCHANGE is "tie", but MIDDLEWARE lacks TiedSessionMiddleware, or has it after JWTUserMiddleware: '
            "Django's sessions go on when the sessions end that they are tied to.",
            "Add jwt_auth.middleware.TiedSessionMiddleware after AuthenticationMiddleware, and before "
            "LoginRequiredMiddleware and JWTUserMiddleware.",
        )


def _error(message: str, hint: str) -> checks.CheckMessage:
    return checks.Error(message, hint=hint, id="jwt_auth.E033")


def _check_engine() -> Iterator[checks.CheckMessage]:
    engine = django_settings.SESSION_ENGINE
    if get_settings().SESSION_EXCHANGE == "tie" and engine == "django.contrib.sessions.backends.signed_cookies":
        yield checks.Error(
            'SESSION_EXCHANGE is "tie", but SESSION_ENGINE keeps sessions in cookies alone: the server can\'t know '
            "whether a session was ended during its exchange.",
            hint='Set SESSION_ENGINE to "django.contrib.sessions.backends.db" or another one that stores sessions, or '
            'SESSION_EXCHANGE to "end".',
            id="jwt_auth.E035",
        )
