"""The narrator of `manage.py demo`: its output, and its refusal of wrong answers."""

import json
import re
import shlex

import pytest
from django.core.management.color import no_style

from example_project.demo.narrator import Narrator, Request, StepFailedError, curl, matches, shortened
from example_project.demo.server import free_port
from tests.support.clients import PASSWORD


class Sheet(list):
    """A file that collects the output of a narrator."""

    @property
    def text(self):
        return "\n".join(self)


@pytest.fixture
def sheet():
    return Sheet()


@pytest.fixture
def narrator(live_server, sheet):
    return Narrator(f"{live_server.thread.host}:{live_server.thread.port}", write=sheet.append, style=no_style())


@pytest.fixture
def sign_in(narrator, user):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    keep = {"ACCESS": "access_token", "REFRESH": "refresh_token"}
    return narrator.step("Sign in", "POST /auth/login/", body=body, status=200, keep=keep)


def test_a_right_answer_is_shown_with_its_tokens_shortened_and_kept(narrator, sign_in, sheet):
    lines = sheet.text.splitlines()
    assert "   200 OK" in lines
    assert "   $ACCESS is this access_token." in lines
    assert sign_in["access_token"] not in sheet.text
    assert sign_in["refresh_token"] not in sheet.text
    assert max(map(len, lines)) <= 100
    me = narrator.step("Me", "GET /auth/me/", token="ACCESS", status=200, expect={"session": sign_in["session"]})
    assert me["session"] == sign_in["session"]


@pytest.mark.parametrize(
    ("call", "wanted", "message"),
    [
        ("GET /auth/me/", {"status": 401}, "expected: 401\n  got:      200 "),
        (
            "GET /auth/me/",
            {"status": 200, "expect": {"client_id": "another"}},
            'expected: 200 {"client_id": "another"}',
        ),
        ("GET /auth/me/", {"status": 200, "expect": {"nobody": None}}, 'expected: 200 {"nobody": null}'),
        ("GET /auth/me/", {"status": 200, "keep": {"NAME": "nothing"}}, 'expected: 200 {"nothing": null}'),
        (
            "GET /auth/sessions/",
            {"status": 200, "expect": {"results": [{"label": "phone"}]}},
            'expected: 200 {"results": [{',
        ),
        ("DELETE /auth/sessions/", {"status": 204, "expect": {}}, "got:      204"),
        ("GET /nowhere/", {"status": 200}, 'got:      404 "\\n<!doctype html>'),
    ],
)
def test_a_wrong_answer_fails_its_step(narrator, sign_in, call, wanted, message):
    with pytest.raises(StepFailedError) as failure:
        narrator.step("Ask", call, token="ACCESS", **wanted)
    assert str(failure.value).startswith("Step 2 failed: Ask\n  expected: ")
    assert message in str(failure.value)


def test_no_answer_fails_its_step(sheet):
    narrator = Narrator(f"127.0.0.1:{free_port()}", write=sheet.append, style=no_style())
    with pytest.raises(StepFailedError, match="expected: an answer\n  got:      none"):
        narrator.step("Ask", "GET /", status=200)


def test_another_server_is_asked_until_its_answer_is_the_right_one(live_server, sheet):
    address = f"{live_server.thread.host}:{live_server.thread.port}"
    narrator = Narrator(f"127.0.0.1:{free_port()}", write=sheet.append, style=no_style())
    keys = "GET /auth/.well-known/jwks.json"
    narrator.step("At once", keys, at=address, status=200, within=5)
    assert f"curl http://{address}/auth/.well-known/jwks.json" in sheet.text
    assert re.search(r"\.\.\. after \d+\.\d s:", sheet.text)
    with pytest.raises(StepFailedError, match="expected: 404\n  got:      200"):
        narrator.step("Never", keys, at=address, status=404, within=0.1)


@pytest.mark.thorough
def test_a_command_is_shown_with_what_it_says_and_has_to_end_as_expected(sheet):
    narrator = Narrator("127.0.0.1:1", write=sheet.append, style=no_style())
    said = narrator.command("Help", "check", "--help", expect="--deploy")
    assert "   python manage.py check --settings tests.settings --help" in sheet
    assert f"   {said.splitlines()[0]}" in sheet
    narrator.command("A mistake", "check", "--nonsense", status=2)
    with pytest.raises(StepFailedError, match="expected: exit code 0 and 'nonsense'"):
        narrator.command("Other words", "check", "--help", expect="nonsense")
    with pytest.raises(StepFailedError, match="exit code 2 and usage"):
        narrator.command("Another end", "check", "--nonsense")


def test_it_pauses_between_the_steps_and_not_before_the_first(live_server, sheet):
    address = f"{live_server.thread.host}:{live_server.thread.port}"
    narrator = Narrator(address, write=sheet.append, style=no_style(), pause=lambda: sheet.append("(pause)"))
    for title in ("One", "Two", "Three"):
        narrator.step(title, "GET /auth/.well-known/jwks.json", status=200)
    assert re.findall(r"^\d\. \w+|\(pause\)", sheet.text, re.MULTILINE) == [
        "1. One", "(pause)", "2. Two", "(pause)", "3. Three",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["it's", "a long text, " * 20])
def test_a_line_of_curl_is_split_by_a_shell_into_what_is_sent(text):
    request = Request(method="POST", path="/x/", token="ACCESS", body={"refresh_token": "$REFRESH", "text": text})
    line = curl("host:1", request).replace("$ACCESS", "aaa").replace("$REFRESH", "rrr")
    *words, body = shlex.split(line.replace("\\\n", ""))
    assert words == [
        *("curl", "-X", "POST", "http://host:1/x/"),
        *("-H", "Authorization: Bearer aaa"),
        *("-H", "Content-Type: application/json", "-d"),
    ]
    assert json.loads(body) == {"refresh_token": "rrr", "text": text}


@pytest.mark.parametrize(
    ("expected", "got", "answer"),
    [
        (None, "anything", True),
        ({}, {"a": 1}, True),
        ({}, None, False),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": None}, {}, False),
        ([{"a": 1}], [{"a": 2}, {"a": 1, "b": 2}], True),
        ([{"a": 1}, {"a": 3}], [{"a": 1}, {"a": 2}], False),
        ([], {}, False),
    ],
)
def test_an_answer_matches_when_it_has_all_that_is_expected(expected, got, answer):
    assert matches(expected, got) is answer


def test_shortened_shows_both_ends_of_a_token_and_nothing_else_changes():
    body = {"access_token": "a" * 8 + "secret" + "z" * 8, "token_type": "Bearer", "expires_in": 5}
    assert shortened(body) == {**body, "access_token": "aaaaaaaa...zzzzzzzz"}
    assert shortened([1]) == [1]
