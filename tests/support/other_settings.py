"""Tests that need other settings than the rest: they run in a process of their own."""

import os
import subprocess
import sys

from tests.support import ROOT


def run_tests(folder: str, settings: str) -> None:
    """Run the tests in `folder` with the settings module `settings`; all must pass, and there must be some."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ds", settings, folder],
        cwd=ROOT,
        env={**environment, "DJANGO_SETTINGS_MODULE": settings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
