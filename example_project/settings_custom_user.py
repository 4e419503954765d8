"""
The example project with its own user model, which has a field for the cutoff.
"""

from example_project.settings import *  # noqa: F403  # settings files inherit this way
from example_project.settings import DATA_DIR, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "example_project.accounts"]
AUTH_USER_MODEL = "accounts.Member"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "custom_user.sqlite3"}}

JWT_AUTH = {"USER_CUTOFF_FIELD": "tokens_valid_after"}
