"""
A client's secret never appears in a copy of the database, in the log, in an error report or in an answer to somebody
else.
"""

import base64
import json
import logging
import re
import sys
from itertools import product

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.db import connection
from django.test import override_settings
from django.views.debug import ExceptionReporter
from django.views.decorators.debug import sensitive_variables

from jwt_auth import clients, signing_keys
from jwt_auth.keyring.configured import derived
from jwt_auth.keyring.encryption import decrypt
from jwt_auth.models import ClientKey
from jwt_auth.revocation import revoke_client_key
from tests.support.api_clients import ApiClient
from tests.support.keys import pem, private_jwk

# The forms in which dumps of a database write a value, and in which programs encode a secret.
SPELLINGS = (
    lambda secret: secret,
    lambda secret: secret.encode().hex(),
    lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    lambda secret: base64.urlsafe_b64decode(secret + "==").hex(),
    lambda secret: secret[:16],
    lambda secret: secret[-16:],
)


def dump():
    """Return all tables as text."""
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            texts += [_text(value) for row in cursor.fetchall() for value in row]
    return "\n".join(texts)


def _text(value):
    if isinstance(value, bytes | memoryview):
        return f"{bytes(value).hex()} {bytes(value).decode('latin-1')}"
    return str(value)


def found_in(text, secrets):
    return [secret for secret, spell in product(secrets, SPELLINGS) if spell(secret) in text]


@pytest.fixture
def boss(client, staff):
    return client.bearer(client.tokens(staff)["access_token"])


@pytest.fixture
def secrets_of_a_life(boss, user, capsys, tmp_path):
    """Return the secrets of clients that were registered, used, rotated and revoked in every possible way."""
    made = boss.send("clients/", {"client_name": "reports", "user": str(user.pk), "key": {}}).json()
    path = f"clients/{made['client_id']}/keys/"
    added = boss.send(path, {"alg": "HS512"}).json()
    rotated = boss.send(f"{path}{added['kid']}/rotate/", {}).json()
    call_command("jwt_client", "rotate", made["client_id"], f"--kid={made['key']['kid']}", "--json")
    by_command = json.loads(capsys.readouterr().out)["key"]
    row = ClientKey.objects.select_related("client").get(kid=by_command["kid"])
    used = ApiClient(row=row.client, key=row, signing=by_command["client_secret"])
    assert boss.bearer(used.token()).get("/auth/me/").status_code == 200
    boss.send(f"{path}{rotated['kid']}/", method="delete")
    revoke_client_key(row)
    boss.send(f"clients/{made['client_id']}/", method="delete")
    return [key["client_secret"] for key in (made["key"], added, rotated, by_command)]


@pytest.mark.parametrize("keys", [None, [Fernet.generate_key().decode()]], ids=["derived", "configured"])
def test_a_copy_of_the_database_has_no_secret_and_no_private_key(request, jwt_settings, settings, keys, ec_key, user):
    jwt_settings(ENCRYPTION_KEYS=keys)
    secrets = request.getfixturevalue("secrets_of_a_life")
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    signing = signing_keys.create(activate=True)
    private = json.loads(decrypt(signing.encrypted_private_jwk))["d"]
    text = dump()
    assert "client_" in text  # the control: the tables were read
    assert signing.kid in text
    assert found_in(text, [*secrets, private]) == []
    assert not [key for key in keys or [base64.urlsafe_b64encode(derived("encryption", 32)[0]).decode()] if key in text]


def test_only_with_the_keys_of_the_settings_it_can_be_opened(jwt_settings, secrets_of_a_life):
    """Each Fernet token in the copy opens with the right key, which is the control, and with no word of the copy."""
    text = dump()
    sealed = set(re.findall(r"gAAAA[A-Za-z0-9_=-]{50,}", text))
    assert len(sealed) == len(secrets_of_a_life)
    assert {decrypt(token).decode() for token in sealed} == set(secrets_of_a_life)
    words = set(re.findall(r"[A-Za-z0-9+/_-]{43,44}=?", text))
    assert words
    for word, token in product(words, sealed):
        try:
            key = Fernet(word.rstrip("=")[:43] + "=")
        except ValueError:
            continue
        with pytest.raises(InvalidToken):
            key.decrypt(token)


