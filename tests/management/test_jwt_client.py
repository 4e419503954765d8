"""`jwt_client`: an operator's work with clients, and its output."""

import json
import sys
from datetime import timedelta
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jwt_auth import clients
from jwt_auth.issuers.client_keys import to_key
from jwt_auth.jose import jwk
from jwt_auth.management.commands import jwt_client
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import disable_client
from jwt_auth.sessions import Peer
from tests.support.clocks import NOW
from tests.support.commands import run, type_in
from tests.support.keys import pem, public_pem

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def reports(user):
    return clients.register("reports", user, "read write")


def refusal(*arguments):
    with pytest.raises(CommandError) as caught:
        run("jwt_client", *arguments)
    return str(caught.value)


def test_a_client_is_registered_with_a_secret_that_is_shown_once(user):
    shown = run("jwt_client", "create", "reports", f"--user={user.pk}", "--scopes=read  write")
    client, key = RegisteredClient.objects.get(), ClientKey.objects.get()
    assert (client.name, client.user, client.scopes, client.requires_binding) == ("reports", user, "read write", False)
    secret = to_key(key).verifying.decode()
    title, _, *facts, last = shown.splitlines()
    assert title == (
        f"reports ({client.client_id}) acts as {user.get_username()} (primary key {user.pk}), "
        "with 2 scopes: read write."
    )
    assert [line.split()[-1] for line in facts] == [key.kid, "HS256", client.client_id, "jwt_auth", secret]
    assert last.startswith("The secret is shown only once.")
    assert secret not in run("jwt_client", "keys", client.client_id)
    assert secret not in run("jwt_client", "keys", client.client_id, "--json")
    assert secret not in run("jwt_client", "list", "--json")


def test_json_has_all_that_a_program_needs(user):
    shown = json.loads(
        run(
            *("jwt_client", "create", "reports", f"--user={user.get_username()}", "--requires-binding"),
            *("--algorithm=HS512", "--expires-days=30", "--json"),
        )
    )
    client, key = RegisteredClient.objects.get(), ClientKey.objects.get()
    assert (shown["client_id"], shown["audience"], shown["requires_binding"]) == (client.client_id, "jwt_auth", True)
    assert shown["key"]["client_secret"].encode() == to_key(key).verifying
    assert (shown["key"]["kid"], shown["key"]["alg"]) == (key.kid, "HS512")
    assert key.expires_at == NOW + timedelta(days=30)


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_client_is_registered_with_its_public_key(user, ec_key, tmp_path, monkeypatch, source):
    path = tmp_path / "public.pem"
    path.write_text(public_pem(ec_key))
    type_in(monkeypatch, public_pem(ec_key), terminal=False)
    name = path if source == "file" else "-"
    shown = run("jwt_client", "create", "reports", f"--user={user.pk}", f"--public-key={name}")
    assert ClientKey.objects.get().parsed_jwk == jwk.dump_public(ec_key.public_key())
    assert "without scopes" in shown
    assert "ES256" in shown
    assert "ecret" not in shown


def test_a_key_that_is_no_good_registers_nothing(user, ec_key, tmp_path, monkeypatch):
    arguments = ("create", "reports", f"--user={user.pk}")
    private = tmp_path / "private.pem"
    private.write_text(pem(ec_key))
    assert "private" in refusal(*arguments, f"--public-key={private}")
    assert "can't be read: No such file" in refusal(*arguments, f"--public-key={tmp_path / 'nothing'}")
    private.write_bytes(b"\xff\xfe")
    assert "not a text file" in refusal(*arguments, f"--public-key={private}")
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"\xff"), encoding="utf-8"))
    assert "not a text file" in refusal(*arguments, "--public-key=-")
    assert "public key" in refusal(*arguments, "--public-key=")
    assert "HS256" in refusal(*arguments, "--algorithm=RS256")
    assert not RegisteredClient.objects.exists()


def test_what_can_not_be_registered_is_refused_with_its_reason(user):
    assert "no user" in refusal("create", "reports", "--user=nobody")
    assert "scopes" in refusal("create", "reports", f"--user={user.pk}", "--scopes=\\")
    assert "name" in refusal("create", "a\x1b[2J", f"--user={user.pk}")


@pytest.mark.parametrize(
    "arguments",
    [("--expires-days=0",), ("--expires-days=x",), ("--algorithm=none",), ("--expires-days=36501",)],
    ids=lambda arguments: arguments[0],
)
def test_arguments_that_make_no_sense_are_refused(user, arguments):
    refusal("create", "reports", f"--user={user.pk}", *arguments)
    assert not RegisteredClient.objects.exists()


