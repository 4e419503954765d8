"""
A project with simplejwt as most have it: refresh tokens rotate and are blacklisted. It has this app beside it.

Both have the same users, under `/before/` and `/now/`.
"""

from datetime import timedelta

from tests.settings import *  # noqa: F403  # settings files inherit this way
from tests.settings import INSTALLED_APPS, JWT_AUTH

INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework_simplejwt", "rest_framework_simplejwt.token_blacklist"]
ROOT_URLCONF = "tests.contrib.simplejwt.compared.urls"
# Without VaryMiddleware, which is no part of what is compared.
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
REST_FRAMEWORK = {"TEST_REQUEST_DEFAULT_FORMAT": "json"}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
}
JWT_AUTH = {
    **JWT_AUTH,
    "SESSION_IDLE_TIMEOUT": timedelta(days=1),
    "SIMPLEJWT": {"AUTH_HEADER_TYPES": ("Bearer",)},
}
