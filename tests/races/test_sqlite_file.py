"""On a SQLite file no operation fails because another process writes between its reads and its writes."""

import json
import subprocess
import sys


def test_no_operation_loses_its_turn_to_another_process(tmp_path):
    command = [sys.executable, "-m", "tests.support.sqlite_file", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "database is locked" in found.pop("control")  # a transaction that reads first
    assert found.pop("written by the other process") == "True"
    assert found == dict.fromkeys(found, "done")
