"""A database that was restored from an older backup: revocations made since are replayed, from an export or the log."""

import json
import logging
import sys
from datetime import datetime, timedelta, timezone
from io import BytesIO, StringIO, TextIOWrapper
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from pythonjsonlogger.json import JsonFormatter

from jwt_auth import clients, service_tokens, sessions, signing_keys
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.management import replay as replaying
from jwt_auth.management.terminal import describe_user
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent, SigningKey, UserSession
from jwt_auth.revocation import (
    cutoff,
    disable_client,
    revoke_all,
    revoke_client,
    revoke_client_key,
    revoke_session,
    revoke_token,
    revoke_user,
)
from jwt_auth.revocation.memory import view
from jwt_auth.verification import verify
from tests.support.api_clients import register
from tests.support.clocks import NOW
from tests.support.commands import run, type_in

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = "jwt_revocations"
APPS = ("auth", "contenttypes", get_user_model()._meta.app_label, "jwt_auth")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "revocations.jsonl"


@pytest.fixture
def back_up(tmp_path):
    """`restore = back_up()` makes a backup; `restore()` empties the database and loads it again."""

    def make():
        path = tmp_path / "backup.json"
        call_command("dumpdata", *dict.fromkeys(APPS), output=str(path), verbosity=0)

        def restore():
            call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
            call_command("loaddata", str(path), verbosity=0)
            view.forget()

        return restore

    return make


@pytest.fixture
def shipped(file):
    """The log in its JSON form, as docs/reference/logging.md sets it up, in a file that is on another machine."""
    handler = logging.FileHandler(file)
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("jwt_auth")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield file
    logger.removeHandler(handler)
    logger.setLevel(level)
    handler.close()


def export(file):
    file.write_text(run(COMMAND, "export"))


def replay(file, *options):
    return run(COMMAND, "replay", str(file), "--yes", *options)


def counts(output):
    """Return the table as {kind: (to apply, done before, missing)}."""
    rows = [line.rsplit(maxsplit=3) for line in output.splitlines()]
    return {row[0]: tuple(map(int, row[1:])) for row in rows if len(row) == 4 and all(c.isdigit() for c in row[1:])}


class Scene:
    """Users and clients before the backup, and how each is revoked after it."""

    def __init__(self, client, make_user):
        self.client = client
        self.users = {name: make_user(name) for name in ("ends", "everywhere", "leaves", "stays", "moves", "tokens")}
        self.pairs = {name: sessions.start(user) for name, user in self.users.items()}
        self.keys = {name: register(self.users["stays"]) for name in ("key", "client", "disabled", "untouched")}

    def revoke(self):
        revoke_session(self.pairs["ends"].session_id, reason="lost, says 'Zoë'\n", actor="command line: root")
        revoke_user(self.users["everywhere"], reason="account taken over", actor=self.users["stays"])
        self.users["leaves"].delete()
        user = self.users["moves"]
        user.set_password("a quite different password")
        user.save()
        revoke_token(verify(self.pairs["tokens"].access_token).claims, reason="seen in a log")
        revoke_client_key(self.keys["key"].key, reason="stolen")
        revoke_client(self.keys["client"].row, reason="stolen tokens")
        disable_client(self.keys["disabled"].row, reason="the contract has ended")

    def refused(self):
        """Return the names of all whose tokens are refused."""
        return {name for name, pair in self.pairs.items() if self.client.get_me(pair.access_token).status_code == 401}

    def usable_clients(self):
        rows = ClientKey.objects.filter(revoked_at=None, client__is_active=True)
        return {name for name, api in self.keys.items() if rows.filter(kid=api.key.kid).exists()}


REVOKED = {"ends", "everywhere", "leaves", "moves", "tokens"}


