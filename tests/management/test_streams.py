"""The standard streams of commands: terminals that know few characters, and inputs that are closed or no text."""

import sys
from io import BytesIO, TextIOWrapper

import pytest
from django.core.management import CommandError, call_command

from jwt_auth import sessions
from jwt_auth.management.terminal import prepare_streams
from tests.support.commands import run

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("command", ["jwt_sessions", "jwt_revoke"])
def test_a_terminal_that_lacks_characters(user, monkeypatch, command):
    sessions.start(user, label="Anna’s \N{PERSONAL COMPUTER}")
    out = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    prepare_streams()
    call_command(command, f"--user={user.get_username()}", *(["--yes"] if command == "jwt_revoke" else []))
    out.flush()
    assert b"Anna\\u2019s \\U0001f4bb" in out.buffer.getvalue()


def test_a_token_that_is_no_text(monkeypatch):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"\xff\xfe"), encoding="utf-8"))
    prepare_streams()
    assert "FAIL  form: not a compact JWS" in run("jwt_inspect")


def test_an_input_that_is_closed(user, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    prepare_streams()
    with sys.stdin, pytest.raises(CommandError, match="No token was given"):
        run("jwt_inspect")
    monkeypatch.setattr(sys, "stdin", None)
    prepare_streams()
    with sys.stdin, pytest.raises(CommandError, match="there is no terminal to ask at"):
        run("jwt_revoke", f"--user={user.get_username()}")
