"""A project that comes from simplejwt, and still has the package, its apps and its settings."""

from datetime import date, timedelta
from typing import Any

from tests.settings import *  # noqa: F403  # settings files inherit this way
from tests.settings import INSTALLED_APPS, JWT_AUTH

INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework_simplejwt.token_blacklist"]
SIMPLE_JWT: dict[str, Any] = {
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}
JWT_AUTH = {**JWT_AUTH, "SIMPLEJWT": {"ACCEPT_UNTIL": date(2100, 1, 1)}}