def test_for_a_user_who_was_just_deleted_there_is_no_client(leaver):
    assert refusal("create", "reports", f"--user={leaver.pk}") == "The user no longer exists."
    assert not RegisteredClient.objects.exists()


def test_all_clients_are_a_table(user, reports):
    RegisteredClient.objects.update(last_used_at=NOW)
    old = clients.register("a name so long that nobody reads it to the end", user)
    disable_client(old)
    head, *rows = run("jwt_client", "list").splitlines()
    assert head.split()[:2] == ["CLIENT", "NAME"]
    assert [row.split()[0] for row in rows] == [reports.client_id, old.client_id]
    assert rows[0].endswith("read write  2026-05-17 12:30  -   -        2026-05-17 12:30:15  active")
    assert rows[1].endswith("-           2026-05-17 12:30  -   -        -                    disabled")
    assert "…" in rows[1]
    listed = json.loads(run("jwt_client", "list", "--json"))["clients"]
    assert [item["is_active"] for item in listed] == [True, False]


def test_without_clients_there_is_no_table(db):
    assert run("jwt_client", "list") == "There are no clients.\n"


def test_names_that_were_written_another_way_move_no_cursor(user):
    RegisteredClient.objects.create(user=user, name="a\x1b[2Jb")
    assert "\x1b" not in run("jwt_client", "list")


def test_keys_are_listed_with_what_became_of_them(reports, clock):
    assert "no key" in run("jwt_client", "keys", reports.client_id)
    expired = clients.add_secret(reports, expires_at=NOW + timedelta(hours=1)).key
    clock.shift(3600)
    rotated = clients.add_secret(reports).key
    good = clients.rotate(rotated).key
    revoked = clients.add_secret(reports).key
    run("jwt_client", "revoke", reports.client_id, f"--kid={revoked.kid}", "--yes")
    lines = run("jwt_client", "keys", reports.client_id).splitlines()[2:]
    states = {line.split()[0]: " ".join(line.split()[7:]) for line in lines[2:]}
    assert states == {
        expired.kid: "expired at 2026-05-17 13:30:15",
        rotated.kid: "rotated, active until 2026-05-24 13:30:15",
        good.kid: "active",
        revoked.kid: "revoked at 2026-05-17 13:30:15",
    }
    shown = json.loads(run("jwt_client", "keys", reports.client_id, "--json"))
    assert [item["kid"] for item in shown["keys"]] == [expired.kid, rotated.kid, good.kid, revoked.kid]


def test_another_key_is_added(reports, ed_key, tmp_path):
    path = tmp_path / "public.jwk"
    path.write_text(json.dumps(jwk.dump_public(ed_key.public_key())))
    run("jwt_client", "add-key", reports.client_id, f"--public-key={path}", "--algorithm=Ed25519")
    shown = json.loads(run("jwt_client", "add-key", reports.client_id, "--json"))
    first, second = reports.keys.order_by("pk")
    assert (first.algorithm, second.kid) == ("Ed25519", shown["key"]["kid"])
    assert "this key" in refusal("add-key", reports.client_id, f"--public-key={path}")


def test_the_only_key_is_rotated(reports):
    old = clients.add_secret(reports).key
    shown = run("jwt_client", "rotate", reports.client_id, "--overlap-hours=2")
    new = ClientKey.objects.exclude(pk=old.pk).get()
    assert to_key(new).verifying.decode() in shown
    assert f"The old key {old.kid} is accepted until 2026-05-17 14:30:15 UTC." in shown
    assert ClientKey.objects.get(pk=old.pk).expires_at == NOW + timedelta(hours=2)
    again = json.loads(run("jwt_client", "rotate", reports.client_id, "--json"))  # the new one: it is the only one left
    assert again["key"]["kid"] not in (old.kid, new.kid)
    assert ClientKey.objects.get(pk=new.pk).expires_at == NOW + timedelta(days=7)


def test_of_several_keys_it_takes_the_name_of_one(reports):
    assert "no key to rotate" in refusal("rotate", reports.client_id)
    one, other = (clients.add_secret(reports).key for _ in range(2))
    assert "--kid" in refusal("rotate", reports.client_id)
    run("jwt_client", "rotate", reports.client_id, f"--kid={one.kid}")
    assert "rotated" in refusal("rotate", reports.client_id, f"--kid={one.kid}")
    rotated = set(ClientKey.objects.exclude(rotated_at=None))
    assert rotated == {one}
    assert other not in rotated


