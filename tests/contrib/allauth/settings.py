"""
A project that signs in with allauth's headless API, as the guide says.

The environment names the database and the user model, as in tests/settings.py. With `TEST_USER=uuid` users have no name
but their address.
"""

from tests import settings as usual
from tests.settings import AUTH_USER_MODEL, DATABASES, JWT_AUTH

__all__ = ["AUTH_USER_MODEL", "DATABASES", "JWT_AUTH"]

SECRET_KEY = "a secret key of the tests, long enough for Django's own checks to be content"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.contrib.allauth.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # required by Django 6.1

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "jwt_auth",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
    "allauth.headless",
    "allauth.usersessions",
    # That of the user model.
    *(app for app in usual.INSTALLED_APPS if app in {"example_project.accounts", "tests.uuid_accounts"}),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "jwt_auth.middleware.VaryMiddleware",
    "jwt_auth.contrib.allauth.middleware.AllauthMiddleware",
]
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
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "jwt_auth.authentication.JWTAuthentication",
        "jwt_auth.authentication.JWTCookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]

HEADLESS_TOKEN_STRATEGY = "jwt_auth.contrib.allauth.strategy.TokenStrategy"
HEADLESS_ADAPTER = "jwt_auth.contrib.allauth.adapter.HeadlessAdapter"
USERSESSIONS_ADAPTER = "jwt_auth.contrib.allauth.usersessions.UserSessionsAdapter"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_USER_MODEL_USERNAME_FIELD = None if AUTH_USER_MODEL == "uuid_accounts.Account" else "username"
_NAMES = ["email", "username"] if ACCOUNT_USER_MODEL_USERNAME_FIELD else ["email"]
ACCOUNT_LOGIN_METHODS = set(_NAMES)
ACCOUNT_SIGNUP_FIELDS = [*(f"{name}*" for name in _NAMES), "password1*"]
ACCOUNT_RATE_LIMITS = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
