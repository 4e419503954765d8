"""The settings of the tests, with the apps of other packages, which do nothing until a test turns them on."""

from tests.settings import *  # noqa: F403  # settings files inherit this way
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "django_otp",
    "django_otp.plugins.otp_totp",
    "axes",
    "djoser",
    "dj_rest_auth",
]
MIDDLEWARE = [*MIDDLEWARE, "axes.middleware.AxesMiddleware"]

AXES_ENABLED = False
SILENCED_SYSTEM_CHECKS = ["axes.W003"]  # its backend is there for its own tests alone

DJOSER = {
    "TOKEN_MODEL": None,
    "SEND_ACTIVATION_EMAIL": True,
    "ACTIVATION_URL": "activate/{uid}/{token}",
    "PASSWORD_RESET_CONFIRM_URL": "reset/{uid}/{token}",
}
REST_AUTH = {"TOKEN_MODEL": None, "OLD_PASSWORD_FIELD_ENABLED": True}
