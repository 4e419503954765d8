"""
A small project with jwt_auth, on SQLite, with only the settings that it needs.
"""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

# The database and the secret key are here; other users of the machine can't read them.
DATA_DIR = Path(os.environ.get("EXAMPLE_DATA_DIR", BASE_DIR / "example_data"))
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

# A new key at each start would end every session, so it is kept in a file. In production read it from the environment.
_secret_file = DATA_DIR / "secret_key"
if not _secret_file.exists():
    _secret_file.touch(mode=0o600)
    _secret_file.write_text(get_random_secret_key())
SECRET_KEY = _secret_file.read_text()

DEBUG = True  # plain http and error pages: for this machine only
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "jwt_auth",
    "example_project",  # the command `demo`
    "example_project.notes",
    "example_project.browser",  # the page at /
    "example_project.live",  # the page at /live/
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "jwt_auth.middleware.VaryMiddleware",
]

ROOT_URLCONF = "example_project.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "db.sqlite3"}}

STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True

# The settings that jwt_auth needs, besides INSTALLED_APPS and the URLs.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "jwt_auth.authentication.JWTAuthentication",
        "jwt_auth.authentication.JWTCookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    # Errors of this project's views in the form of jwt_auth's own, with a `code`.
    "EXCEPTION_HANDLER": "jwt_auth.responses.exception_handler",
}

# Error mails list the cookies of a request; this filter hides the tokens in them.
DEFAULT_EXCEPTION_REPORTER_FILTER = "jwt_auth.error_reports.ExceptionReporterFilter"
