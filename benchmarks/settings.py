"""
A project with all compared packages installed, on the kind of database in BENCH_DATABASE.

`benchmarks.databases` creates and drops the database; BENCH_NAME is its name.
"""

import os
from datetime import timedelta

SECRET_KEY = "a secret key of the benchmarks, long enough for everybody's taste"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.urls"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The password check costs the same for all, and a hundred times as much as the rest, so a cheap hasher is used.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework.authtoken",
    "rest_framework_simplejwt.token_blacklist",
    "knox",
    "jwt_auth",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "benchmarks.contenders.SessionPerPathMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

CONN_MAX_AGE = None if os.environ.get("BENCH_CONN_MAX_AGE", "None") == "None" else int(os.environ["BENCH_CONN_MAX_AGE"])

# True if PostgreSQL may keep the plans of statements.
PREPARED = "BENCH_PREPARED" in os.environ

match os.environ.get("BENCH_DATABASE", "sqlite"):
    case "sqlite":
        DATABASES = {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.environ.get("BENCH_NAME", ":memory:"),
                "CONN_MAX_AGE": CONN_MAX_AGE,
            }
        }
    case "postgresql":
        DATABASES = {
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": os.environ.get("BENCH_NAME", "postgres"),
                "USER": os.environ.get("PGUSER", "postgres"),
                "PASSWORD": os.environ.get("PGPASSWORD", ""),
                "HOST": os.environ.get("PGHOST", "127.0.0.1"),
                "PORT": os.environ.get("PGPORT", "5432"),
                "CONN_MAX_AGE": CONN_MAX_AGE,
                "OPTIONS": {"server_side_binding": True, "prepare_threshold": 5} if PREPARED else {},
            }
        }
    case other:
        raise ValueError(f"BENCH_DATABASE={other}")

# The fastest cache, for the packages that use one.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_RATES": dict.fromkeys(("jwt_auth_refresh", "jwt_auth_revoke", "jwt_auth_verify")),
}

LIFETIME = timedelta(hours=6)  # longer than any run

JWT_AUTH = {
    "REVOCATION": os.environ.get("BENCH_REVOCATION", "memory"),
    "ACCESS_TOKEN_LIFETIME": LIFETIME,
    "LOGIN_THROTTLE": "1000000/s",
}
SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": LIFETIME, "ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