@pytest.fixture(params=["database", "memory"])
def scene(request, client, make_user, jwt_settings):
    jwt_settings(REVOCATION=request.param, REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    return Scene(client, make_user)


# A restored backup


@pytest.mark.parametrize("source", ["export", "log"])
def test_what_was_revoked_since_the_backup_is_revoked_again(scene, back_up, shipped, tmp_path, source):
    restore = back_up()
    scene.revoke()
    assert scene.refused() == REVOKED
    exported = tmp_path / "export.jsonl"
    export(exported)
    restore()
    assert scene.refused() == set()  # the fault: all of it is valid again
    assert scene.usable_clients() == set(scene.keys)
    file = exported if source == "export" else shipped

    output = replay(file)

    assert scene.refused() == REVOKED
    assert scene.usable_clients() == {"client", "untouched"}
    assert RegisteredClient.objects.get(client_id=scene.keys["client"].client_id).tokens_valid_after is not None
    assert counts(output) == {
        "users": (3, 0, 0),
        "sessions": (1, 0, 0),
        "tokens": (1, 0, 0),
        "keys of clients": (1, 0, 0),
        "clients' tokens": (1, 0, 0),
        "clients": (1, 0, 0),
    }
    assert "exist again. Delete them:\n  leaves" in output
    assert "have the former one again" in output
    assert "Applied 8 revocations." in output


@pytest.mark.parametrize("scene", ["database"], indirect=True)  # what is written is the same in both
def test_a_second_replay_finds_all_done_and_writes_nothing(scene, back_up, file):
    restore = back_up()
    scene.revoke()
    export(file)
    restore()
    replay(file)
    before = RevocationEvent.objects.count()
    output = replay(file)
    assert [numbers[0] for numbers in counts(output).values()] == [0] * 6
    assert "there was nothing to do" in output
    assert RevocationEvent.objects.count() == before


@pytest.mark.parametrize("scene", ["database"], indirect=True)  # what is written is the same in both
def test_what_the_database_has_already_changes_nothing(scene, file):
    """The control: no backup was restored."""
    scene.revoke()
    export(file)
    before = RevocationEvent.objects.count()
    output = replay(file)
    assert counts(output)["users"] == (0, 2, 1)  # one was deleted
    assert RevocationEvent.objects.count() == before


def test_a_dry_run_only_counts(scene, back_up, file):
    restore = back_up()
    scene.revoke()
    export(file)
    restore()
    output = run(COMMAND, "replay", str(file), "--dry-run")
    assert counts(output)["sessions"] == (1, 0, 0)
    assert "Nothing was revoked (--dry-run)." in output
    assert scene.refused() == set()
    assert RevocationEvent.objects.count() == 0


@pytest.mark.parametrize("scene", ["database"], indirect=True)  # what is written is the same in both
def test_the_record_has_the_reason_and_the_actor_of_the_revocation(scene, back_up, file):
    restore = back_up()
    scene.revoke()
    export(file)
    restore()
    replay(file)
    session = RevocationEvent.objects.get(scope="session")
    assert (session.reason, session.actor) == ("replayed: lost, says 'Zoë'\n", "command line: root")
    assert UserSession.objects.get(pk=UUID(hex=session.subject)).revoked_reason == session.reason
    # An export of it says the same, and not "replayed" twice.
    export(file)
    UserSession.objects.update(revoked_at=None)
    replay(file)
    assert {event.reason for event in RevocationEvent.objects.filter(scope="session")} == {session.reason}


@pytest.mark.parametrize("scene", ["database"], indirect=True)  # what is written is the same in both
def test_without_a_terminal_nothing_is_revoked_unless_it_is_told_so(scene, back_up, file, monkeypatch):
    restore = back_up()
    scene.revoke()
    export(file)
    restore()
    type_in(monkeypatch, "", terminal=False)
    with pytest.raises(CommandError, match="Nothing was revoked: there is no terminal"):
        run(COMMAND, "replay", str(file))
    type_in(monkeypatch, "no\n")
    with pytest.raises(CommandError, match=r"Nothing was revoked\."):
        run(COMMAND, "replay", str(file))
    assert scene.refused() == set()
    type_in(monkeypatch, "yes\n")
    assert "Applied 8 revocations." in run(COMMAND, "replay", str(file))


@pytest.mark.parametrize("batch", ["1", "2", "10000"])
@pytest.mark.sampled
def test_batches_of_any_size_do_the_same(scene, back_up, file, batch):
    restore = back_up()
    scene.revoke()
    export(file)
    restore()
    replay(file, f"--batch-size={batch}")
    assert scene.refused() == REVOKED


def test_many_sessions_cost_one_query_for_each_batch_that_is_done(user, file, count):
    for _ in range(30):
        revoke_session(sessions.start(user).session_id)
    export(file)

    def look(size):
        with file.open("rb") as lines:
            return replaying.replay(lines, batch_size=size, dry_run=True)

    few, report = count(look, 10)
    assert report.counts == {("sessions", "done"): 30}
    assert few == 3
    assert count(look, 100)[0] == 1


# Each kind


def test_everything(user, back_up, file, client):
    pair = client.tokens(user)
    restore = back_up()
    at = revoke_all(reason="a backup was stolen")
    export(file)
    restore()
    assert not client.is_dead(pair)
    replay(file)
    assert client.is_dead(pair)
    assert RevocationEvent.objects.get(scope="all").cutoff == at
    assert client.get_me(client.tokens(user)["access_token"]).status_code == 200
    assert "there was nothing to do" in replay(file)


def test_a_cutoff_for_everybody_may_be_earlier_than_now_and_never_moves_back(db):
    earlier = NOW - timedelta(days=1)
    assert revoke_all(at=earlier) == earlier
    assert revoke_all(at=earlier - timedelta(days=1)) == earlier
    assert revoke_all() > earlier
    with pytest.raises(ValueError, match="in the future"):
        revoke_all(at=NOW + timedelta(days=36_500))


def test_signing_keys(back_up, file, jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    leaked = signing_keys.create(activate=True)
    restore = back_up()
    signing_keys.revoke(leaked.kid, emergency=True, reason="leaked")
    export(file)
    restore()
    assert SigningKey.objects.get().state == "active"
    output = replay(file)
    assert counts(output) == {"signing keys": (1, 0, 0)}
    assert SigningKey.objects.get(kid=leaked.kid).state == "revoked"
    assert SigningKey.objects.get(signs=True).kid != leaked.kid
    assert counts(replay(file)) == {"signing keys": (0, 1, 0)}


def test_signing_keys_that_are_not_in_use_can_not_be_revoked_and_the_line_is_named(back_up, file, jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    leaked = signing_keys.create(activate=True)
    restore = back_up()
    signing_keys.revoke(leaked.kid, emergency=True)
    export(file)
    restore()
    jwt_settings(KEYS="settings", ALGORITHM="HS256")
    errors = StringIO()
    with pytest.raises(CommandError, match="1 line could not be used; all others were applied"):
        call_command(COMMAND, "replay", str(file), "--yes", stdout=StringIO(), stderr=errors, no_color=True)
    assert errors.getvalue().startswith('Line 1: KEYS is "settings"')


def test_tokens_for_other_servers(user, back_up, file, jwt_settings, ec_settings, client, clock):
    jwt_settings(**ec_settings, SERVICE_AUDIENCES={"reports": {"USERS": ["read"]}})
    restore = back_up()
    client.send("revoke/", {"token": service_tokens.issue(user, "reports", "read").access_token})
    event = RevocationEvent.objects.get()
    export(file)
    restore()
    replay(file)
    again = RevocationEvent.objects.get()
    assert (again.subject, again.expires_at) == (event.subject, event.expires_at)
    restore()
    clock.shift(86_400)
    assert counts(replay(file)) == {"tokens": (0, 1, 0)}  # it has expired: there is nothing to refuse
    assert not RevocationEvent.objects.exists()


def test_a_token_whose_end_is_not_known_is_denied_for_as_long_as_any_can_live(db, file):
    write(file, {**LINE, "event": "token_revoked", "subject": "jwt_auth x"})
    replay(file)
    assert RevocationEvent.objects.get().expires_at > RevocationEvent.objects.get().created_at


def test_changes_of_clients_are_not_exported_and_deleted_clients_are_disabled(user, back_up, file):
    api = register(user)
    clients.change(api.row, name="another name", actor=user)
    assert run(COMMAND, "export") == ""
    restore = back_up()
    client_id = api.client_id
    api.row.delete()
    export(file)
    restore()
    output = replay(file)
    assert not RegisteredClient.objects.get(client_id=client_id).is_active
    assert counts(output) == {"keys of clients": (1, 0, 0), "clients": (1, 1, 0)}


def test_deactivated_users_are_named_as_long_as_they_are_active_again(user, back_up, file):
    restore = back_up()
    user.is_active = False
    user.save()
    export(file)
    restore()
    named = f"Deactivate them:\n  {describe_user(user)}\n"
    assert named in replay(file)
    assert named in replay(file)  # the first answer may be lost
    user.is_active = False
    user.save()
    assert "Deactivate" not in replay(file)


def test_users_who_were_active_again_before_the_backup_are_not_named(user, back_up, file, clock):
    """The clock shows whole milliseconds, as dumpdata does."""
    for user.is_active in (False, True):
        user.save()
    restore = back_up()
    clock.shift(3600)
    revoke_user(user)
    export(file)
    restore()
    for _ in range(2):
        assert "Deactivate" not in replay(file)


@pytest.mark.parametrize("batch_size", [1, 500])
def test_users_are_named_although_a_later_line_is_about_them_too(user, make_user, file, batch_size):
    other = make_user("other")
    write(
        file,
        user_line(user, "2026-01-01T00:00:00+00:00", reason="password changed"),
        user_line(user, "2026-01-02T00:00:00+00:00", reason="user deactivated"),
        user_line(user, "2026-01-03T00:00:00+00:00", reason="signed out everywhere"),
        user_line(other, "2026-01-03T00:00:00+00:00", reason="signed out everywhere"),
    )
    output = replay(file, f"--batch-size={batch_size}", "--dry-run")
    assert f"Deactivate them:\n  {describe_user(user)}\n" in output
    assert f"Have them change it:\n  {describe_user(user)}\n" in output
    assert "other" not in output.replace("another", "").replace("0 other records", "")
    assert "4 lines: 4 revocations, 0 other records." in output


def test_all_users_are_named_once(make_user, file):
    users = [make_user(f"user{number}") for number in range(22)]
    lines = [user_line(user, reason="user deleted") for user in users]
    write(file, *lines, lines[0])
    output = replay(file)
    assert "Delete them:\n" + "".join(f"  {describe_user(each)}\n" for each in users) in output


def test_of_two_revocations_of_one_user_the_later_counts(user, file):
    write(file, user_line(user, "2026-01-02T00:00:00+00:00"), user_line(user, "2026-01-01T00:00:00+00:00"))
    assert counts(replay(file)) == {"users": (1, 1, 0)}
    found = cutoff.read(cutoff.users_with_cutoff().get(pk=user.pk))
    assert found.isoformat() == "2026-01-02T00:00:00+00:00"


def test_what_the_backup_lacks_is_missing_and_no_error(user, file):
    nobody = str(UUID(int=5)) if not str(user.pk).isdigit() else "999999"
    missing = [
        {**LINE, "event": "session_revoked", "subject": UUID(int=5).hex},
        {**LINE, "event": "session_revoked", "subject": "no id"},
        {**LINE, "event": "user_revoked", "subject": nobody, "cutoff": EARLIER},
        {**LINE, "event": "user_revoked", "subject": "9" * 30, "cutoff": EARLIER},
        {**LINE, "event": "client_revoked", "subject": f"client_{'0' * 32}", "cutoff": EARLIER},
        {**LINE, "event": "client_disabled", "subject": f"client_{'0' * 32}"},
        {**LINE, "event": "client_key_revoked", "subject": f"client_{'0' * 32} x"},
        {**LINE, "event": "key_revoked", "subject": "jwt_auth x"},
    ]
    write(file, *missing)
    found = counts(replay(file))
    assert {kind: numbers[2] for kind, numbers in found.items()} == {
        "sessions": 2,
        "users": 2,
        "clients' tokens": 1,
        "clients": 1,
        "keys of clients": 1,
        "signing keys": 1,
    }
    assert not RevocationEvent.objects.exists()


# Lines

EARLIER = "2026-01-01T00:00:00+00:00"
LINE = {"scope": "session", "actor": "", "reason": "x"}


def user_line(user, at=EARLIER, **changes):
    name = user.pk
    return {**LINE, "event": "user_revoked", "scope": "user", "subject": str(name), "cutoff": at, **changes}


def write(file, *lines):
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))


FAULTY = {
    "no JSON": "2026-11-24 18:00 INFO Session started",
    "a list": "[]",
    "no subject": {"event": "session_revoked", "actor": "", "reason": ""},
    "a subject that is a number": {**LINE, "event": "session_revoked", "subject": 5},
    "a long subject": {**LINE, "event": "session_revoked", "subject": "x" * 512},
    "a NUL": {**LINE, "event": "session_revoked", "subject": "\0"},
    "no reason": {"event": "session_revoked", "subject": "x", "actor": ""},
    "no cutoff": {**LINE, "event": "user_revoked", "subject": "1"},
    "a cutoff without an offset": {**LINE, "event": "user_revoked", "subject": "1", "cutoff": "2026-01-01T00:00:00"},
    "a cutoff that is a number": {**LINE, "event": "user_revoked", "subject": "1", "cutoff": 1.5},
    "a cutoff that is a word": {**LINE, "event": "user_revoked", "subject": "1", "cutoff": "now"},
    "a cutoff in the future": {**LINE, "event": "all_revoked", "subject": "", "cutoff": "2400-01-01T00:00:00+00:00"},
    "the end of time": {**LINE, "event": "all_revoked", "subject": "", "cutoff": "9999-12-31T23:59:59+00:00"},
    "the begin of time": {**LINE, "event": "all_revoked", "subject": "", "cutoff": "0001-01-01T00:00:00+14:00"},
    "a name twice": '{"event": "all_revoked", "event": "user_revoked"}',
    "deep": "[" * 100_000,
    "escape sequences": "\x1b[2J",
}


@pytest.mark.parametrize("faulty", FAULTY.values(), ids=list(FAULTY))
def test_a_line_that_can_not_be_used_is_named_and_all_others_are_applied(user, client, file, faulty):
    pair = client.tokens(user)
    good = {**LINE, "event": "session_revoked", "subject": UUID(pair["session"]).hex}
    write(file, '{"event": "session_started", "subject": 5}', "", faulty, good)
    errors, output = StringIO(), StringIO()
    with pytest.raises(CommandError, match=r"^1 line could not be used\.$"):
        call_command(COMMAND, "replay", str(file), "--dry-run", stdout=StringIO(), stderr=errors, no_color=True)
    assert errors.getvalue().startswith("Line 3: ")
    assert errors.getvalue().strip().isprintable()
    assert not client.is_dead(pair)
    with pytest.raises(CommandError, match="1 line could not be used; all others were applied") as caught:
        call_command(COMMAND, "replay", str(file), "--yes", stdout=output, stderr=StringIO(), no_color=True)
    assert caught.value.returncode == 1
    assert output.getvalue().startswith("4 lines: 1 revocation, 1 other records.")
    assert client.is_dead(pair)


def test_an_event_that_is_no_text_is_another_record(db, file):
    write(file, {"event": ["session_revoked"]}, {"event": {"a": 1}}, {"other": 1})
    assert replay(file).startswith("3 lines: 0 revocations, 3 other records.")


@pytest.mark.parametrize("scope", ["user", "all"])
def test_a_cutoff_that_a_machine_wrote_that_was_ahead_is_applied_now(user, client, file, scope):
    pair = client.tokens(user)
    later = (datetime.now(timezone.utc) + timedelta(hours=6)).isoformat()
    event = {**LINE, "scope": scope, "event": f"{scope}_revoked", "cutoff": later}
    write(file, {**event, "subject": user_id_of(user) if scope == "user" else ""})
    replay(file)
    assert client.is_dead(pair)
    assert not client.is_dead(client.tokens(user))


def test_a_very_long_line_is_not_read(db, file):
    write(file, json.dumps({"event": "session_started", "text": "x" * replaying.MAX_LINE}))
    with pytest.raises(CommandError, match="1 line could not be used"):
        call_command(COMMAND, "replay", str(file), "--dry-run", stdout=StringIO(), stderr=StringIO())


def test_of_many_faulty_lines_some_are_named(db, file):
    write(file, *["x"] * 30)
    errors = StringIO()
    with pytest.raises(CommandError, match="30 lines could not be used"):
        call_command(COMMAND, "replay", str(file), "--yes", stdout=StringIO(), stderr=errors)
    assert len(errors.getvalue().splitlines()) == 20


def test_standard_input_is_read_too(user, client, monkeypatch):
    pair = client.tokens(user)
    line = {**LINE, "event": "session_revoked", "subject": UUID(pair["session"]).hex}
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(json.dumps(line).encode())))
    assert "Applied 1 revocation." in run(COMMAND, "replay", "-", "--yes")
    assert client.is_dead(pair)


