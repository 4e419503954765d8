"""A server that forks while tokens are watched, with real processes."""

import os
import subprocess
import sys

from tests.support import ROOT


def test_a_forked_child_watches_by_itself(tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "tests.watching.forked"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "example_project.settings", "EXAMPLE_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [
        "child, at first: good",
        "child, revoked: RevokedTokenError",
        "child, waiting: RevokedTokenError",
        "child, neither: good",
        "child finished: True",
        "parent: ['RevokedTokenError', 'RevokedTokenError']",
        "parent, the third: good",
    ]
    assert told.stdout.splitlines() == ["mode: memory", *lines, "mode: database", *lines], told.stderr
