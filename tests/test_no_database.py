"""A server without a database, in a process of its own: settings can't be changed once the apps are loaded."""

import os
import subprocess
import sys

import pytest

from tests.support import ROOT

SETTINGS = "tests.no_database.settings"


@pytest.mark.thorough
def test_a_server_without_a_database():
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ds", SETTINGS, "tests/no_database"]
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