@pytest.mark.django_db(transaction=True)
def test_no_secret_is_in_any_log(caplog, settings, request):
    for logger in ("", "django", "django.db.backends", "jwt_auth"):
        caplog.set_level(logging.DEBUG, logger)
    settings.DEBUG = True  # with each query
    secrets = request.getfixturevalue("secrets_of_a_life")
    text = "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
    assert "INSERT INTO" in text
    assert "client_key_added" in text
    assert found_in(text, secrets) == []


class CrashError(Exception):
    """A bug that is not known yet."""


@sensitive_variables()
def crash(*args, **kwargs):
    """Stand in for a function that hides its arguments in reports as well."""
    raise CrashError


def _report(request):
    reporter = ExceptionReporter(request, *sys.exc_info())
    return reporter.get_traceback_text() + reporter.get_traceback_html()


@pytest.fixture
def reported(monkeypatch):
    """Django's reports about the requests that crashed; and the controls, which hide nothing."""
    reports, controls = [], []

    def note(request, **kwargs):
        reports.append(_report(request))
        with override_settings(DEBUG=True):
            controls.append(_report(request))

    got_request_exception.connect(note)
    yield reports, controls
    got_request_exception.disconnect(note)


@pytest.mark.parametrize("where", ["jwt_auth.clients.encrypt", "jwt_auth.clients.ClientKey.save"])
def test_no_secret_is_in_an_error_report(boss, user, reported, monkeypatch, where):
    secrets = []

    def token_urlsafe(size):
        secrets.append("s3cr3t" + "x" * 40)
        return secrets[-1]

    monkeypatch.setattr("jwt_auth.clients.secrets.token_urlsafe", token_urlsafe)
    monkeypatch.setattr(where, crash)
    old = clients.register("reports", user)
    for path, body in (
        ("clients/", {"client_name": "reports", "user": str(user.pk), "key": {}}),
        (f"clients/{old.client_id}/keys/", {}),
    ):
        assert boss.send(path, body).status_code == 500
    reports, controls = reported
    assert len(secrets) == len(reports) == 2
    assert all("s3cr3t" in text for text in controls)
    for text in reports:
        assert "CrashError" in text
        assert "views/clients.py" in text
        assert "s3cr3t" not in text


def test_no_private_key_that_somebody_sent_is_in_an_error_report(boss, user, reported, monkeypatch, ec_key):
    monkeypatch.setattr("jwt_auth.jose.public_keys.jwk.load", crash)
    monkeypatch.setattr("jwt_auth.jose.public_keys.read_public_pem", crash)
    document = private_jwk(ec_key)
    hidden = document.pop("d")
    sent = [{"jwk": {**document, "D": hidden}}, {"pem": pem(ec_key).replace("PRIVATE", "OTHER")}]
    for key in sent:
        body = {"client_name": "reports", "user": str(user.pk), "key": key}
        assert boss.send("clients/", body).status_code == 500
    lines = pem(ec_key).splitlines()[1:-1]
    reports, controls = reported
    assert hidden in controls[0]
    assert lines[0] in controls[1]
    for text in reports:
        assert hidden not in text
        assert not [line for line in lines if line in text]


def test_a_private_key_that_is_refused_is_in_no_answer_and_in_no_log(boss, user, caplog, rsa_key):
    caplog.set_level(logging.DEBUG)
    document = private_jwk(rsa_key)
    for key in ({"jwk": document}, {"pem": pem(rsa_key)}, {"pem": json.dumps(document)}):
        answer = boss.send("clients/", {"client_name": "reports", "user": str(user.pk), "key": key})
        assert answer.status_code == 400
        assert "private key" in answer.json()["detail"]
        assert document["d"] not in answer.content.decode()
        assert pem(rsa_key).splitlines()[2] not in answer.content.decode()
    text = "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
    assert document["d"] not in text
    assert pem(rsa_key).splitlines()[2] not in text
