"""What must hold between the modules."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "jwt_auth",
        "jwt_auth.apps",
        "jwt_auth.authentication",
        "jwt_auth.conf",
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
    code = "import sys, django; django.setup(); import jwt_auth.urls; assert 'django.test' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
