"""The commands on the page of incidents, in their order: each line revokes what it says."""

import shlex

import pytest
from django.test import override_settings

from jwt_auth import clients, signing_keys
from jwt_auth.models import ClientKey, RegisteredClient, SigningKey
from tests.support.commands import run, type_in
from tests.support.docs import BLOCKS

pytestmark = pytest.mark.django_db(transaction=True)


def lines(how):
    (code,) = (block.code for block in BLOCKS if block.how == how)
    return [shlex.split(line)[2:] for line in code.splitlines()]


@pytest.fixture
def clerk(make_user):
    return make_user("clerk")


@pytest.fixture
def typed(settings, user, clerk, monkeypatch):
    """`typed(line)` runs a line of the page, with the names filled in."""
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "KEYS": "database", "ALGORITHM": "ES256"}):
        signing_keys.create(activate=True)
        client = clients.register("nightly reports", user)
        names = {
            "alice": user.get_username(),
            "clerk": clerk.get_username(),
            "CLIENT_ID": client.client_id,
            "--kid=KID": f"--kid={clients.add_secret(client).key.kid}",
            "KEY": SigningKey.objects.get().kid,
        }

        def type_line(line, pasted=""):
            type_in(monkeypatch, pasted, terminal=False)
            asks = ["--yes"] if "revoke" in " ".join(line[:2]) or "disable" in line else []
            return run(*(names.get(word, word) for word in line), *asks)

        yield type_line


def test_each_line_revokes_what_it_says(typed, client, user, clerk, make_user):
    token, everything_of, with_clients, _, key_of, disable, _, key, everybody = lines("test: incidents")
    first, second = client.tokens(user), client.tokens(user)
    typed(token, first["access_token"])
    assert client.is_dead(first)
    assert not client.is_dead(second)

    third = client.tokens(user)
    typed(everything_of)
    assert client.is_dead(third)

    planted = clients.register("planted", make_user("robot"), actor=clerk)
    typed(with_clients)
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
    _, _, _, list_clients, key_of, _, list_keys, key, _ = lines("test: incidents")
    assert RegisteredClient.objects.get().client_id in typed(list_clients)
    assert SigningKey.objects.get().kid in typed(list_keys)
    assert ("CLIENT_ID" in key_of, "KEY" in key) == (True, True)


def test_looking_changes_nothing(typed, client, user):
    pair = client.tokens(user)
    sessions_of, inspect, clients_of = lines("test: incidents look")
    assert pair["session"] in typed(sessions_of)
    assert "session not revoked" in typed(inspect, pair["access_token"])
    assert RegisteredClient.objects.get().client_id in typed(clients_of)
    assert not client.is_dead(pair)
