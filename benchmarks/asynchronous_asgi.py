"""
The ASGI application of `benchmarks.asynchronous`: the first part of a path chooses the middleware.

So all are measured in one process, and an open view pays for nobody's middleware.
"""

import os
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.asynchronous_settings"
django.setup()

from django.core.handlers.asgi import ASGIHandler  # noqa: E402  # needs the settings
from django.test import override_settings  # noqa: E402

from jwt_auth.authentication import JWTAuthentication  # noqa: E402
from jwt_auth.middleware import JWTUserMiddleware  # noqa: E402


class DatabaseUserMiddleware(JWTUserMiddleware):
    authentication_classes = (JWTAuthentication.with_revocation("database"),)


_VARY = "jwt_auth.middleware.VaryMiddleware"

MIDDLEWARE = {
    "open": [],
    "memory": [_VARY, "jwt_auth.middleware.JWTUserMiddleware"],
    "database": [_VARY, f"{__name__}.DatabaseUserMiddleware"],
}


def _handler(middleware: list[str]) -> Any:
    with override_settings(MIDDLEWARE=middleware):
        return ASGIHandler()


_handlers = {name: _handler(middleware) for name, middleware in MIDDLEWARE.items()}


async def application(scope: Any, receive: Any, send: Any) -> None:
    _, first, rest = scope["path"].split("/", 2)
    await _handlers[first]({**scope, "path": f"/{rest}"}, receive, send)
