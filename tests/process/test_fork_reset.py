"""A server that loads the app and then forks (`gunicorn --preload`), with real processes."""

import os
import subprocess
import sys

from tests.support import ROOT


def test_a_forked_child_reads_anew_and_waits_for_no_lock_of_its_parent(tmp_path):
    """At the fork the parent's view was warm, one of its threads held both locks, and another one waited for work."""
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
        "parent, by another thread: done",
        "parent, fresh: welcome",  # the control: this process got no notification and may go on
        "child, revoked: RevokedTokenError",
        "child, not revoked: welcome",
        "child, by itself: RevokedTokenError",
        "child, by another thread: done",
        "parent, locked: RevocationUnavailableError",  # the control: the locks were really held
        "child finished: True",
        "parent, later: RevokedTokenError",
    ], told.stderr
