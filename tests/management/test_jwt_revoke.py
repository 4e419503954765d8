"""`jwt_revoke`: it names the users, asks for confirmation, and has the effect of every other entry point."""

import getpass
import os
import subprocess
import sys
from uuid import uuid4

import pytest
from django.core.management import CommandError

from jwt_auth import clients, sessions
from jwt_auth.models import RegisteredClient, RevocationEvent, UserSession
from jwt_auth.revocation import remaining
from tests.support.commands import run, type_in
from tests.support.rows import begin


def event():
    return RevocationEvent.objects.latest("id")


@pytest.fixture(autouse=True)
def _account(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "olga")


def test_a_user_is_revoked_with_all_sessions(client, user, make_user):
    pairs, bobs = [client.tokens(user, label="phone"), client.tokens(user)], client.tokens(make_user("bob"))
    output = run("jwt_revoke", f"--user={user.get_username()}", "--reason=laptop stolen", "--yes")
    assert output.startswith(f"{user.get_username()} (primary key {user.pk}): 2 live sessions\n")
    assert "phone" in output
    assert output.splitlines()[-1].startswith("Revoked 2 sessions; those from before ")
    assert all(client.is_dead(pair) for pair in pairs)
    assert not client.is_dead(bobs)
    assert (event().scope, event().reason, event().actor) == ("user", "laptop stolen", "command line: olga")


def test_of_many_sessions_some_are_shown_and_all_are_counted(user):
    begin(user, 25)
    lines = run("jwt_revoke", f"--user={user.pk}", "--dry-run").splitlines()
    assert lines[0].endswith(": 25 live sessions")
    assert lines[-3:-1] == ["... and 5 more", ""]
    assert len(lines) == 3 + 20 + 3


def test_one_session_is_revoked_and_the_others_stay(client, user):
    phone, laptop = client.tokens(user), client.tokens(user)
    output = run("jwt_revoke", f"--session={phone['session']}", "--yes")
    assert f"A session of {user.get_username()} (primary key {user.pk}):" in output
    assert output.endswith(f"Revoked session {phone['session']}.\n")
    assert client.is_dead(phone)
    assert not client.is_dead(laptop)
    assert (event().scope, event().reason) == ("session", "by command")


def test_a_session_id_may_be_written_as_in_tokens(client, user):
    phone = client.tokens(user)
    run("jwt_revoke", f"--session={phone['session'].replace('-', '')}", "--yes")
    assert client.is_dead(phone)


def test_what_was_revoked_before_is_no_failure(client, user):
    phone = client.tokens(user)
    run("jwt_revoke", f"--session={phone['session']}", "--yes")
    output = run("jwt_revoke", f"--session={phone['session']}", "--yes")
    assert "revoked at 20" in output
    assert output.endswith("was already revoked; there was nothing to do.\n")
    assert RevocationEvent.objects.count() == 1


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_token_ends_its_session_and_is_not_shown(client, user, kind):
    phone, laptop = client.tokens(user), client.tokens(user)
    output = run("jwt_revoke", f"--token={phone[kind]}", "--yes")
    assert phone["session"] in output
    assert phone[kind] not in output
    assert client.is_dead(phone)
    assert not client.is_dead(laptop)


def test_a_token_may_come_from_standard_input(client, user, monkeypatch):
    phone = client.tokens(user)
    type_in(monkeypatch, phone["access_token"] + "\n", terminal=False)
    run("jwt_revoke", "--token=-", "--yes")
    assert client.is_dead(phone)


def test_at_a_terminal_a_token_is_asked_for_unseen(client, user, monkeypatch):
    phone = client.tokens(user)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: phone["refresh_token"])
    type_in(monkeypatch, "yes\n")
    run("jwt_revoke", "--token=-")
    assert client.is_dead(phone)


def test_everything_is_revoked(client, user, make_user):
    pairs = [client.tokens(user)]
    assert run("jwt_revoke", "--all", "--dry-run").startswith("Everybody: up to 1 live session of 1 user.")
    pairs.append(client.tokens(make_user("bob")))
    output = run("jwt_revoke", "--all", "--yes", "--reason=key leaked")
    assert output.startswith("Everybody: up to 2 live sessions of 2 users.")
    assert "Revoked everything: sessions from before " in output
    assert all(client.is_dead(pair) for pair in pairs)
    assert (event().scope, event().reason, event().actor) == ("all", "key leaked", "command line: olga")


