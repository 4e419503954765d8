"""The settings of `benchmarks.redis_failures`: FAILURE_ROLE is the role of the Redis at FAILURE_REDIS."""

import os
from typing import Any

from benchmarks.settings import *  # noqa: F403  # settings files inherit this way

ROOT_URLCONF = "benchmarks.failure_urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "jwt_auth"]
MIDDLEWARE: list[str] = []

ROLE, URL = os.environ.get("FAILURE_ROLE", "none"), os.environ.get("FAILURE_REDIS", "")

_local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
# Without options, as in the simplest project: its client has no time limits, or those of its library.
_redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": URL} if URL else _local
CACHES = {"default": _redis if ROLE in ("throttles", "everything") else _local, "redis": _redis}

JWT_AUTH: dict[str, Any] = {"REVOCATION": "memory", "LOGIN_THROTTLE": "1000000/s", "REPLAY_CACHE": None}
if ROLE in ("marker", "everything"):
    JWT_AUTH["REVOCATION_CACHE"] = "redis"
if ROLE in ("push", "everything"):
    JWT_AUTH["REVOCATION_PUSH"] = URL
if ROLE in ("used tokens", "everything"):
    JWT_AUTH["REPLAY_CACHE"] = "redis"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jwt_auth.authentication.JWTAuthentication"],
    # So many that nobody is refused, and each request is counted.
    "DEFAULT_THROTTLE_RATES": {
        f"jwt_auth_{name}": "1000000/s" for name in ("refresh", "revoke", "verify", "sessions", "user", "client")
    },
}
