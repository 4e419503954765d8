"""
The example project with django-allauth: users sign in with a password and a code, or with a passkey.

It follows docs/how-to/allauth.md, and requires `pip install -e ".[allauth]"` with Python 3.11 or later.
Open it at http://localhost, because passkeys do not work at an IP address such as 127.0.0.1.
"""

import django

from example_project.settings import *  # noqa: F403  # settings files inherit this way
from example_project.settings import DATA_DIR, INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "example_project.with_allauth",  # the page at /; before allauth, so that its templates replace allauth's
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "django.contrib.humanize",  # for allauth's list of passkeys
]

MIDDLEWARE = [
    *MIDDLEWARE,
    "allauth.account.middleware.AccountMiddleware",
    "jwt_auth.contrib.allauth.middleware.AllauthMiddleware",
]

ROOT_URLCONF = "example_project.with_allauth.urls"
LOGIN_REDIRECT_URL = "/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "allauth.sqlite3"}}

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]

HEADLESS_TOKEN_STRATEGY = "jwt_auth.contrib.allauth.strategy.TokenStrategy"
HEADLESS_ADAPTER = "jwt_auth.contrib.allauth.adapter.HeadlessAdapter"

# Users of the example project have no e-mail address, unless they add one at /accounts/email/. Mails go to the output
# of the server: under `demo --serve` to the log that the command names.
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # the clocks of phones differ by seconds
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # plain http on localhost: for this machine only
