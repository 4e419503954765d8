"""`jwt_sessions`: a table for people, JSON for programs, and nothing that could be used to sign in."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError

from jwt_auth import clients, sessions
from jwt_auth.management.terminal import table
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from jwt_auth.sessions import Peer
from tests.support.clocks import NOW
from tests.support.commands import run
from tests.support.queries import Queries
from tests.support.rows import begin
from tests.support.user_agents import FIREFOX


@pytest.fixture
def signed_in(user, clock):
    """alice on a laptop, and a minute later on a device that sends no header."""
    laptop = sessions.start(user, label="laptop", peer=Peer(ip_address="203.0.113.7", user_agent=FIREFOX))
    clock.shift(60)
    return [str(laptop.session_id), str(sessions.start(user).session_id)]


def test_live_sessions_are_a_table_the_latest_used_first(user, signed_in):
    laptop, other = signed_in
    title, empty, head, first, second = run("jwt_sessions", f"--user={user.get_username()}").splitlines()
    assert title == f"{user.get_username()} (primary key {user.pk}): 2 live sessions"
    assert empty == ""
    assert head.split("  ")[0] == "SESSION"
    assert first.split() == [other, "-", "-", "-", "2026-05-17", "12:31", "2026-05-17", "12:31", "live"]
    assert second.startswith(f"{laptop}  Firefox on Linux  laptop  203.0.113.7  2026-05-17 12:30  ")
    assert head.index("STATE") == second.index("live") == first.index("live")


def test_what_has_ended_is_listed_on_demand_with_its_end(user, signed_in, clock):
    laptop, other = signed_in
    revoke_session(UserSession.objects.get(pk=laptop).pk, reason="lost")
    UserSession.objects.filter(pk=other).update(idle_expires_at=NOW)
    third, fourth = (str(sessions.start(user).session_id) for _ in range(2))
    UserSession.objects.filter(pk=third).update(auth_hash="of another password")
    revoke_session(UserSession.objects.get(pk=fourth).pk)
    live = str(sessions.start(user).session_id)
    shown = json.loads(run("jwt_sessions", f"--user={user.pk}", "--all", "--json"))
    assert {item["id"]: item["state"] for item in shown["sessions"]} == {
        laptop: "revoked: lost",
        other: "expired",
        third: "refused: the password was changed since",
        fourth: "revoked",
        live: "live",
    }
    assert "1 live session\n" in run("jwt_sessions", f"--user={user.pk}", "--all")
    assert [item["id"] for item in json.loads(run("jwt_sessions", f"--user={user.pk}", "--json"))["sessions"]] == [live]


REFUSALS = {
    "live": lambda user: None,
    "refused: the session began before the cutoff": lambda user: revoke_all(),
    "refused: the user is inactive": lambda user: type(user).objects.update(is_active=False),
    "refused: the password was changed since": lambda user: type(user).objects.update(password="x"),
}


@pytest.mark.parametrize("state", REFUSALS)
def test_what_is_refused_although_its_row_looks_live_says_why(user, state):
    sid = sessions.start(user).session_id
    REFUSALS[state](user)
    for arguments in (["jwt_sessions", f"--user={user.pk}", "--all"], ["jwt_revoke", f"--session={sid}", "--dry-run"]):
        shown = run(*arguments)
        assert next(line for line in shown.splitlines() if line.startswith(str(sid))).endswith(f"  {state}")


def test_json_has_everything_but_secrets(user, signed_in):
    document = json.loads(run("jwt_sessions", f"--user={user.pk}", "--json"))
    assert (document["user"], document["tokens_valid_after"]) == (str(user.pk), None)
    laptop = document["sessions"][1]
    assert laptop == {
        "id": signed_in[0],
        "state": "live",
        "device": "Firefox on Linux",
        "label": "laptop",
        "user_agent": FIREFOX,
        "ip_address": "203.0.113.7",
        "last_user_agent": FIREFOX,
        "last_ip_address": "203.0.113.7",
        "transport": "bearer",
        "started_at": "2026-05-17T12:30:15.250000+00:00",
        "last_used_at": "2026-05-17T12:30:15.250000+00:00",
        "expires_at": "2026-05-31T12:30:15.250000+00:00",
        "shared_at": None,
        "shared_ip_address": None,
        "shared_user_agent": "",
        "misused_ip_address": None,
        "misused_user_agent": "",
    }
    session = UserSession.objects.get(pk=signed_in[0])
    for secret in (session.handle, session.auth_hash):
        assert secret not in json.dumps(document)


@pytest.mark.parametrize(
    ("address", "note"),
    [("198.51.100.7", "198.51.100.7"), (None, "another agent")],
)
def test_a_session_that_two_peers_shared_says_so(user, clock, address, note):
    raw = sessions.start(user, peer=Peer(user_agent="x")).refresh_token
    sessions.refresh(raw, peer=Peer(user_agent="x"))
    sessions.refresh(raw, peer=Peer(ip_address=address, user_agent="curl"))
    shown = run("jwt_sessions", f"--user={user.pk}")
    assert shown.splitlines()[-1].endswith(f"  live; shared with {note} at 2026-05-17 12:30")
    [found] = json.loads(run("jwt_sessions", f"--user={user.pk}", "--json"))["sessions"]
    assert (found["shared_at"], found["shared_ip_address"]) == ("2026-05-17T12:30:15.250000+00:00", address)
    assert (found["shared_user_agent"], found["last_user_agent"]) == ("curl", "x")


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ([], 0),
        (["--limit=3"], 1),  # there may be more
        (["--all"], 1),  # of the live ones
        (["--all", "--limit=3"], 2),
    ],
)
def test_sessions_are_counted_only_if_that_is_needed(user, clock, options, counts):
    begin(user, 5)
    revoke_session(sessions.start(user).session_id)
    with Queries() as queries:
        shown = run("jwt_sessions", f"--user={user.pk}", "--json", *options)
    document = json.loads(shown)
    assert (document["live"], document["total"]) == (5, 6 if "--all" in options else 5)
    counted = [sql for sql in queries.statements if "COUNT(" in sql and UserSession._meta.db_table in sql]
    assert len(counted) == counts


def test_the_users_cutoff_is_shown(user, clock):
    revoke_user(user)
    output = run("jwt_sessions", f"--user={user.pk}")
    assert output.splitlines()[0].endswith(": 0 live sessions")
    assert output.splitlines()[1:] == ["Sessions from before 2026-05-17 12:30:15 UTC are refused (the user's cutoff)."]
    assert json.loads(run("jwt_sessions", f"--user={user.pk}", "--json"))["tokens_valid_after"].startswith("2026-05-17")


def test_what_users_write_does_not_move_the_cursor(user):
    sessions.start(user)
    UserSession.objects.update(label="\x1b[2Jgone\r\n")  # past the app, which refuses it
    output = run("jwt_sessions", f"--user={user.pk}")
    assert r"\x1b[2Jgone\r\n" in output
    assert "\x1b" not in output


def test_long_and_wide_texts_keep_the_columns():
    wide, narrow = table([["日本語", "x"], ["e\u0301abc", "x"]])
    assert wide == "日本語  x"
    assert narrow == "e\u0301abc    x"


def test_of_many_only_some_are_listed_and_all_are_counted(user, clock):
    begin(user, 103, timedelta(seconds=1))
    revoke_session(UserSession.objects.order_by("started_at")[0].pk)
    lines = run("jwt_sessions", f"--user={user.pk}").splitlines()
    assert lines[0].endswith(": 102 live sessions")
    assert len(lines) == 3 + 100 + 1
    assert lines[-1] == "... and 2 more; --limit lists more of them."
    document = json.loads(run("jwt_sessions", f"--user={user.pk}", "--all", "--json", "--limit=103"))
    assert (document["live"], document["total"], len(document["sessions"])) == (102, 103, 103)
    with pytest.raises(CommandError, match="between 1 and"):
        run("jwt_sessions", f"--user={user.pk}", "--limit=0")


# Finding a user


def test_a_user_is_found_by_key_and_by_name_in_every_spelling_that_signs_in(user):
    name = user.get_username()
    for text in (name, f"  {name} ", str(user.pk), f"pk:{user.pk}"):
        assert run("jwt_sessions", f"--user={text}").startswith(f"{name} (primary key {user.pk})")


@pytest.mark.parametrize("text", ["nobody", "pk:nobody", "", "99999999999999999999999999", "pk:", "-1", "a\x00b"])
def test_nobody_is_found_by_anything_else(user, text):
    with pytest.raises(CommandError, match="There is no user"):
        run("jwt_sessions", f"--user={text}")


def test_a_name_of_a_user_is_no_key(user):
    with pytest.raises(CommandError, match="There is no user"):
        run("jwt_sessions", f"--user=pk:{user.get_username()}")


def test_a_text_that_means_two_users_means_none(user, make_user):
    other = make_user("bob")
    get_user_model().objects.filter(pk=other.pk).update(**{user.USERNAME_FIELD: str(user.pk)})
    with pytest.raises(CommandError, match=f'write "pk:{user.pk}" or "pk:{other.pk}"'):
        run("jwt_sessions", f"--user={user.pk}")
    for wanted in (user, other):
        assert f"(primary key {wanted.pk})" in run("jwt_sessions", f"--user=pk:{wanted.pk}")


def test_api_clients_that_outlive_the_sessions_are_listed(user, signed_in):
    row = clients.register("reports", user, actor="a nightly job", peer=Peer(ip_address="203.0.113.66"))
    key = clients.add_secret(row, actor=user).key
    output = run("jwt_sessions", f"--user={user.pk}")
    assert "1 API client outlives the sessions:" in output
    assert output.splitlines()[-2].split()[:2] == [row.client_id, "reports"]
    assert output.splitlines()[-1].split()[0] == key.kid
    shown = json.loads(run("jwt_sessions", f"--user={user.pk}", "--json"))
    assert shown["clients_total"] == 1
    assert (shown["clients"][0]["created_by"], shown["clients"][0]["keys"][0]["kid"]) == ("a nightly job", key.kid)
