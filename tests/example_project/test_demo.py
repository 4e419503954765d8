"""`manage.py demo`: it tells its story over real HTTP, and accepts only the right answers."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from example_project.demo.command import waits
from example_project.demo.server import free_port
from example_project.management.commands import demo_servers
from tests.support.commands import Terminal
from tests.support.docs import code_of
from tests.support.example_project import (
    FAST,
    SERVES,
    SETTINGS,
    demo,
    manage,
    passwords_of,
    port_of,
    read,
    write_settings,
)

STORY = [
    ("Without a token the API refuses", "401 Unauthorized", '"code": "not_authenticated"'),
    ("Alice signs in on her laptop", "200 OK", '"token_type": "Bearer"'),
    ("She writes a note", "201 Created", '"text": "Buy milk"'),
    ("She lists her notes", "200 OK", '"text": "Buy milk"'),
    ("Bob signs in", "200 OK", '"token_type": "Bearer"'),
    ("Bob does not find Alice's note", "404 Not Found", '"code": "not_found"'),
    ("Alice's laptop refreshes its tokens", "200 OK", '"token_type": "Bearer"'),
    (
        "It sends the old refresh token again at once: it gets the same successor, and nobody is signed out",
        "200 OK",
        "refresh_token",
    ),
    ("Alice signs in on her phone", "200 OK", '"token_type": "Bearer"'),
    ("From the laptop she lists her sessions", "200 OK", '"label": "phone"'),
    ("The phone is lost: she ends its session", "204 No Content", ""),
    ("The phone's access token is refused from now on", "401 Unauthorized", '"code": "token_revoked"'),
    ("Bob may not revoke anybody", "403 Forbidden", '"code": "permission_denied"'),
    ("The admin signs in", "200 OK", '"token_type": "Bearer"'),
    ("The admin revokes all of Alice's tokens", "200 OK", '"sessions_revoked": 1'),
    ("Her laptop's access token is refused, long before it expires", "401 Unauthorized", '"code": "token_revoked"'),
    ("Its refresh token is refused, too", "401 Unauthorized", '"code": "token_revoked"'),
    ("Bob is not affected", "200 OK", "[]"),
    ("Alice signs in again", "200 OK", '"token_type": "Bearer"'),
    ("She deletes her note", "204 No Content", ""),
]


def steps_of(output):
    """Return the title and text of each step, in order."""
    _, *parts = re.split(r"^(\d+\. .*)$", output, flags=re.MULTILINE)
    return [(title.split(". ", 1)[1], text) for title, text in zip(parts[::2], parts[1::2], strict=True)]


def assert_told(done):
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 20 steps got the expected answers." in done.stdout
    steps = steps_of(done.stdout)
    assert [title for title, _ in steps] == [title for title, _, _ in STORY]
    for (title, text), (_, status, fact) in zip(steps, STORY, strict=True):
        assert f"\n   {status}\n" in text, title
        assert fact in text, title
    assert free_port(port_of(done.stdout)), "the server still runs"


# The whole story


@pytest.mark.parametrize("module", SETTINGS)
@pytest.mark.thorough
def test_the_story_is_told_with_the_stock_and_with_a_custom_user_model(tmp_path, module):
    assert_told(manage(tmp_path, module, "demo", "--no-input", "--one-server"))


@pytest.mark.thorough
def test_it_can_be_told_again_at_once_with_new_passwords(tmp_path):
    module = write_settings(tmp_path, FAST)
    first = manage(tmp_path, module, "demo", "--no-input", "--one-server")
    again = manage(tmp_path, module, "demo", "--one-server")  # without a terminal it does not wait for Enter
    assert_told(first)
    assert_told(again)
    assert passwords_of(first.stdout).keys() == passwords_of(again.stdout).keys() == {"alice", "bob", "admin"}
    assert not set(passwords_of(first.stdout).values()) & set(passwords_of(again.stdout).values())
    sessions = dict(steps_of(again.stdout))["From the laptop she lists her sessions"]
    assert sessions.count('"label"') == 2, "the new password has ended the sessions of the first run"


@pytest.mark.parametrize(
    ("line", "failed", "expected", "got"),
    [
        pytest.param(
            'JWT_AUTH = {"LOGIN_THROTTLE": "1/min"}',
            "Step 5 failed: Bob signs in",
            "expected: 200",
            'got:      429 {"detail": ',
            id="status",
        ),
        pytest.param(
            'REST_FRAMEWORK["EXCEPTION_HANDLER"] = "rest_framework.views.exception_handler"',
            "Step 1 failed: Without a token the API refuses",
            'expected: 401 {"code": "not_authenticated"}',
            'got:      401 {"detail": "Authentication credentials were not provided."}',
            id="body",
        ),
    ],
)
@pytest.mark.thorough
def test_a_wrong_answer_fails_the_command(tmp_path, line, failed, expected, got):
    done = manage(tmp_path, write_settings(tmp_path, FAST + line), "demo", "--no-input", "--one-server")
    assert done.returncode == 1, done.stdout
    assert "the expected answers" not in done.stdout
    assert [part for part in (failed, expected, got) if part not in done.stderr] == [], done.stderr
    assert free_port(port_of(done.stdout)), "the server still runs"


# The second story

OF_TWO_SERVERS = [
    ("Alice signs in at the first server", "200 OK", '"token_type": "Bearer"'),
    ("The second server refuses that token, because it is for the first server", "401 Unauthorized", "invalid_token"),
    ("She exchanges it for a token for the second server", "200 OK", '"scope": "reports.read"'),
    ("The second server accepts that token, without an account, a session or a database", "200 OK", '"user": "1"'),
    ("The first server refuses that token, because it is for the second server", "401 Unauthorized", "invalid_token"),
    ("There are no tokens for a server that is not listed", "400 Bad Request", "invalid_target"),
    (
        "A new key must not sign before every server can know it",
        "python manage.py jwt_keys",
        "It can be activated from",
    ),
    ("The only other server already has the key, so we activate it now", "", "signs from now on"),
    ("Alice gets a token that is signed with the new key", "200 OK", '"scope": "reports.read"'),
    ("The second server accepts it", "200 OK", '"user": "1"'),
    ("It still accepts tokens of the old key", "200 OK", "other requests, and refused none"),
    ("The admin of the first server signs in", "200 OK", '"token_type": "Bearer"'),
    ("The admin revokes Alice", "200 OK", '"sessions_revoked": 1'),
    ("Her token is refused at the second server, long before it expires", "401 Unauthorized", "token_revoked"),
]


@pytest.mark.thorough
def test_both_stories_are_told_and_again_with_new_keys(tmp_path):
    module = write_settings(tmp_path, FAST)
    for _ in range(2):
        done = manage(tmp_path, module, "demo", "--no-input")
        assert done.returncode == 0, done.stdout + done.stderr
        steps = steps_of(done.stdout)[len(STORY) :]
        assert [title for title, _ in steps] == [title for title, _, _ in OF_TWO_SERVERS]
        for (title, text), (_, status, fact) in zip(steps, OF_TWO_SERVERS, strict=True):
            assert f"\n   {status}" in text, title
            assert fact in text, title
        assert "All 14 steps had the expected results." in done.stdout
    for port in re.findall(r"A server: http://localhost:(\d+)/", done.stdout):
        assert free_port(int(port)), "the server still runs"


def test_the_second_story_needs_the_settings_of_its_first_server():
    with pytest.raises(CommandError, match=r"--settings example_project\.settings_server1"):
        call_command("demo_servers", interactive=False)


def test_the_second_story_is_interrupted_before_its_servers_run(monkeypatch, settings, tmp_path, capsys):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    settings.SERVER1, settings.SERVER2 = "http://localhost:1", "http://localhost:2"
    monkeypatch.setattr(demo_servers, "connection", SimpleNamespace(settings_dict={"NAME": tmp_path / "none"}))
    monkeypatch.setattr(demo_servers, "call_command", interrupt)
    with pytest.raises(CommandError, match=r"Interrupted\.") as caught:
        call_command("demo_servers", interactive=False)
    assert caught.value.returncode == 130


def test_without_a_standard_input_a_story_does_not_wait(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert waits(interactive=True)
    monkeypatch.setattr(sys, "stdin", None)
    assert not waits(interactive=True)


# --serve, --port


def serving(data_dir, *arguments):
    return demo(data_dir, write_settings(data_dir, FAST), "--serve", *arguments, until=SERVES)


class Reader:
    """Somebody who runs the commands of the story in a shell, and keeps the tokens of the answers."""

    def __init__(self, output):
        self.steps, self.tokens = dict(steps_of(output)), {}

    def paste(self, title):
        """Run the command of this step, and return the output of curl."""
        [line] = re.findall(r"^   (curl .*(?:\n        .*)*)$", self.steps[title], re.MULTILINE)
        done = subprocess.run(["bash", "-c", line], env=os.environ | self.tokens, capture_output=True, check=True)
        for name, member in re.findall(r"^   \$(\w+) is this (\w+)\.$", self.steps[title], re.MULTILINE):
            self.tokens[name] = json.loads(done.stdout)[member]
        return done.stdout.decode()


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash")
@pytest.mark.thorough
def test_its_lines_of_curl_can_be_pasted_while_it_serves(tmp_path):
    with serving(tmp_path, "--no-input", "--one-server") as (_, output):
        reader = Reader(output)
        assert '"code":"invalid_token"' in reader.paste("Bob is not affected"), "the variable is not set"
        assert '"token_type":"Bearer"' in reader.paste("Bob signs in")
        assert reader.paste("Bob is not affected") == "[]"
        reader.paste("Alice signs in on her laptop")
        assert '"token_type":"Bearer"' in reader.paste("Alice's laptop refreshes its tokens")
        reader.paste("The admin signs in")
        assert '"sessions_revoked":2' in reader.paste("The admin revokes all of Alice's tokens")
        refused = reader.paste("Her laptop's access token is refused, long before it expires")
        assert '"code":"token_revoked"' in refused


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
@pytest.mark.thorough
def test_it_serves_at_once_at_the_given_port_until_it_is_stopped(tmp_path, number):
    port = free_port()
    with serving(tmp_path, "--port", str(port)) as (process, output):
        assert steps_of(output) == []
        assert port_of(output) == port
        assert f"\nThe server's log: {tmp_path / 'demo_server.log'}\n" in output
        body = {"username": "alice", "password": passwords_of(output)["alice"]}
        with closing(HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("POST", "/auth/login/", json.dumps(body), {"Content-Type": "application/json"})
            assert connection.getresponse().status == 200
        process.send_signal(number)
        assert process.wait(30) == 0
        assert free_port(port) == port, "the server still runs"


def test_with_allauth_it_has_no_story_to_tell_and_the_guide_only_serves(tmp_path):
    pytest.importorskip("allauth")
    refused = manage(tmp_path, "example_project.settings_allauth", "demo", "--no-input", "--serve")
    assert refused.returncode == 1
    assert "Run it with --serve, and without --no-input." in refused.stderr
    command = "manage.py demo --serve --settings example_project.settings_allauth"  # tests/browser/test_allauth.py
    assert command in code_of("allauth.md", "python3 -m venv")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
@pytest.mark.thorough
def test_at_a_terminal_it_waits_for_enter_and_ctrl_c_ends_it_and_its_server(tmp_path):
    keyboard, terminal = os.openpty()
    try:
        with demo(tmp_path, write_settings(tmp_path, FAST), until="Press Enter", stdin=terminal) as (process, first):
            os.write(keyboard, b"\n")
            second = read(process, "Press Enter")
            assert [title for title, _ in steps_of(first + second)] == [title for title, _, _ in STORY[:2]]
            assert "It waits after each step" in first
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert "Interrupted" in process.stdout.read()
            assert free_port(port_of(first)), "the server still runs"
    finally:
        os.close(keyboard)
        os.close(terminal)


def test_a_port_that_somebody_else_serves_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} of 127.0.0.1 can't be used"):
            call_command("demo", port=port, interactive=False)
    assert free_port(port) == port