def test_an_empty_file_and_none(db, file):
    file.write_text("")
    assert replay(file).splitlines() == [
        "0 lines: 0 revocations, 0 other records.",
        "There is no revocation in the file. Is it an export, or the log in JSON?",
    ]
    with pytest.raises(CommandError, match="can't be read: No such file"):
        replay(file.with_name("another"))


# The export


def test_an_export_can_begin_at_a_time(user, clock):
    revoke_user(user)
    clock.shift(3600)
    revoke_user(user)
    both = run(COMMAND, "export").splitlines()
    assert len(both) == 2
    assert run(COMMAND, "export", "--since=2026-05-17T13:00:00").splitlines() == both[1:]
    assert run(COMMAND, "export", "--since=2026-05-17T15:00:00+02:00").splitlines() == both[1:]
    for wrong in ("yesterday", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(CommandError, match="--since must be a time"):
            run(COMMAND, "export", f"--since={wrong}")


def test_a_line_of_an_export(user, clock):
    revoke_user(user, reason="lost", actor="command line: root")
    (line,) = map(json.loads, run(COMMAND, "export").splitlines())
    event = RevocationEvent.objects.get()
    assert line == {
        "at": event.created_at.isoformat(),
        "cutoff": event.cutoff.isoformat(),
        "expires_at": event.expires_at.isoformat(),
        "event": "user_revoked",
        "scope": "user",
        "subject": str(user.pk),
        "actor": "command line: root",
        "reason": "lost",
    }


def test_an_export_needs_one_query_for_the_events_and_one_for_the_clients(user, count):
    for _ in range(5):
        revoke_user(user)
    assert connection.alias == "default"
    assert count(lambda: list(replaying.export()))[0] == 2
