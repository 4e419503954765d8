"""The commands on the page of incidents, in their order: each line revokes what it says."""

import shlex

import pytest
from django.test import override_settings

from jwt_auth import clients, signing_keys
from jwt_auth.models import ClientKey, RegisteredClient, SigningKey
from tests.support.commands import run, type_in
from tests.support.docs import code_of

pytestmark = pytest.mark.django_db(transaction=True)


def lines(first):
    """Return the commands of the block that begins with this one."""
    return [shlex.split(line)[2:] for line in code_of("incidents.md", f"python manage.py {first}").splitlines()]


@pytest.fixture
def clerk(make_user):
    return make_user("clerk")


@pytest.fixture
def typed(settings, user, monkeypatch):
    """`typed(line)` runs a line of the page, with the names filled in."""
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "KEYS": "database", "ALGORITHM": "ES256"}):
        signing_keys.create(activate=True)
        client = clients.register("nightly reports", user)
        names = {
            "alice": user.get_username(),
            "CLIENT_ID": client.client_id,
            "--kid=KID": f"--kid={clients.add_secret(client).key.kid}",
            "KEY": SigningKey.objects.get().kid,
        }

        def type_line(line, pasted="", name=user):
            type_in(monkeypatch, pasted, terminal=False)
            asks = ["--yes"] if "revoke" in " ".join(line[:2]) or "disable" in line else []
            return run(*({**names, "NAME": name.get_username()}.get(word, word) for word in line), *asks)

        yield type_line


def test_each_line_revokes_what_it_says(typed, client, user, clerk, make_user):
    token, everything_of, with_clients, key_of, disable, key, everybody = lines("jwt_revoke --token")
    first, second = client.tokens(user), client.tokens(user)
    typed(token, first["access_token"])
    assert client.is_dead(first)
    assert not client.is_dead(second)

    third = client.tokens(user)
    typed(everything_of)
    assert client.is_dead(third)

    planted = clients.register("planted", make_user("robot"), actor=clerk)
    typed(with_clients, name=clerk)
    assert not RegisteredClient.objects.get(pk=planted.pk).is_active
    planted.delete()

    typed(key_of)
    assert ClientKey.objects.get().revoked_at
    typed(disable)
    assert not RegisteredClient.objects.get().is_active

    fourth = client.tokens(user)
    typed(key)
    assert client.get_me(fourth["access_token"]).json()["code"] == "token_revoked"
    fifth = client.refresh(fourth["refresh_token"]).json()  # nobody is signed out by it
    typed(everybody)
    assert client.is_dead(fifth)


def test_the_lists_have_what_the_other_lines_ask_for(typed):
    list_clients, list_keys = lines("jwt_client list")
    assert RegisteredClient.objects.get().client_id in typed(list_clients)
    assert SigningKey.objects.get().kid in typed(list_keys)


def test_looking_changes_nothing(typed, client, user):
    pair = client.tokens(user)
    sessions_of, clients_of = lines("jwt_sessions")
    assert pair["session"] in typed(sessions_of)
    assert "session not revoked" in typed(["jwt_inspect"], pair["access_token"])
    assert RegisteredClient.objects.get().client_id in typed(clients_of)
    assert not client.is_dead(pair)