TARGETS = {
    "user": lambda user, pair: f"--user={user.pk}",
    "session": lambda user, pair: f"--session={pair['session']}",
    "token": lambda user, pair: f"--token={pair['access_token']}",
    "all": lambda user, pair: "--all",
}
targets = pytest.mark.parametrize("target", TARGETS)


@targets
def test_a_dry_run_only_says_whom_it_would_hit(client, user, target):
    pair = client.tokens(user)
    output = run("jwt_revoke", TARGETS[target](user, pair), "--dry-run")
    assert output.endswith("Nothing was revoked (--dry-run).\n")
    assert not client.is_dead(pair)
    assert not RevocationEvent.objects.exists()


@targets
@pytest.mark.parametrize("typed", ["no\n", "\n", "", "y\n", "revoke\n"])
def test_another_answer_revokes_nothing(client, user, target, typed, monkeypatch):
    pair = client.tokens(user)
    type_in(monkeypatch, typed)
    with pytest.raises(CommandError, match="Nothing was revoked") as caught:
        run("jwt_revoke", TARGETS[target](user, pair))
    assert caught.value.returncode == 1
    assert not client.is_dead(pair)


@targets
def test_the_answer_that_is_asked_for_revokes(client, user, target, monkeypatch):
    pair = client.tokens(user)
    type_in(monkeypatch, " YES \n")
    assert "to go on: " in run("jwt_revoke", TARGETS[target](user, pair))
    assert client.is_dead(pair)


@targets
def test_where_nobody_can_be_asked_nothing_is_revoked(client, user, target, monkeypatch):
    pair = client.tokens(user)
    type_in(monkeypatch, "yes\n", terminal=False)
    with pytest.raises(CommandError, match="Repeat the command with --yes"):
        run("jwt_revoke", TARGETS[target](user, pair))
    assert not client.is_dead(pair)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--user=nobody"], "There is no user"),
        (["--session=x"], "That is not a session id"),
        ([f"--session={uuid4()}"], "There is no session"),
        (["--token=x"], "That is not a token of this project"),
        (["--token="], "No token was given"),
        ([], "one of the arguments"),
        (["--all", "--user=1"], "not allowed with"),
        (["--all", f"--reason={'x' * 256}"], "at most 255"),
        (["--all", "--reason=a\nb"], "one line"),
    ],
)
def test_what_can_not_be_understood_revokes_nothing(client, user, arguments, text):
    pair = client.tokens(user)
    with pytest.raises(CommandError, match=text):
        run("jwt_revoke", *arguments, "--yes")
    assert not client.is_dead(pair)


def test_a_user_without_sessions_can_be_revoked_and_revoked_again(client, user):
    assert ": 0 live sessions" in run("jwt_revoke", f"--user={user.pk}", "--yes")
    output = run("jwt_revoke", f"--user={user.pk}", "--yes")
    assert "Sessions from before 20" in output
    assert "are already refused" in output
    pair = sessions.start(user)
    assert client.get_me(pair.access_token).status_code == 200
    assert "Revoked 1 session;" in run("jwt_revoke", f"--user={user.pk}", "--yes")


def test_an_account_without_a_name_is_named_by_its_number(client, user, monkeypatch):
    def fail():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", fail)
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    run("jwt_revoke", f"--user={user.pk}", "--yes")
    assert event().actor == "command line: user id 1234"


def test_the_shell_is_told_how_it_went():
    """The command runs in processes of its own, as in a script."""

    def code(*arguments):
        command = [sys.executable, "manage.py", "jwt_revoke", *arguments]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode

    assert code() == 2
    assert code("--session=x") == 2


def test_no_event_is_written_for_a_session_that_is_not_there(db):
    with pytest.raises(CommandError):
        run("jwt_revoke", f"--session={uuid4()}", "--yes")
    assert not RevocationEvent.objects.exists()
    assert not UserSession.objects.exists()


# API clients