def test_tokens_are_revoked_after_a_question(reports, monkeypatch):
    key = clients.add_secret(reports).key
    type_in(monkeypatch, "no\n")
    assert refusal("revoke", reports.client_id) == "Nothing was revoked."
    assert not RevocationEvent.objects.exists()
    type_in(monkeypatch, "yes\n")
    shown = run("jwt_client", "revoke", reports.client_id, "--reason=seen in a log")
    assert "can sign new ones with the same keys" in shown
    assert "Tokens signed before 2026-05-17 12:30:15 UTC are refused." in shown
    event = RevocationEvent.objects.get()
    assert (event.scope, event.reason) == ("client", "seen in a log")
    assert event.actor.startswith("command line: ")
    assert ClientKey.objects.get(pk=key.pk).is_usable(timezone.now())


def test_a_key_is_revoked_once(reports):
    key = clients.add_secret(reports).key
    arguments = ("revoke", reports.client_id, f"--kid={key.kid}", "--yes")
    assert f"Revoked key {key.kid}." in run("jwt_client", *arguments)
    assert "already" in run("jwt_client", *arguments)
    assert RevocationEvent.objects.get().scope == "key"


def test_a_client_is_disabled_once(reports, monkeypatch):
    type_in(monkeypatch, "", terminal=False)
    assert "--yes" in refusal("disable", reports.client_id)
    assert RegisteredClient.objects.get().is_active
    assert "Disabled reports" in run("jwt_client", "disable", reports.client_id, "--yes")
    assert not RegisteredClient.objects.get().is_active
    assert "already" in run("jwt_client", "disable", reports.client_id, "--yes")
    assert "disabled" in refusal("add-key", reports.client_id)


def test_what_is_not_there_is_not_found(reports):
    for action in ("keys", "add-key", "rotate", "revoke", "disable"):
        assert "no client" in refusal(action, reports.client_id.upper())
    assert "no key 'x'" in refusal("rotate", reports.client_id, "--kid=x")
    assert "no key" in refusal("revoke", reports.client_id, "--kid=x", "--yes")


@pytest.mark.parametrize("reason", ["two\nlines", "x" * 256], ids=["lines", "long"])
def test_a_reason_is_one_line(reports, reason):
    for action in ("revoke", "disable"):
        assert "one line" in refusal(action, reports.client_id, f"--reason={reason}", "--yes")
    assert not RevocationEvent.objects.exists()


# Registrars


@pytest.fixture
def clerk(make_user):
    return make_user("clerk")


def test_the_operator_is_recorded_without_an_address(user):
    run("jwt_client", "create", "reports", f"--user={user.pk}")
    for row in (RegisteredClient.objects.get(), ClientKey.objects.get()):
        assert row.created_by.startswith("command line: ")
        assert row.ip_address is None
    assert ClientKey.objects.get().reach == "anyone"
    assert "by command line: " in run("jwt_client", "keys", RegisteredClient.objects.get().client_id)


def test_the_clients_of_one_user_are_those_that_outlive_a_revocation(user, clerk, make_user):
    peer = Peer(ip_address="203.0.113.66")
    theirs = clients.register("reports", user, actor=clerk, peer=peer)
    clients.register("other", make_user("bob"))
    ended = clients.register("ended", user, actor=clerk)
    disable_client(ended)
    for name in (user.get_username(), clerk.get_username()):
        _, row = run("jwt_client", "list", f"--user={name}").splitlines()
        assert row.startswith(theirs.client_id)
        assert ["2026-05-17", "12:30", str(clerk.pk), "203.0.113.66"] == row.split()[-6:-2]
    listed = json.loads(run("jwt_client", "list", f"--user={clerk.pk}", "--json"))["clients"]
    assert [item["ip_address"] for item in listed] == ["203.0.113.66"]


def test_the_audit_names_keys_whose_issuer_could_not_issue_them_any_more(user, clerk, make_user, monkeypatch):
    monkeypatch.setattr(jwt_client, "BATCH", 2)
    made = [clients.register(f"reports {number}", user) for number in range(3)]
    good = [clients.add_secret(each, actor=clerk).key for each in made]
    assert run("jwt_client", "audit") == "3 usable keys: their issuers could issue each of them again.\n"
    promoted = make_user("robot")
    key = clients.add_secret(clients.register("robot", promoted), actor=clerk).key
    promoted.is_staff = True
    promoted.save()
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 4 usable keys are in doubt") as caught:
        call_command("jwt_client", "audit", stdout=out, no_color=True)
    assert caught.value.returncode == 1
    _, row = out.getvalue().splitlines()
    assert key.kid in row
    assert row.endswith("issued before the user was promoted; refused")
    assert "suspended: the user was promoted" in run("jwt_client", "keys", key.client.client_id)
    clerk.is_active = False
    clerk.save()
    with pytest.raises(CommandError, match="4 of 4"):
        run("jwt_client", "audit")
    assert len(good) == 3
