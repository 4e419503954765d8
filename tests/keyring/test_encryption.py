"""Secrets at rest: only the keys of the settings decrypt them, and these keys can be changed."""

import base64

import pytest
from cryptography.fernet import Fernet

from jwt_auth.exceptions import DecryptionError, UnavailableError
from jwt_auth.keyring.encryption import decrypt, encrypt, reencrypt

SECRET = b"correct horse battery staple"

OLD, NEW, OTHER = (Fernet.generate_key() for _ in range(3))


@pytest.fixture(params=["derived", "configured"])
def _keys(request, jwt_settings):
    jwt_settings(ENCRYPTION_KEYS=None if request.param == "derived" else [OLD])


@pytest.mark.usefixtures("_keys")
def test_a_secret_comes_back_and_its_text_does_not_show_it():
    text = encrypt(SECRET)
    assert decrypt(text) == SECRET
    assert SECRET not in base64.urlsafe_b64decode(text)


@pytest.mark.usefixtures("_keys")
def test_the_same_secret_is_another_text_each_time():
    assert encrypt(SECRET) != encrypt(SECRET)


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("spoilt", ["cut", "empty", "no token", "folded"])
def test_a_text_that_was_changed_is_not_opened(spoilt):
    text = encrypt(SECRET)
    texts = {"cut": text[:-4] + "AAA=", "empty": "", "no token": "no token", "folded": text.lower()}
    with pytest.raises(DecryptionError) as caught:
        decrypt(texts[spoilt])
    assert text not in str(caught.value)


def test_the_first_key_encrypts_and_all_decrypt(jwt_settings):
    jwt_settings(ENCRYPTION_KEYS=[OLD])
    old = encrypt(SECRET)
    jwt_settings(ENCRYPTION_KEYS=[NEW, OLD.decode()])
    assert decrypt(old) == SECRET
    new = encrypt(SECRET)
    jwt_settings(ENCRYPTION_KEYS=[NEW])
    assert decrypt(new) == SECRET
    with pytest.raises(DecryptionError):
        decrypt(old)


def test_a_missing_key_is_our_fault_and_not_the_clients(jwt_settings):
    jwt_settings(ENCRYPTION_KEYS=[OTHER])
    text = encrypt(SECRET)
    jwt_settings(ENCRYPTION_KEYS=[NEW])
    with pytest.raises(UnavailableError):
        decrypt(text)


def test_a_former_secret_key_still_decrypts(settings):
    old = encrypt(SECRET)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key that is long enough for everybody"
    assert decrypt(old) == SECRET
    new = encrypt(SECRET)
    settings.SECRET_KEY_FALLBACKS = []
    assert decrypt(new) == SECRET
    with pytest.raises(DecryptionError):
        decrypt(old)


def test_what_is_under_a_former_key_is_put_under_the_first(jwt_settings):
    jwt_settings(ENCRYPTION_KEYS=[OLD])
    old = encrypt(SECRET)
    assert reencrypt(old) == old
    jwt_settings(ENCRYPTION_KEYS=[NEW, OLD])
    new = reencrypt(old)
    assert new != old
    assert reencrypt(new) == new
    jwt_settings(ENCRYPTION_KEYS=[NEW])
    assert decrypt(new) == SECRET
    with pytest.raises(DecryptionError):
        reencrypt(old)
