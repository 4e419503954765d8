"""A server that only verifies: it has no database, and no key of its issuer but the public one."""

from typing import Any

SECRET_KEY = "a secret key of the tests, long enough for Django's own checks to be content"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.no_database.urls"
DATABASES: dict[str, Any] = {}

INSTALLED_APPS = [
    # Models refer to users, so these two are required; their tables are never queried.
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "jwt_auth",
]
MIDDLEWARE = ["tests.no_database.middleware.AcceptingMiddleware", "jwt_auth.middleware.VaryMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jwt_auth.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "jwt_auth.responses.exception_handler",
}

# The issuer's key on P-256, which signs only for these tests.
ISSUER_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "lHjM9FjaxM2xkeCQPxg2YwqLLgfMLO-NfIbElQxulcY",
    "y": "CQ4cQ4uzE1ztstuWTwjrhZSH6_iy2M2Y8ljFInUiIeI",
    "d": "BDS1EUAumcTEIP6uAllj-iDQ0oX2D6LZNi6x4ls5vzo",
}
PUBLIC_KEY = {name: value for name, value in ISSUER_KEY.items() if name != "d"}

JWT_AUTH = {
    "ISSUER": "https://server2.example",
    "REVOCATION": "none",
    "TRUSTED_ISSUERS": {"https://server1.example": {"KEYS": PUBLIC_KEY, "ALGORITHMS": ["ES256"]}},
}
