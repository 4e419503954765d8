"""
Another server, without a database, users, or secrets of the first one. It accepts tokens that SERVER1 signs for it.

    python manage.py runserver 8002 --settings example_project.server2.settings
"""

import os
from datetime import timedelta

from django.core.management.utils import get_random_secret_key

SERVER1 = os.environ.get("SERVER1", "http://localhost:8001")
SERVER2 = os.environ.get("SERVER2", "http://localhost:8002")

SECRET_KEY = get_random_secret_key()  # Django requires one; nothing here is signed with it

DEBUG = True  # plain http: for this machine only
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.auth",  # models of jwt_auth refer to its users; there is no table
    "django.contrib.contenttypes",
    "rest_framework",
    "jwt_auth",
]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "example_project.server2.urls"
DATABASES: dict[str, object] = {}
TIME_ZONE = "UTC"
USE_TZ = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jwt_auth.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "jwt_auth.responses.exception_handler",
}

JWT_AUTH = {
    "ISSUER": SERVER2,  # the audience of the tokens that it accepts
    "REVOCATION": "none",
    "TRUSTED_ISSUERS": {
        SERVER1: {
            "JWKS_URL": f"{SERVER1}/auth/.well-known/jwks.json",
            "ALGORITHMS": ["ES256"],
            "REVOCATIONS_URL": f"{SERVER1}/auth/.well-known/revocations",
            "REVOCATIONS_MAX_STALENESS": timedelta(seconds=2),
        }
    },
}
