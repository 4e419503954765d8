"""What must hold between the modules."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jwt_auth

ROOT = Path(__file__).resolve().parent.parent
APP = Path(jwt_auth.__file__).parent


@pytest.mark.parametrize(
    "module",
    [
        "jwt_auth",
        "jwt_auth.apps",
        "jwt_auth.authentication",
        "jwt_auth.conf",
        "jwt_auth.csrf",
        "jwt_auth.responses",
    ],
)
def test_what_settings_and_models_name_can_be_imported_before_the_apps_are_ready(module):
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {module}"], check=True)


def test_models_can_not_be_imported_so_early():
    """The control case: without it the test above would only prove that imports work."""
    done = subprocess.run([sys.executable, "-c", "import jwt_auth.models"], capture_output=True, text=True)
    assert "AppRegistryNotReady" in done.stderr


def test_importing_the_app_leaves_the_settings_alone():
    code = (
        "import django; from django.conf import settings; django.setup(); before = dict(vars(settings._wrapped));"
        "import jwt_auth.urls, jwt_auth.conf; jwt_auth.conf.get_settings(); after = dict(vars(settings._wrapped));"
        "assert before == after"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_of_the_test_tools_is_imported_in_production():
    """Not by this app; drf-spectacular, which these tests have installed, imports them itself."""
    code = "import sys, django; django.setup(); import jwt_auth.urls; assert 'django.test' not in sys.modules"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "example_project.settings"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def modules_in(*folders):
    found = {path.stem for folder in folders for path in (APP / folder).glob("*.py")}
    return found - {"__init__"}


def test_the_page_on_the_architecture_names_every_module_and_no_other():
    rows = [line.split("|") for line in (ROOT / "docs/explanation/architecture.md").read_text().splitlines()]
    named = {name for row in rows if len(row) == 5 for name in re.findall(r"`(\w+)`", row[2])}
    assert named == modules_in(".") | {"management"}
    parts = {name for row in rows if len(row) == 5 for name in re.findall(r"`(\w+)`", row[3])}
    assert parts >= modules_in("revocation", "administration", "client")
