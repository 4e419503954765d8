"""
Tokens of simplejwt itself, in a process of their own: its apps would take part in all tests; and a project without it.
"""

import os
import subprocess
import sys
from datetime import date

import pytest

from jwt_auth.contrib.simplejwt.window.ending import end_former
from jwt_auth.contrib.simplejwt.window.package import is_open
from jwt_auth.contrib.simplejwt.window_checks import check_window
from jwt_auth.exceptions import InvalidTokenError
from jwt_auth.sessions import refresh
from jwt_auth.verification import verify
from tests.support import ROOT
from tests.support.former import unkeyed
from tests.support.other_settings import run_tests

BLOCKED = """
import sys
sys.modules["rest_framework_simplejwt"] = None  # an import of it fails
import django
django.setup()
from django.core.management import call_command
from jwt_auth.exceptions import InvalidTokenError
from jwt_auth.verification import verify
from tests.support.former import unkeyed
try:
    verify(unkeyed())
except InvalidTokenError:
    print("refused")
call_command("check")
"""


def test_what_simplejwt_has_issued_is_accepted_until_the_window_closes():
    pytest.importorskip("rest_framework_simplejwt")
    run_tests("tests/contrib/simplejwt/window", "tests.contrib.simplejwt.window.settings")


def test_a_project_without_the_package_never_imports_it():
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused")


@pytest.mark.parametrize("options", [None, {}, {"ACCEPT_UNTIL": date(2026, 1, 1)}])
def test_a_closed_window_knows_no_former_token(db, jwt_settings, clock, options):
    jwt_settings(SIMPLEJWT=options)
    assert not is_open()
    for use in (verify, refresh):
        with pytest.raises(InvalidTokenError):
            use(unkeyed())
    assert end_former(unkeyed(), reason="", now=None) is None


def test_an_open_window_without_the_package_is_reported(jwt_settings, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("rest_framework_simplejwt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rest_framework_simplejwt", None)
    assert check_window() == []
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": date(2100, 1, 1)})
    [message] = check_window()
    assert message.id == "jwt_auth.E104"
    assert "can't be used: " in message.msg
