"""The steps of the guide to rotation that need another time, or a key's id, while a client stays signed in."""

import re
import shlex
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import CommandError
from django.test import override_settings

from jwt_auth.keyring import stored as stored_keys
from jwt_auth.models import SigningKey
from tests.support import ROOT
from tests.support.commands import run
from tests.support.docs import code_of, errors_under, run_settings
from tests.support.keys import pem

pytestmark = pytest.mark.django_db(transaction=True)


PAGE = "rotate-keys.md"
LIFETIME = timedelta(minutes=10)  # as the tutorial sets it


def steps(first, **names):
    """Yield, for each line of the block that begins with this command, a command to run or the minutes to wait."""
    for line in code_of(PAGE, f"python manage.py {first}").splitlines():
        for name, value in names.items():
            line = line.replace(name, value)
        wait = re.match(r"# (\d+) minutes later", line)
        yield int(wait[1]) if wait else shlex.split(line, comments=True)[2:]


def active():
    return SigningKey.objects.get(state="active")


@contextmanager
def keys_in_the_database(settings):
    own = run_settings(code_of(PAGE, 'JWT_AUTH["KEYS"]'))["JWT_AUTH"]
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "ACCESS_TOKEN_LIFETIME": LIFETIME, **own}):
        assert not errors_under({})
        yield


@pytest.fixture
def stored(settings):
    with keys_in_the_database(settings):
        for command in steps("jwt_keys create"):
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
    for step in steps("jwt_keys rotate   #"):
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
    (command,) = steps("jwt_keys rotate --every")
    for _ in range(3):
        run(*command)
    assert states() == ["active"]
    clock.shift(90 * 86400)
    someone, seen = Someone(client, user), []
    for _ in range(4):
        run(*command)
        seen.append(states())
        for _ in range(4):
            clock.shift(200)
            someone.goes_on()
    assert seen == [["active", "standby"], ["active", "retiring"], ["active", "revoked"], ["active", "revoked"]]


def states():
    return sorted(SigningKey.objects.values_list("state", flat=True))


def test_an_import_from_the_settings(settings, client, user, ec_key):
    configured = {**settings.JWT_AUTH, "ALGORITHM": "ES256", "SIGNING_KEY": pem(ec_key)}
    with override_settings(JWT_AUTH=configured):
        someone = Someone(client, user)
        for command in steps("jwt_keys import"):
            run(*command)
    with keys_in_the_database(settings):
        someone.goes_on()


def test_an_emergency(stored, client, user):
    leaked, someone = active(), Someone(client, user)
    for command in steps("jwt_keys revoke", KEY=leaked.kid):
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
    for command in steps("jwt_keys retire", KEY=active().kid):
        run(*command, "--yes")
    someone.goes_on()


def test_everybody_is_logged_out(stored, client, user):
    someone = Someone(client, user)
    for command in steps("jwt_revoke --all"):
        run(*command, "--yes")
    assert client.is_dead(someone.pair)


def test_a_rotation_in_the_settings(settings, tmp_path, monkeypatch, client, user, ec_key):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signing_key.pem").write_text(pem(ec_key))
    (tmp_path / "next_key.pem").write_text(pem(ec.generate_private_key(ec.SECP256R1())))
    section = (ROOT / "docs/how-to" / PAGE).read_text().partition("\n## In the settings\n")[2].partition("\n## ")[0]
    codes = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    first, second, third = [run_settings(code)["JWT_AUTH"] for code in codes]
    before = {**settings.JWT_AUTH, "ALGORITHM": "ES256"}
    with override_settings(JWT_AUTH={**before, "SIGNING_KEY": first["SIGNING_KEY"]}):
        someone = Someone(client, user)
    for step in (first, second, third):
        with override_settings(JWT_AUTH={**before, **step}):
            assert not errors_under({})
            someone.goes_on()
