"""allauth, in a process of its own: settings can't be changed once the apps are loaded; and a project without it."""

import os
import subprocess
import sys

import pytest

from jwt_auth.contrib.allauth.checks import check_allauth
from tests.support import ROOT

SETTINGS = "tests.contrib.allauth.settings"


@pytest.mark.thorough
def test_a_project_with_allauth():
    pytest.importorskip("allauth")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--ds",
        SETTINGS,
        "tests/contrib/allauth",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "DJANGO_SETTINGS_MODULE": SETTINGS},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_strategy_without_its_apps_is_reported(settings):
    assert check_allauth() == []
    settings.HEADLESS_TOKEN_STRATEGY = "jwt_auth.contrib.allauth.strategy.TokenStrategy"
    (found,) = check_allauth()
    assert found.id == "jwt_auth.E090"
    assert '"allauth.account", "allauth.headless"' in found.msg
    assert '"django-revocable-jwt[allauth]"' in found.hint
