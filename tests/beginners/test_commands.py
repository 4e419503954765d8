"""Commands with wrong arguments, with nothing to do, and with wrong settings: one sentence, and what to do instead."""

import pytest
from django.core.management import CommandError

from jwt_auth import clients
from jwt_auth.models import SigningKey
from tests.support.commands import run
from tests.support.keys import pem
from tests.support.user_models import managed_by

pytestmark = pytest.mark.django_db

STORED = {"KEYS": "database", "ALGORITHM": "ES256"}

KEYS = {
    "import of a symmetric key": (["import"], {}, 'set ALGORITHM to "ES256" and KEYS to "database"'),
    "import without a key": (["import"], {"ALGORITHM": "ES256"}, "Set SIGNING_KEY to a private key"),
    "import of a text": (["import"], {"SIGNING_KEY": "abc"}, "A plain string, such as SECRET_KEY, is no key"),
    "import too late": (["import"], STORED, 'set KEYS to "settings" again, and SIGNING_KEY'),
    "rotate too early": (["rotate"], {}, 'KEYS is "settings": .* For this, set KEYS to "database"'),
    "create too early": (["create"], {}, 'set KEYS to "database"'),
    "an unknown key": (["activate", "x"], STORED, "There is no key 'x'; list shows all"),
    "an unknown key to revoke": (["revoke", "x", "--emergency"], STORED, "There is no key 'x'; list shows all"),
    "a symmetric algorithm": (["create", "--algorithm=HS256"], STORED, "invalid choice: 'HS256'"),
    "a misspelt action": (["rotat"], {}, "invalid choice: 'rotat'"),
    "wrong settings": (["list"], {"KEYS": "db"}, 'must be one of "settings", "database". It is \'db\''),
}


@pytest.mark.parametrize("mistake", KEYS)
def test_of_signing_keys(jwt_settings, mistake):
    arguments, values, text = KEYS[mistake]
    jwt_settings(**values)
    with pytest.raises(CommandError, match=text):
        run("jwt_keys", *arguments)
    assert not SigningKey.objects.exists()


def test_the_nearest_right_import(jwt_settings, ec_key):
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))
    assert "Imported key" in run("jwt_keys", "import")


OTHERS = {
    "a user by another name": (
        ["jwt_sessions", "--user=a@example.com"],
        "It looks like an email address; give the",
    ),
    "an unknown user": (["jwt_revoke", "--user=nobody", "--yes"], "There is no user whose primary key or username"),
    "no user": (["jwt_sessions"], "the following arguments are required: --user"),
    "no target": (["jwt_revoke"], "one of the arguments --user --session --token --all is required"),
    "no session id": (["jwt_revoke", "--session=12", "--yes"], "not a session id, which is a UUID; jwt_sessions lists"),
    "an unknown client": (["jwt_client", "keys", "billing"], "no client 'billing'; jwt_client list shows the ids"),
    "no file": (["jwt_client", "create", "x", "--user=alice", "--public-key=/no"], "/no can't be read: No such file"),
    "a directory": (["jwt_client", "create", "x", "--user=alice", "--public-key=/"], "/ can't be read: Is a directory"),
    "no export": (["jwt_revocations", "replay", "/no"], "/no can't be read: No such file or directory"),
    "no time": (["jwt_revocations", "export", "--since=today"], "--since must be a time such as 2026-11-24T18:00:00"),
    "no field": (["jwt_copy_cutoffs"], "The user model has no TokenCutoffField, so there is nothing to copy"),
    "no scheme": (["jwt_probe", "localhost:8000", "--user=alice"], "does not begin with http:// or https://"),
    "no number": (["jwt_clear_expired", "--batch-size=0"], "must be a whole number between 1 and 1,000,000"),
}


@pytest.mark.parametrize("mistake", OTHERS)
def test_of_the_other_commands(user, mistake):
    arguments, text = OTHERS[mistake]
    with pytest.raises(CommandError, match=text):
        run(*arguments)


def test_keys_of_clients(user):
    client = clients.register("billing", user)
    with pytest.raises(CommandError, match="no key to rotate; see jwt_client add-key"):
        run("jwt_client", "rotate", client.client_id)
    with pytest.raises(CommandError, match=f"no key 'x'; jwt_client keys {client.client_id} shows its keys"):
        run("jwt_client", "revoke", client.client_id, "--kid=x", "--yes")
    clients.add_secret(client)
    assert "Key id" in run("jwt_client", "rotate", client.client_id)
    clients.add_secret(client)
    with pytest.raises(CommandError, match="Name the key with --kid"):
        run("jwt_client", "rotate", client.client_id)


def test_scopes_with_commas_show_as_one(user):
    assert "with the scope read,write." in run("jwt_client", "create", "x", "--user=alice", "--scopes=read,write")
    assert "with 2 scopes: read write." in run("jwt_client", "create", "x", "--user=alice", "--scopes=read write")


def test_the_clients_of_users_who_are_out_are_not_active(user):
    client = clients.register("billing", user)
    clients.add_secret(client)
    assert run("jwt_client", "list").splitlines()[-1].endswith("active")
    assert run("jwt_client", "keys", client.client_id).splitlines()[-1].endswith("active")
    type(user).objects.update(is_active=False)
    assert run("jwt_client", "list").splitlines()[-1].endswith("the user is inactive")
    assert run("jwt_client", "keys", client.client_id).splitlines()[-1].endswith("refused: the user is inactive")
    type(user).objects.update(is_active=True)
    run("jwt_client", "disable", client.client_id, "--yes")
    assert run("jwt_client", "list").splitlines()[-1].endswith("disabled")
    assert run("jwt_client", "keys", client.client_id).splitlines()[-1].endswith("refused: the client is disabled")


def test_the_client_of_a_hidden_user_is_not_active(user):
    client = clients.register("billing", user)
    clients.add_secret(client)
    with managed_by(lambda rows: rows.exclude(pk=user.pk)):
        assert run("jwt_client", "list").splitlines()[-1].endswith("the user is hidden")
        assert run("jwt_client", "keys", client.client_id).splitlines()[-1].endswith("refused: the user is hidden")
    assert run("jwt_client", "list").splitlines()[-1].endswith("active")
