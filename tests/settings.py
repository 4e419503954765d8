"""
The example project's settings, with the database and the user model that the environment names.

TEST_DATABASE: sqlite (default), postgresql or mariadb. TEST_USER: stock (default), custom or uuid.
"""

import os
import tempfile
from typing import Any

os.environ.setdefault("EXAMPLE_DATA_DIR", tempfile.mkdtemp(prefix="jwt_auth_tests_"))

from example_project.settings import *  # noqa: F403  # settings files inherit this way
from example_project.settings import INSTALLED_APPS

SECRET_KEY = "a secret key of the tests, long enough for Django's own checks to be content"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.urls"
# Seconds, not minutes, for thousands of sign-ins.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", "tests.hashers.OldHasher"]
INSTALLED_APPS = [*INSTALLED_APPS, "drf_spectacular"]
SPECTACULAR_SETTINGS = {"ENABLE_DJANGO_DEPLOY_CHECK": False}  # it requires settings that most tests don't need
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # required by Django 6.1
JWT_AUTH: dict[str, Any] = {}
AUTH_USER_MODEL = "auth.User"

match os.environ.get("TEST_USER", "stock"):
    case "stock":
        pass
    case "custom":
        INSTALLED_APPS = [*INSTALLED_APPS, "example_project.accounts"]
        AUTH_USER_MODEL = "accounts.Member"
        JWT_AUTH = {"USER_CUTOFF_FIELD": "tokens_valid_after"}
    case "uuid":
        INSTALLED_APPS = [*INSTALLED_APPS, "tests.uuid_accounts"]
        AUTH_USER_MODEL = "uuid_accounts.Account"
        JWT_AUTH = {"USER_CUTOFF_FIELD": "sessions_valid_from"}
    case other:
        raise ValueError(f"TEST_USER={other}")

# Test runs at the same time need separate databases.
TEST_NAME = f"test_jwt_auth_{os.environ.get('TEST_RUN', os.getpid())}"

match os.environ.get("TEST_DATABASE", "sqlite"):
    case "sqlite":
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    case "postgresql":
        DATABASES = {
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": os.environ.get("PGDATABASE", "postgres"),
                "USER": os.environ.get("PGUSER", "postgres"),
                "PASSWORD": os.environ.get("PGPASSWORD", ""),
                "HOST": os.environ.get("PGHOST", "127.0.0.1"),
                "PORT": os.environ.get("PGPORT", "5432"),
                "OPTIONS": {"options": "-c synchronous_commit=off"},  # no test crashes this server
                "TEST": {"NAME": TEST_NAME},
            }
        }
    case "mariadb":
        DATABASES = {
            "default": {
                "ENGINE": "django.db.backends.mysql",
                "NAME": os.environ.get("MYSQL_DATABASE", "test"),
                "USER": os.environ.get("MYSQL_USER", "root"),
                "PASSWORD": os.environ.get("MYSQL_PASSWORD", ""),
                "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
                "PORT": os.environ.get("MYSQL_TCP_PORT", "3306"),
                "OPTIONS": {"charset": "utf8mb4"},
                "TEST": {"NAME": TEST_NAME},
            }
        }
    case other:
        raise ValueError(f"TEST_DATABASE={other}")
