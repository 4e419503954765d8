"""
A project of dj-rest-auth, djoser, DRF's authtoken and knox, whose tokens are those of this app.

The environment names the database and the user model, as in tests/settings.py.
"""

import sys
import warnings
from importlib.util import find_spec

from tests.settings import *  # noqa: F403  # settings files inherit this way
from tests.settings import AUTH_USER_MODEL, INSTALLED_APPS, MIDDLEWARE, REST_FRAMEWORK

# None of these packages may need it.
sys.modules["rest_framework_simplejwt"] = None  # type: ignore[assignment]  # the import fails then

with warnings.catch_warnings():  # social_core's own package for OpenID warns of what it imports
    warnings.simplefilter("ignore", DeprecationWarning)
    import social_core.store  # noqa: F401  # the import is what warns

ROOT_URLCONF = "tests.contrib.packages.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "dj_rest_auth", "djoser", "social_django", "rest_framework.authtoken", "knox"]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "tests.support.social_provider.Provider"]
if find_spec("allauth"):  # the current release needs Python 3.11
    INSTALLED_APPS += [
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        "allauth.socialaccount.providers.openid_connect",
        "dj_rest_auth.registration",
    ]
    MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
    AUTHENTICATION_BACKENDS += ["allauth.account.auth_backends.AuthenticationBackend"]

if find_spec("oauth2_provider"):
    INSTALLED_APPS += ["oauth2_provider"]

# Errors as these packages answer them.
REST_FRAMEWORK = {name: value for name, value in REST_FRAMEWORK.items() if name != "EXCEPTION_HANDLER"}
REST_AUTH = {"USE_JWT": True, "JWT_AUTH_HTTPONLY": False, "TOKEN_MODEL": None, "OLD_PASSWORD_FIELD_ENABLED": True}
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
if AUTH_USER_MODEL == "uuid_accounts.Account":  # it has no other name
    ACCOUNT_LOGIN_METHODS, ACCOUNT_USER_MODEL_USERNAME_FIELD = {"email"}, None
    ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
else:
    ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_RATE_LIMITS = False
DJOSER = {"TOKEN_MODEL": None, "SOCIAL_AUTH_ALLOWED_REDIRECT_URIS": ["https://www.example.com/signed-in/"]}
SOCIAL_AUTH_EXAMPLE_KEY, SOCIAL_AUTH_EXAMPLE_SECRET = "this-app", "the secret shared with the provider"
