"""The processes that the tests fork behave as `python` on a command line does."""

import json
import os
import subprocess
import sys

import pytest

from tests.support import ROOT, forks

SHOW = """
import json, os, sys
print(json.dumps([sys.argv, sys.path, sys.stdin.read(), os.getcwd(), os.environ["OWN"], __name__]))
print("an error", file=sys.stderr)
sys.exit(3)
"""


@pytest.mark.parametrize("command", [("-c", SHOW), ("-m", "shows"), ("shows.py",)], ids=["code", "module", "file"])
def test_a_fork_finds_what_a_process_finds(tmp_path, command):
    (tmp_path / "shows.py").write_text(SHOW)
    environment = {**os.environ, "OWN": "x", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    arguments = [*command, "one", "two"]
    started = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environment,
        input="typed",
        capture_output=True,
        text=True,
        check=False,
    )
    forked = forks.run(*arguments, cwd=tmp_path, environment=environment, given="typed", apart=True)
    assert json.loads(forked.stdout) == json.loads(started.stdout)
    assert (forked.returncode, forked.stderr) == (started.returncode, started.stderr) == (3, "an error\n")


def test_a_fork_that_fails_says_why_and_the_next_one_is_not_affected(tmp_path):
    failed = forks.run("-c", "import os\nos.environ['A'] = 'b'\n1 / 0", cwd=tmp_path, environment={})
    assert failed.returncode == 1
    assert failed.stdout.endswith("ZeroDivisionError: division by zero\n")
    assert forks.run("-c", "import os\nprint(os.environ.get('A'))", cwd=tmp_path, environment={}).stdout == "None\n"


def test_a_fork_begins_without_this_app_and_without_settings(tmp_path):
    code = """
import sys
from django.apps import apps
from django.conf import settings
ours = [name for name in sys.modules if name.startswith(("jwt_auth", "rest_framework", "tests", "example_project"))]
print(ours, settings.configured, apps.ready)
"""
    assert forks.run("-c", code, cwd=tmp_path, environment={}).stdout == "[] False False\n"


def test_a_warning_is_an_error_where_the_environment_says_so(tmp_path):
    code = "import warnings\nwarnings.warn('old', DeprecationWarning)"
    assert forks.run("-c", code, cwd=tmp_path, environment={"PYTHONWARNINGS": "error"}).returncode == 1
    assert forks.run("-c", code, cwd=tmp_path, environment={"PYTHONWARNINGS": "ignore"}).returncode == 0


def test_a_fork_that_goes_on_is_ended(tmp_path):
    fork = forks.Fork(("-c", "import time\ntime.sleep(60)"), cwd=tmp_path, environment={}, output=tmp_path / "output")
    assert fork.poll() is None
    fork.terminate()
    assert fork.wait() == fork.poll() == -15