@pytest.fixture
def stolen(make_user):
    """A member of staff whose stolen token has registered a client."""
    return make_user("clerk", is_staff=True)


@pytest.fixture
def planted(user, stolen):
    row = clients.register("reports", user, actor=stolen, peer=sessions.Peer(ip_address="203.0.113.66"))
    return clients.add_secret(row, actor=stolen).key


def test_clients_that_stay_are_named_with_the_command_that_ends_them(stolen, planted):
    output = run("jwt_revoke", f"--user={stolen.pk}", "--yes")
    row = planted.client
    assert "1 API client stays:" in output
    assert "203.0.113.66" in output
    assert "--with-clients" in output
    assert f"manage.py jwt_client disable {row.client_id}\n" in output
    assert f"manage.py jwt_client revoke {row.client_id} --kid={planted.kid}\n" in output
    assert output.endswith("API clients that stay: 1.\n")
    assert RegisteredClient.objects.get().is_active


def test_a_client_without_a_key_has_no_command_for_it(stolen, user):
    row = clients.register("reports", user, actor=stolen)
    output = run("jwt_revoke", f"--user={stolen.pk}", "--dry-run")
    assert f"jwt_client disable {row.client_id}" in output
    assert "--kid" not in output


def test_with_clients_they_end(stolen, planted):
    dry = run("jwt_revoke", f"--user={stolen.pk}", "--with-clients", "--dry-run")
    assert "1 API client ends:" in dry
    assert RegisteredClient.objects.get().is_active
    output = run("jwt_revoke", f"--user={stolen.pk}", "--with-clients", "--yes")
    assert output.endswith("Disabled API clients: 1. Keys revoked: 0.\n")
    assert not RegisteredClient.objects.get().is_active
    assert "API client" not in run("jwt_revoke", f"--user={stolen.pk}", "--yes")


def test_a_page_of_clients_is_named_at_most(stolen, user, monkeypatch):
    monkeypatch.setattr(remaining, "SHOWN", 1)
    for _ in range(2):
        clients.register("reports", user, actor=stolen)
    output = run("jwt_revoke", f"--user={stolen.pk}", "--dry-run")
    assert "2 API clients stay:" in output
    assert "and 1 more: jwt_client list --user" in output


def test_with_clients_is_for_users(db):
    with pytest.raises(CommandError, match="--user"):
        run("jwt_revoke", "--all", "--with-clients", "--yes")


def test_revoking_everything_says_that_clients_stay(user):
    assert "API client" not in run("jwt_revoke", "--all", "--dry-run")
    clients.register("reports", user)
    assert "1 API client stays: its keys can sign new tokens." in run("jwt_revoke", "--all", "--dry-run")
    clients.register("reports", user)
    assert "2 API clients stay: they can sign new tokens." in run("jwt_revoke", "--all", "--dry-run")


def test_a_reason_may_have_joiners(user):
    run("jwt_revoke", f"--user={user.get_username()}", "--reason=علی\u200cرضا", "--yes")
    assert event().reason == "علی\u200cرضا"


@pytest.mark.parametrize(
    ("error", "code", "words"), [(KeyboardInterrupt, 130, "Interrupted. Nothing"), (EOFError, 1, "Nothing")]
)
def test_ctrl_c_and_the_end_of_the_input_at_the_question_revoke_nothing(client, user, error, code, words, monkeypatch):
    pair = client.tokens(user)
    type_in(monkeypatch, "yes\n")

    def interrupted():
        raise error

    monkeypatch.setattr("builtins.input", interrupted)
    with pytest.raises(CommandError, match=f"^{words} was revoked") as caught:
        run("jwt_revoke", f"--user={user.get_username()}")
    assert caught.value.returncode == code
    assert not client.is_dead(pair)


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (EOFError, 1)])
def test_ctrl_c_and_the_end_of_the_input_are_no_token(error, code, monkeypatch):
    type_in(monkeypatch, "")

    def interrupted(prompt):
        raise error

    monkeypatch.setattr("getpass.getpass", interrupted)
    with pytest.raises(CommandError, match="Nothing was done") as caught:
        run("jwt_revoke", "--token=-")
    assert caught.value.returncode == code
