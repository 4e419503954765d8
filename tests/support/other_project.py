"""
Another project, in a process of its own: for user models, databases and packages that one process can't have twice.

Its settings are those of the tests, with the models in an app `people`, tables in memory, and no middleware but
Django's sessions. A process takes most of a second, so one project answers all questions of a test.
"""

import json
import os
import textwrap
from pathlib import Path
from typing import Any

from tests.support import ROOT, forks

_SETTINGS = """
from tests.settings import *
INSTALLED_APPS = [
    *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
    *("rest_framework", "jwt_auth", "people"),
]
AUTH_USER_MODEL = "people.Person"
ROOT_URLCONF = "root_urls"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
JWT_AUTH = {}
"""

_BEFORE = """
import json, logging, django
from django.conf import settings
django.setup()
logging.disable(logging.CRITICAL)
from django.core.management import call_command
if getattr(settings, "MIGRATED", False):
    call_command("makemigrations", "people", verbosity=0)
for alias in settings.DATABASES:
    call_command("migrate", run_syncdb=True, verbosity=0, database=alias)
from rest_framework.test import APIClient

def client(token=None):
    made = APIClient(raise_request_exception=False)
    if token:
        made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return made

def tell(value):
    print("\\nTOLD " + json.dumps(value))
"""

_URLS = "from django.urls import include, path\nurlpatterns = [path('auth/', include('jwt_auth.urls'))]\n"


def in_another_project(folder: Path, *, code: str, models: str = "", settings: str = "", urls: str = _URLS) -> Any:
    """
    Run `code` in a project made in `folder`, and return what it gives to `tell()`, which must be JSON.

    Args:
        code: statements, with `client(token)` and `tell(value)` at hand.
        models: the module of the models; AUTH_USER_MODEL is "people.Person" unless `settings` have another.
        settings: statements after the usual settings. `MIGRATED = True` makes migrations of `models`: without them,
            Django makes no foreign key to a key that is a foreign key itself.
        urls: the module of the URLs.
    """
    (folder / "people").mkdir()
    files = {
        "people/__init__.py": "",
        "people/models.py": models,
        "own_settings.py": _SETTINGS + textwrap.dedent(settings),
        "root_urls.py": urls,
        "main.py": _BEFORE + textwrap.dedent(code),
    }
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))
    own = {
        "DJANGO_SETTINGS_MODULE": "own_settings",
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "PYTHONWARNINGS": "ignore",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TEST_", "COV"))}
    done = forks.run(str(folder / "main.py"), cwd=ROOT, environment={**inherited, **own})
    told = [line[5:] for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    assert done.returncode == 0, done.stdout
    assert told, done.stdout
    return json.loads(told[-1])
