"""
Encryption of secrets at rest: the first key of ENCRYPTION_KEYS encrypts, all of them decrypt.

Without the setting the keys are derived from SECRET_KEY and its fallbacks. A copy of the database alone then
reveals no secret; together with the settings it reveals all of them.
"""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.views.decorators.debug import sensitive_variables

from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import DecryptionError
from jwt_auth.keyring.configured import derived


@sensitive_variables()
def encrypt(secret: bytes) -> str:
    """Encrypt `secret` with the first key. The text differs each time."""
    return _keys()[0].encrypt(secret).decode()


@sensitive_variables()
def decrypt(text: str) -> bytes:
    """
    Return the secret that `encrypt` was called with.

    Raises:
        DecryptionError: when no key fits.
    """
    try:
        return MultiFernet(_keys()).decrypt(text)
    except (InvalidToken, ValueError):  # ValueError: non-ASCII characters
        raise DecryptionError("no key of ENCRYPTION_KEYS fits a secret in the database") from None


@sensitive_variables()
def reencrypt(text: str) -> str:
    """
    Return `text` encrypted with the first key; unchanged if it already is.

    Raises:
        DecryptionError: when no key fits.
    """
    try:
        _keys()[0].decrypt(text)
    except InvalidToken:
        return encrypt(decrypt(text))
    return text


@sensitive_variables()
def derived_keys() -> list[str]:
    """Return the Fernet keys that are used if ENCRYPTION_KEYS is None, in the form of that setting."""
    return [urlsafe_b64encode(key).decode() for key in derived("encryption", 32)]


@cached_until_settings_change
def _keys() -> list[Fernet]:
    return [Fernet(key) for key in get_settings().ENCRYPTION_KEYS or derived_keys()]
