"""Settings of the servers that the tests start, on a PostgreSQL of their own."""

import json
import os

from tests.settings import *  # noqa: F403  # settings files inherit this way

ROOT_URLCONF = "tests.deployment.first_urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": os.environ.get("DEPLOYMENT_ROLE", "postgres"),
        "HOST": os.environ["DEPLOYMENT_DATABASE"],  # the directory of its socket, or of several, as libpq reads them
        "CONN_MAX_AGE": None,
        "DISABLE_SERVER_SIDE_CURSORS": "DEPLOYMENT_POOLED" in os.environ,
        "OPTIONS": json.loads(os.environ.get("DEPLOYMENT_OPTIONS", "{}")),
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if "DEPLOYMENT_REDIS" in os.environ:
    CACHES["shared"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ["DEPLOYMENT_REDIS"],
    }
JWT_AUTH = {
    "REVOCATION": "memory",
    "LOGIN_THROTTLE": "1000000/min",
    **json.loads(os.environ.get("DEPLOYMENT_JWT_AUTH", "{}")),
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jwt_auth.authentication.JWTAuthentication"],
    "EXCEPTION_HANDLER": "jwt_auth.responses.exception_handler",
    "DEFAULT_THROTTLE_RATES": dict.fromkeys(
        f"jwt_auth_{name}" for name in ("refresh", "revoke", "verify", "exchange", "sessions")
    ),
}
