"""Each example calls the API with tokens that it signs; after its key or its client is revoked, it is refused."""

import json
import os
import re
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from example_project.notes.models import Note
from jwt_auth import clients
from jwt_auth.conf import get_settings
from jwt_auth.revocation import disable_client, revoke_client_key
from tests.support.examples import EXAMPLES, need
from tests.support.keys import pem, public_pem

pytestmark = pytest.mark.django_db(transaction=True)

LANGUAGES = {"python": "Written by Python", "node": "Written by Node", "shell": "Written by a shell"}


@pytest.fixture
def command(node):
    """Return the command that runs an example."""

    def find(language):
        if language == "python":
            return [sys.executable, str(EXAMPLES / "python" / "notes.py")]
        if language == "node":
            return ["node", str(node())]
        need("bash", "openssl", "curl")
        return ["bash", str(EXAMPLES / "shell" / "notes.sh")]

    return find


@pytest.fixture
def run(command, api_server, tmp_path):
    """Run an example with one key of a client, and `held`: the secret or private key on the client's side."""

    def run(language, key, held):
        file = tmp_path / "key"
        file.touch(mode=0o600)
        file.write_text(f"{held}\n")
        variables = {
            "API": api_server.url,
            "CLIENT_ID": key.client.client_id,
            "KID": key.kid,
            "ALGORITHM": key.algorithm,
            "AUDIENCE": get_settings().ISSUER,
            "KEY_FILE": str(file),
        }
        return subprocess.run(
            command(language),
            env={**os.environ, **variables, "NO_PROXY": "*"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def registered(user):
    return clients.register("Example", user, "notes")


def give_key(registered, algorithm, rsa_key):
    """Give the client a key and return it, with the secret or private key on the client's side."""
    if algorithm == "HS256":
        new = clients.add_secret(registered, algorithm)
        return new.key, new.secret
    pair = {"RS256": rsa_key, "ES256": ec.generate_private_key(ec.SECP256R1())}[algorithm]
    return clients.add_public_key(registered, public_pem(pair), algorithm).key, pem(pair)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_calls_the_api_until_its_key_is_revoked(registered, run, user, rsa_key, language, algorithm):
    key, held = give_key(registered, algorithm, rsa_key)
    done = run(language, key, held)
    assert done.returncode == 0, done.stdout + done.stderr
    assert LANGUAGES[language] in done.stdout
    assert list(Note.objects.values_list("owner", "text")) == [(user.pk, LANGUAGES[language])]
    revoke_client_key(key)
    refused = run(language, key, held)
    assert refused.returncode != 0
    assert "401" in refused.stderr
    assert Note.objects.count() == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_that_was_disabled_is_refused(registered, run, rsa_key, language):
    key, held = give_key(registered, "HS256", rsa_key)
    assert run(language, key, held).returncode == 0
    disable_client(registered)
    refused = run(language, key, held)
    assert refused.returncode != 0
    assert "token_revoked" in refused.stderr + refused.stdout
    assert Note.objects.count() == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_without_the_scope_may_not(user, run, rsa_key, language):
    key, held = give_key(clients.register("Example", user), "HS256", rsa_key)
    refused = run(language, key, held)
    assert refused.returncode != 0
    assert "insufficient_scope" in refused.stderr + refused.stdout


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_example_shows_its_secret(registered, run, rsa_key, language):
    key, held = give_key(registered, "HS256", rsa_key)
    disable_client(registered)
    done = run(language, key, held)
    assert held not in done.stdout + done.stderr
    assert not re.search(r"ey[\w-]+\.ey", done.stdout + done.stderr)


def test_the_lock_file_names_what_is_installed_and_no_place_to_get_it_from():
    text = (EXAMPLES / "node" / "package-lock.json").read_text()
    assert "://" not in text.replace("https://github.com/sponsors/", "")
    packages = json.loads(text)["packages"]
    assert all(package["integrity"] for name, package in packages.items() if name)
