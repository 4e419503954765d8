"""
This server's own keys, from the settings.

Without a SIGNING_KEY the keys are derived from SECRET_KEY, one per purpose, so that no two uses share
a key and SECRET_KEY itself signs nothing.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from string import printable

from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings as django_settings

from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import ConfiguredKey, cached_until_settings_change
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.jose import jwk
from jwt_auth.jose.algorithms import ALGORITHMS, HMAC_ALGORITHMS, USUAL_ALGORITHMS
from jwt_auth.jose.encoding import json_object
from jwt_auth.jose.keys import Key, KeySet, fits, hash_size, hkdf, make_key, public_half, read_pem

# Hints for the two kinds of keys.
HMAC_HINT = (
    'For HS256, HS384 and HS512, run python -c "import secrets; print(secrets.token_urlsafe(64))", and set SIGNING_KEY '
    'to {"kty": "oct", "k": "<what it prints>"}.'
)
KEY_PAIR_HINT = (
    "For ES256, run openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing_key.pem, and set "
    'SIGNING_KEY to Path("signing_key.pem").'
)

# Hints for keys that can't be read.
_FILE_HINT = "A PEM has the line -----BEGIN ...; a path names a file with a PEM or a JWK."
_DERIVED_HINT = "Without SIGNING_KEY, HS256 signs with a key derived from SECRET_KEY."
_LINES_HINT = """Write .replace("\\\\n", "\\n") after the text, or put the PEM into a file, and give its path."""
_PEM_HINT = "Check that it is complete, and has no password: openssl pkey -in FILE -noout says so."

# The ends of the names of files with keys. A text that has none of them, and names no file, is rather a secret.
_ENDINGS = (".pem", ".key", ".json", ".jwk", ".txt")

# Fewer than eight octets differ in one of 10 ** 36 random secrets of 32 octets.
_MIN_DIFFERENT_OCTETS = 8


@cached_until_settings_change
def configured_keys() -> KeySet:
    """
    Return the keys of our own access tokens, for KEYS = "settings".

    Raises:
        ConfigurationError: when a configured key can't be read, or is too weak.
    """
    settings = get_settings()
    if settings.SIGNING_KEY is None:
        secrets = derived(f"access.{settings.ALGORITHM}", hash_size(settings.ALGORITHM))
        return _key_set([make_key(secret, settings.ALGORITHM) for secret in secrets])
    signing, *fallbacks = _all_configured().values()
    return _key_set([signing, *fallbacks])


def idle_fallbacks() -> list[str]:
    """
    Return the names of the fallbacks that are the signing key, or an earlier fallback.

    Raises:
        ConfigurationError: when a configured key can't be read, or is too weak.
    """
    if get_settings().SIGNING_KEY is None:
        return []
    names = [(key.kid, name) for name, key in _all_configured().items()]
    first = dict(reversed(names))
    return [name for kid, name in names if first[kid] != name]


def _all_configured() -> dict[str, Key]:
    """Return the keys in SIGNING_KEY and its fallbacks, by these names; raise ConfigurationError."""
    settings = get_settings()
    signing = _configured("SIGNING_KEY", settings.SIGNING_KEY, settings.ALGORITHM)  # type: ignore[arg-type]  # not None
    if signing.signing is None:
        raise ConfigurationError(
            "E013",
            "SIGNING_KEY is a public key, and can't sign.",
            "Set it to the private key; a public one is allowed in SIGNING_KEY_FALLBACKS.",
        )
    found = {"SIGNING_KEY": signing}
    for i, source in enumerate(settings.SIGNING_KEY_FALLBACKS):
        found[f"SIGNING_KEY_FALLBACKS[{i}]"] = _configured(f"SIGNING_KEY_FALLBACKS[{i}]", source, None)
    _refuse_two_algorithms(found)
    return found


def _refuse_two_algorithms(keys: Mapping[str, Key]) -> None:
    """Refuse one key for two algorithms: both would have the same `kid`, and only one would be found."""
    first: dict[str, str] = {}
    for name, key in keys.items():
        other = first.setdefault(key.kid, name)
        if key.algorithm != keys[other].algorithm:
            raise ConfigurationError(
                "E015",
                f"{name} is the same key as {other}, for {key.algorithm} instead of {keys[other].algorithm}: tokens "
                "of one of the two would be refused.",
                "Create a new key for each algorithm (RFC 8725 section 3.1); clients then refresh, and nobody is "
                "signed out.",
            )


@cached_until_settings_change
def refresh_keys() -> list[bytes]:
    """Return the keys of refresh tokens: the first signs, all verify. They don't depend on the signing keys."""
    return derived("refresh", 32)


def _key_set(keys: Iterable[Key]) -> KeySet:
    signing, *rest = keys
    return KeySet(signing, {key.kid: key for key in (*rest, signing)})


def derived(purpose: str, length: int) -> list[bytes]:
    """Return keys for one purpose only: the first is derived from SECRET_KEY, the others from its fallbacks."""
    secret_keys = [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS]
    return [hkdf(_as_bytes(secret), purpose, length) for secret in secret_keys]


