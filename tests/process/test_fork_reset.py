"""A server that loads the app and then forks (`gunicorn --preload`), with real processes."""

import os
import subprocess
import sys

from tests.support import ROOT


def test_a_forked_child_reads_anew_and_waits_for_no_lock_of_its_parent(tmp_path):
    """The parent's view was warm, and one of its threads held both locks at the moment of the fork."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.process.forked"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "example_project.settings", "EXAMPLE_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.stdout.splitlines() == [
        "warm: welcome",
        "parent, fresh: welcome",  # the control: this process got no notification and may go on
        "child, revoked: RevokedTokenError",
        "child, not revoked: welcome",
        "child, by itself: RevokedTokenError",
        "parent, locked: RevocationUnavailableError",  # the control: the locks were really held
        "child finished: True",
        "parent, later: RevokedTokenError",
    ], told.stderr
