"""The guide to rotation is followed exactly, while a client stays signed in."""

import re
import shlex
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import CommandError
from django.test import override_settings

from jwt_auth.keyring import stored as stored_keys
from jwt_auth.models import SigningKey
from tests.support.commands import run
from tests.support.docs import BLOCKS, errors_under, run_settings
from tests.support.keys import pem

pytestmark = pytest.mark.django_db(transaction=True)


def codes(how):
    found = [block.code for block in BLOCKS if block.how == how]
    assert found, how
    return found


def steps(how, **names):
    """Yield, for each line of a block, a command to run or the minutes to wait."""
    (code,) = codes(how)
    for line in code.splitlines():
        for name, value in names.items():
            line = line.replace(name, value)
        wait = re.match(r"# (\d+) minutes later", line)
        yield int(wait[1]) if wait else shlex.split(line, comments=True)[2:]


def active():
    return SigningKey.objects.get(state="active")


@contextmanager
def keys_in_the_database(settings):
    (code,) = codes("test: settings for keys in the database")
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, **run_settings(code)["JWT_AUTH"]}):
        assert not errors_under({})
        yield


@pytest.fixture
def stored(settings):
    with keys_in_the_database(settings):
        for command in steps("test: first key"):
            run(*command)
        yield


class Someone:
    """A client that is signed in, and refreshes when a test says so."""

    def __init__(self, client, user):
        self.client, self.pair = client, client.tokens(user)

    def goes_on(self):
        assert self.client.get_me(self.pair["access_token"]).status_code == 200
        self.refreshes()
        assert self.client.get_me(self.pair["access_token"]).status_code == 200

    def refreshes(self):
        answer = self.client.refresh(self.pair["refresh_token"])
        assert answer.status_code == 200
        self.pair = answer.json()


def test_a_rotation_in_the_database(clock, stored, client, user):
    former, someone = active(), Someone(client, user)
    for step in steps("test: rotation in the database"):
        if isinstance(step, list):
            run(*step)
            continue
        with pytest.raises(CommandError):  # the control: the waits are needed
            run("jwt_keys", "activate" if former == active() else "revoke", _other(former).kid)
        for _ in range(step):
            clock.shift(60)
            someone.goes_on()
    someone.goes_on()
    assert SigningKey.objects.get(pk=former.pk).state == "revoked"
    assert active() != former


def _other(former):
    return SigningKey.objects.get(state="standby") if former == active() else former


def test_a_schedule_rotates_by_itself(clock, stored, client, user):
    (command,) = steps("test: schedule")
    for _ in range(3):
        run(*command)
    assert states() == ["active"]
    clock.shift(90 * 86400)
    someone, seen = Someone(client, user), []
    for _ in range(4):
        run(*command)
        seen.append(states())
        for _ in range(3):
            clock.shift(200)
            someone.goes_on()
    assert seen == [["active", "standby"], ["active", "retiring"], ["active", "revoked"], ["active", "revoked"]]


def states():
    return sorted(SigningKey.objects.values_list("state", flat=True))


def test_an_import_from_the_settings(settings, client, user, ec_key):
    configured = {**settings.JWT_AUTH, "ISSUER": "https://api.example.com", "ALGORITHM": "ES256"}
    with override_settings(JWT_AUTH={**configured, "SIGNING_KEY": pem(ec_key)}):
        someone = Someone(client, user)
        for command in steps("test: import"):
            run(*command)
    with keys_in_the_database(settings):
        someone.goes_on()


def test_an_emergency(stored, client, user):
    leaked, someone = active(), Someone(client, user)
    for command in steps("test: emergency", KEY=leaked.kid):
        run(*command, "--yes")
    assert client.get_me(someone.pair["access_token"]).json()["code"] == "token_revoked"
    someone.refreshes()
    someone.goes_on()


def test_a_lost_encryption_key(stored, client, user):
    someone = Someone(client, user)
    SigningKey.objects.update(encrypted_private_jwk="lost")
    stored_keys.forget()
    assert client.get_me(someone.pair["access_token"]).status_code == 200
    assert client.refresh(someone.pair["refresh_token"]).status_code == 503
    for command in steps("test: lost", KEY=active().kid):
        run(*command, "--yes")
    someone.goes_on()


def test_everybody_is_logged_out(stored, client, user):
    someone = Someone(client, user)
    for command in steps("test: everybody"):
        run(*command, "--yes")
    assert client.is_dead(someone.pair)


def test_a_rotation_in_the_settings(settings, tmp_path, monkeypatch, client, user, ec_key):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "current.pem").write_text(pem(ec_key))
    (tmp_path / "next.pem").write_text(pem(ec.generate_private_key(ec.SECP256R1())))
    first, second, third = [run_settings(code)["JWT_AUTH"] for code in codes("test: rotation in the settings")]
    begin = {name: value for name, value in first.items() if name != "SIGNING_KEY_FALLBACKS"}
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, **begin}):
        someone = Someone(client, user)
    for step in (first, second, third):
        with override_settings(JWT_AUTH={**settings.JWT_AUTH, **step}):
            assert not errors_under({})
            someone.goes_on()