def _configured(name: str, source: ConfiguredKey, algorithm: str | None) -> Key:
    """Load one key from the settings; if `algorithm` is None, the key determines it."""
    try:
        material, named = _read(source)
    except (ValueError, TypeError, OSError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            "E010",
            # For a file only the system's message: the text that was used as its name may be a secret.
            f"{name} can't be read: {error.strerror if isinstance(error, OSError) else error}.",
            _hint_for(source, error),
        ) from error
    if isinstance(material, bytes):
        _refuse_text(name, material)
    if algorithm and named and algorithm != named:
        raise ConfigurationError(
            "E012",
            f'{name} is a JWK with "alg": "{named}", but ALGORITHM is {algorithm}.',
            "A key has one algorithm: make the two equal.",
        )
    try:
        key = make_key(material, algorithm or named or _default_algorithm(material))
    except ValueError as error:
        raise ConfigurationError(
            "E011",
            f"{name} can't be used: {error}.",
            f"{_fitting(material)} {KEY_PAIR_HINT} {HMAC_HINT}",
        ) from error
    if isinstance(material, bytes) and len(set(material)) < _MIN_DIFFERENT_OCTETS:
        raise _not_random(name, "repeats a few bytes")
    return key


def _refuse_text(name: str, secret: bytes) -> None:
    # RFC 8725 section 3.5. This also prevents the use of a public key, which is text, as an HMAC secret.
    if set(secret) <= set(printable.encode()) or b"-----BEGIN" in secret:
        raise _not_random(name, "is text")


def _not_random(name: str, fault: str) -> ConfigurationError:
    return ConfigurationError(
        "E014",
        f"{name} {fault}, not random bytes.",
        HMAC_HINT,
    )


def _fitting(material: jwk.KeyMaterial) -> str:
    if not isinstance(material, bytes):
        with suppress(ValueError):  # raised for a curve that no algorithm uses
            return f'Set ALGORITHM to "{_usual_algorithm(material)}", which is for this key, or make a new key.'
    return "Set ALGORITHM to the key's algorithm, or make a new key."


def _default_algorithm(material: jwk.KeyMaterial) -> str:
    configured = get_settings().ALGORITHM
    if isinstance(material, bytes):
        return configured if configured in HMAC_ALGORITHMS else "HS256"
    return configured if fits(public_half(material), configured) else _usual_algorithm(material)


def _usual_algorithm(material: jwk.PrivateKey | jwk.PublicKey) -> str:
    kind = jwk.kind_of(public_half(material))
    # For this kind the libraries of other parties still choose "EdDSA", which RFC 9864 has deprecated; we don't.
    return "Ed25519" if kind == "Ed25519" else USUAL_ALGORITHMS[kind]


def _read(source: ConfiguredKey) -> tuple[jwk.KeyMaterial, str | None]:
    """Return the key in `source`, and the algorithm that it names, if any."""
    if isinstance(source, Mapping):
        if source.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
            raise ValueError(f'"alg" must be one of {", ".join(ALGORITHMS)}')
        return jwk.load(source), source.get("alg")
    document = source.read_bytes() if isinstance(source, Path) else _as_bytes(source).strip()
    if b"-----BEGIN" in document:
        return _read_pem(document), None
    if document.startswith(b"{"):
        return _read(json_object(document))
    if isinstance(source, Path):
        raise ValueError("the file holds neither a PEM nor a JWK")
    return _read(_named_by(document))


def _read_pem(document: bytes) -> jwk.KeyMaterial:
    if b"\\n" in document:
        raise ValueError("the PEM has a backslash and an n where its lines should end")
    return read_pem(document)


def _named_by(document: bytes) -> Path:
    """Return the path that the text of a setting is; raise ValueError if it is none."""
    if not document:
        raise ValueError("it is empty")
    text = os.fsdecode(document)
    if not text.endswith(_ENDINGS) and not _exists(text):
        raise ValueError("it is neither a PEM nor a JWK, and no file has this name")
    return Path(text)


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except OSError:  # too long for a name
        return False


def _hint_for(source: ConfiguredKey, error: Exception) -> str:
    """Return the hint for a key that can't be read."""
    document = b"" if isinstance(source, Path | Mapping) else _as_bytes(source).strip()
    if isinstance(error, OSError) or isinstance(source, Path):
        return (
            f"{_FILE_HINT} The working directory is {Path.cwd()}; with BASE_DIR / ... the path does not depend on it."
        )
    if isinstance(source, Mapping) or document.startswith(b"{"):
        return f"Correct the JWK, or make a new key. {HMAC_HINT} {KEY_PAIR_HINT}"
    if not document:
        return f"Is the variable set that it comes from? {_DERIVED_HINT}"
    if b"-----BEGIN" in document:
        return _LINES_HINT if b"\\n" in document else _PEM_HINT
    return f"A plain string, such as SECRET_KEY, is no key. {_DERIVED_HINT} {_FILE_HINT} {HMAC_HINT} {KEY_PAIR_HINT}"


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode(errors="surrogatepass") if isinstance(text, str) else text
