"""The page about restored backups: its commands, in their order, with the log that its settings write."""

import json
import logging.config
import shlex

import pytest
from django.core.management import call_command
from django.test import override_settings

from jwt_auth import clients, signing_keys
from jwt_auth.models import ClientKey, RevocationEvent, SigningKey
from jwt_auth.revocation import revoke_client_key, revoke_user
from jwt_auth.revocation.memory import view
from tests.support.commands import run
from tests.support.docs import code_of

pytestmark = pytest.mark.django_db(transaction=True)


PAGE = "restore-a-backup.md"


def lines(first):
    """Return the commands of the block that begins with this one."""
    return [shlex.split(line)[2:] for line in code_of(PAGE, f"python manage.py {first}").splitlines()]


@pytest.fixture
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shipped(_here, tmp_path):
    """The file that the settings of the page write, in the current directory."""
    values = {"BASE_DIR": tmp_path}
    exec(compile(code_of(PAGE, "LOGGING"), "docs", "exec"), values)
    logger = logging.getLogger("jwt_auth")
    before = {**vars(logger), "handlers": list(logger.handlers), "filters": list(logger.filters)}
    logging.config.dictConfig(values["LOGGING"])
    yield tmp_path / "jwt_auth.jsonl"
    for handler in logger.handlers:
        handler.close()
    vars(logger).update(before)
    logger.setLevel(before["level"])


@pytest.fixture
def damaged(client, user, tmp_path):
    """`restore = damaged()` revokes a key and a user after a backup; `restore()` brings the backup back."""

    def happen():
        key = clients.add_secret(clients.register("nightly reports", user)).key
        pair = client.tokens(user)
        backup = tmp_path / "backup.json"
        apps = ("auth", "contenttypes", user._meta.app_label, "jwt_auth")
        call_command("dumpdata", *dict.fromkeys(apps), output=str(backup), verbosity=0)
        revoke_client_key(key, reason="stolen")
        revoke_user(user, reason="stolen\nlaptop")

        def restore():
            call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
            call_command("loaddata", str(backup), verbosity=0)
            view.forget()
            assert not client.is_dead(pair)
            assert ClientKey.objects.get().revoked_at is None
            return pair

        return restore

    return happen


def replay(client, pair):
    look, do = lines("jwt_revocations replay")
    assert "2 revocations" in run(*look)
    assert not client.is_dead(pair)
    assert "Applied 2 revocations." in run(*do, "--yes")
    assert client.is_dead(pair)
    assert ClientKey.objects.get().revoked_at


def test_the_log_that_was_shipped_is_replayed(client, shipped, damaged, tmp_path):
    pair = damaged()()
    shipped.rename(tmp_path / "revocations.jsonl")
    replay(client, pair)


@pytest.mark.usefixtures("_here")
def test_an_export_is_replayed(client, damaged, tmp_path, clock):
    restore = damaged()
    ((*export, _, name),) = lines("jwt_revocations export")
    exported = run(*export)
    clock.shift(10)
    assert [json.loads(line)["event"] for line in exported.splitlines()] == ["client_key_revoked", "user_revoked"]
    pair = restore()
    (tmp_path / name).write_text(exported)
    replay(client, pair)


def test_without_the_log_each_line_revokes_what_it_says(client, user, damaged, settings):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "KEYS": "database", "ALGORITHM": "ES256"}):
        signing_keys.create(activate=True)
        pair = damaged()()
        names = {
            "CLIENT_ID": ClientKey.objects.get().client.client_id,
            "--kid=KID": f"--kid={ClientKey.objects.get().kid}",
            "KEY": SigningKey.objects.get().kid,
        }
        everybody, list_clients, list_keys = lines("jwt_revoke --all")
        list_their_keys, key_of, key = ([names.get(word, word) for word in line] for line in lines("jwt_client keys"))
        run(*everybody, "--yes")
        assert client.is_dead(pair)
        assert ClientKey.objects.get().revoked_at is None  # as the page says
        assert names["CLIENT_ID"] in run(*list_clients)
        assert ClientKey.objects.get().kid in run(*list_their_keys)
        run(*key_of, "--yes")
        assert ClientKey.objects.get().revoked_at
        assert names["KEY"] in run(*list_keys)
        run(*key, "--yes")
        assert RevocationEvent.objects.filter(scope="key", subject__contains=names["KEY"]).exists()
