"""`jwt_reencrypt`: all secrets move to the first key, whatever other transactions do."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError

from jwt_auth import clients, signing_keys
from jwt_auth.exceptions import DecryptionError
from jwt_auth.keyring import reencryption
from jwt_auth.keyring.encryption import decrypt
from jwt_auth.keyring.reencryption import COLUMNS, reencrypt_rows
from jwt_auth.models import ClientKey, SigningKey
from tests.support.commands import run
from tests.support.keys import public_pem

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
def reports(user, jwt_settings):
    """A client, in a project whose secrets are encrypted with OLD."""
    jwt_settings(ENCRYPTION_KEYS=[OLD], KEYS="database", ALGORITHM="ES256")
    return clients.register("reports", user)


def secrets_of(rows):
    return {row.pk: decrypt(row.encrypted_secret).decode() for row in rows.exclude(encrypted_secret="")}


def test_every_column_that_is_encrypted_is_known():
    models = ClientKey._meta.app_config.get_models()
    found = {(model, field.name) for model in models for field in model._meta.fields if "encrypted" in field.name}
    assert found == set(COLUMNS)


def test_afterwards_the_former_key_is_not_needed(reports, ec_key, jwt_settings):
    added = {new.key.pk: new.secret for new in (clients.add_secret(reports) for _ in range(5))}
    clients.add_public_key(reports, public_pem(ec_key))
    signing = signing_keys.create()
    jwt_settings(ENCRYPTION_KEYS=[NEW, OLD])
    shown = run("jwt_reencrypt", "--batch-size=2", "--verbosity=0").splitlines()
    assert shown == [
        "5 of 5 secrets of client keys re-encrypted.",
        "1 of 1 secrets of signing keys re-encrypted.",
    ]
    jwt_settings(ENCRYPTION_KEYS=[NEW])
    assert secrets_of(ClientKey.objects) == added
    assert decrypt(SigningKey.objects.get(pk=signing.pk).encrypted_private_jwk)


def test_what_is_under_the_first_key_is_left_as_it_is(reports, jwt_settings):
    clients.add_secret(reports)
    jwt_settings(ENCRYPTION_KEYS=[NEW, OLD])
    clients.add_secret(reports)
    assert "1 of 2 secrets of client keys would be re-encrypted." in run("jwt_reencrypt", "--dry-run")
    before = set(ClientKey.objects.values_list("encrypted_secret", flat=True))
    assert "1 of 2 secrets of client keys re-encrypted." in run("jwt_reencrypt")
    after = set(ClientKey.objects.values_list("encrypted_secret", flat=True))
    assert len(before & after) == 1
    assert "0 of 2 secrets of client keys re-encrypted." in run("jwt_reencrypt")
    assert set(ClientKey.objects.values_list("encrypted_secret", flat=True)) == after


def test_how_far_it_is_is_told_and_each_batch_is_two_queries_and_its_updates(
    reports, jwt_settings, django_assert_num_queries
):
    for _ in range(5):
        clients.add_secret(reports)
    jwt_settings(ENCRYPTION_KEYS=[NEW, OLD])
    assert run("jwt_reencrypt", "--batch-size=2", "--dry-run").splitlines()[:2] == [
        "2 client keys checked so far",
        "4 client keys checked so far",
    ]
    with django_assert_num_queries(3 + 3 + 5):
        list(reencrypt_rows(ClientKey, "encrypted_secret", 2))


def test_keys_that_are_derived_are_changed_with_the_secret_key(user, settings):
    new = clients.add_secret(clients.register("reports", user))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key that is long enough for everybody"
    run("jwt_reencrypt")
    settings.SECRET_KEY_FALLBACKS = []
    assert secrets_of(ClientKey.objects) == {new.key.pk: new.secret}


def test_what_no_key_opens_is_named_and_the_rest_is_done(reports, jwt_settings):
    good = clients.add_secret(reports)
    jwt_settings(ENCRYPTION_KEYS=[LOST])
    lost = clients.add_secret(reports)
    jwt_settings(ENCRYPTION_KEYS=[NEW, OLD])
    with pytest.raises(CommandError) as caught:
        run("jwt_reencrypt")
    assert f"client key {lost.key.pk}." in str(caught.value)
    assert lost.key.encrypted_secret not in str(caught.value)
    jwt_settings(ENCRYPTION_KEYS=[NEW])
    assert decrypt(ClientKey.objects.get(pk=good.key.pk).encrypted_secret).decode() == good.secret
    with pytest.raises(DecryptionError):
        decrypt(ClientKey.objects.get(pk=lost.key.pk).encrypted_secret)


def test_a_row_that_changes_meanwhile_stays_as_it_was_changed(reports, jwt_settings, monkeypatch):
    """Between the read and the write a signing key may be retired, for example, and its private half deleted."""
    new = clients.add_secret(reports)
    other = clients.add_secret(reports)
    jwt_settings(ENCRYPTION_KEYS=[NEW, OLD])
    reencrypt = reencryption.reencrypt

    def slowly(text):
        ClientKey.objects.filter(pk=new.key.pk).update(encrypted_secret=other.key.encrypted_secret)
        return reencrypt(text)

    monkeypatch.setattr(reencryption, "reencrypt", slowly)
    assert "1 of 2 secrets of client keys re-encrypted." in run("jwt_reencrypt")
    assert ClientKey.objects.get(pk=new.key.pk).encrypted_secret == other.key.encrypted_secret


@pytest.mark.parametrize("size", ["0", "100001", "x", "-1"])
def test_a_batch_has_a_size(db, size):
    with pytest.raises(CommandError):
        run("jwt_reencrypt", f"--batch-size={size}")


def test_the_derived_keys_are_printed_when_others_are_set_too(reports, jwt_settings):
    jwt_settings(ENCRYPTION_KEYS=None)
    secret = clients.add_secret(reports)
    jwt_settings(ENCRYPTION_KEYS=[NEW])
    printed = run("jwt_reencrypt", "--print-derived-keys").split()
    jwt_settings(ENCRYPTION_KEYS=[NEW, *printed])
    assert secrets_of(ClientKey.objects.filter(pk=secret.key.pk)) == {secret.key.pk: secret.secret}
