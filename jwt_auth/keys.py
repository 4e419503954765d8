"""
Our own keys: which one signs, which ones verify.

A `Key` has one algorithm for its whole life, whatever a token's header says (RFC 8725 section 3.1).
Without a SIGNING_KEY the keys are derived from SECRET_KEY, one per purpose, so that no two uses share
a key and SECRET_KEY itself signs nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import printable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings as django_settings

from jwt_auth import jwk
from jwt_auth.conf import ALGORITHMS, HMAC_ALGORITHMS, KeySource, cached_until_settings_change, get_settings
from jwt_auth.encoding import base64url_encode, json_object
from jwt_auth.exceptions import ConfigurationError, UnavailableError, UnknownKeyError

MIN_RSA_BITS = 2048  # RFC 7518 section 3.3
MAX_RSA_BITS = 8192  # each verification costs time, and who gives us a key shall not choose how much

# What a key of the settings signs with that names no algorithm and does not fit ALGORITHM.
_DEFAULTS = {"RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "Ed25519"}
_CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_PRIVATE = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
_PUBLIC = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)

# CVE-2017-15361 ("ROCA"): keys of a broken generator are powers of 65537 modulo all of these primes.
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key for one algorithm. `signing` is None for a key that only verifies. Build with `make_key`."""

    kid: str
    algorithm: str
    verifying: bytes | jwk.PublicKey = field(repr=False)
    signing: bytes | jwk.PrivateKey | None = field(repr=False)

    @property
    def is_secret(self) -> bool:
        """Whether who verifies with it could sign, too (HMAC)."""
        return isinstance(self.verifying, bytes)


@dataclass(frozen=True, slots=True)
class KeySet:
    """
    One key that signs, and all that verify, by their `kid`.

    Args:
        problem: why there is no key that signs, if there is none.
    """

    active: Key | None
    verifying: Mapping[str, Key]
    problem: str = ""

    @property
    def signing(self) -> Key:
        """The key that signs; raise UnavailableError when it can't be had."""
        if self.active is None:
            raise UnavailableError(self.problem)
        return self.active

    def find(self, kid: str | None) -> Key:
        """The key named `kid`; raise UnknownKeyError."""
        try:
            return self.verifying[kid]  # type: ignore[index]  # None is simply not in it
        except KeyError:
            raise UnknownKeyError("no key has the token's kid") from None

    def public_jwks(self) -> list[dict[str, str]]:
        """The public keys as JWKs; symmetric keys are never among them."""
        return [
            {**jwk.dump_public(key.verifying), "kid": key.kid, "alg": key.algorithm, "use": "sig"}
            for key in self.verifying.values()
            if not isinstance(key.verifying, bytes)
        ]


def make_key(material: jwk.KeyMaterial, algorithm: str) -> Key:
    """
    Bind `material` to `algorithm`.

    Raises:
        ValueError: when it is too weak for it, or of another kind (RFC 7518 sections 3.2 to 3.5).
    """
    if isinstance(material, bytes):
        _check_secret(material, algorithm)
        kid = base64url_encode(_hkdf(material, "kid", 12))
        return Key(kid=kid, algorithm=algorithm, verifying=material, signing=material)
    public = material.public_key() if isinstance(material, _PRIVATE) else material
    _check_public(public, algorithm)
    return Key(
        kid=jwk.thumbprint(jwk.dump_public(public)),
        algorithm=algorithm,
        verifying=public,
        signing=material if isinstance(material, _PRIVATE) else None,
    )


def _check_secret(secret: bytes, algorithm: str) -> None:
    if algorithm not in HMAC_ALGORITHMS:
        raise ValueError(f"a secret can't be used with {algorithm}")
    if len(secret) < hash_size(algorithm):
        raise ValueError(f"{algorithm} needs a secret of at least {hash_size(algorithm)} bytes")


def _check_public(key: jwk.PublicKey, algorithm: str) -> None:
    if not _fits(key, algorithm):
        raise ValueError(f"{jwk.kind_of(key)} can't be used with {algorithm}")
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ValueError(f"the RSA key has {key.key_size} bits, and needs {MIN_RSA_BITS}")
        if key.key_size > MAX_RSA_BITS:
            raise ValueError(f"the RSA key has {key.key_size} bits, and may have {MAX_RSA_BITS}")
        if _has_roca_fingerprint(key.public_numbers().n):
            raise ValueError("the RSA key comes from a broken generator (CVE-2017-15361)")


def _fits(key: jwk.PublicKey, algorithm: str) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return algorithm[:2] in ("RS", "PS")
    if isinstance(key, ec.EllipticCurvePublicKey):
        return jwk.kind_of(key) == _CURVE_OF.get(algorithm)
    return algorithm in ("Ed25519", "EdDSA")


def _has_roca_fingerprint(modulus: int) -> bool:
    return all(modulus % prime in {pow(65537, i, prime) for i in range(prime)} for prime in _ROCA_PRIMES)


def generate(algorithm: str) -> jwk.PrivateKey:
    """A new private key for `algorithm`, an asymmetric one."""
    if algorithm in _CURVE_OF:
        return ec.generate_private_key(jwk.CURVES[_CURVE_OF[algorithm]][0])
    if algorithm in ("Ed25519", "EdDSA"):
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, MIN_RSA_BITS)


def hash_size(algorithm: str) -> int:
    """Octets of the hash of an HMAC algorithm: 32, 48 or 64."""
    return int(algorithm[2:]) // 8


# From the settings.


@cached_until_settings_change
def configured_keys() -> KeySet:
    """
    The keys of our own access tokens, where KEYS is "settings".

    Raises:
        ConfigurationError: when a configured key can't be read, or is too weak.
    """
    settings = get_settings()
    if settings.SIGNING_KEY is None:
        secrets = derived(f"access.{settings.ALGORITHM}", hash_size(settings.ALGORITHM))
        return _key_set([make_key(secret, settings.ALGORITHM) for secret in secrets])
    signing = _configured("SIGNING_KEY", settings.SIGNING_KEY, settings.ALGORITHM)
    if signing.signing is None:
        raise ConfigurationError(
            "E013",
            "SIGNING_KEY is a public key, and can't sign.",
            "Set it to the private key; a public one may stand in SIGNING_KEY_FALLBACKS.",
        )
    fallbacks = (
        _configured(f"SIGNING_KEY_FALLBACKS[{i}]", source, None)
        for i, source in enumerate(settings.SIGNING_KEY_FALLBACKS)
    )
    return _key_set([signing, *fallbacks])


@cached_until_settings_change
def refresh_keys() -> list[bytes]:
    """The keys of refresh tokens: the first signs, all verify. Signing keys have no part in them."""
    return derived("refresh", 32)


def _key_set(keys: Iterable[Key]) -> KeySet:
    signing, *rest = keys
    return KeySet(signing, {key.kid: key for key in (*rest, signing)})


def derived(purpose: str, length: int) -> list[bytes]:
    """Keys for one purpose alone: the first of SECRET_KEY, the others of its fallbacks."""
    secret_keys = [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS]
    return [_hkdf(_as_bytes(secret), purpose, length) for secret in secret_keys]


def _hkdf(secret: bytes, purpose: str, length: int) -> bytes:
    """RFC 5869, with the purpose as the info."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=f"jwt_auth.{purpose}".encode()).derive(secret)


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _configured(name: str, source: KeySource, algorithm: str | None) -> Key:
    """Read one key of the settings; `algorithm` None means that it follows from the key."""
    try:
        material, named = _read(source)
    except (ValueError, TypeError, OSError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            "E010",
            # Of a file only what the system says: what was taken for its name may be a secret.
            f"{name} can't be read: {error.strerror if isinstance(error, OSError) else error}.",
            "Give a PEM, a JWK or the path of a file with one, BASE_DIR / ... for one that does not depend on where"
            """ the process was started. An HMAC key is the JWK {"kty": "oct", "k": "..."}.""",
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
        return make_key(material, algorithm or named or _default_algorithm(material))
    except ValueError as error:
        raise ConfigurationError(
            "E011",
            f"{name} can't be used: {error}.",
            "Set ALGORITHM to the one of the key, or make a new key; docs/how-to/keys.md has the commands.",
        ) from error


def _refuse_text(name: str, secret: bytes) -> None:
    # RFC 8725 section 3.5. It also keeps a public key, which is text, from ever being an HMAC secret.
    if set(secret) <= set(printable.encode()) or b"-----BEGIN" in secret:
        raise ConfigurationError(
            "E014",
            f"{name} is a text, not random bytes.",
            """Run python -c "import secrets; print(secrets.token_urlsafe(64))", """
            """and set {"kty": "oct", "k": "<what it prints>"}.""",
        )


def _default_algorithm(material: jwk.KeyMaterial) -> str:
    configured = get_settings().ALGORITHM
    if isinstance(material, bytes):
        return configured if configured in HMAC_ALGORITHMS else "HS256"
    public = material.public_key() if isinstance(material, _PRIVATE) else material
    if _fits(public, configured):
        return configured
    return _DEFAULTS[jwk.kind_of(public)]


def _read(source: KeySource) -> tuple[jwk.KeyMaterial, str | None]:
    """The key in `source`, and the algorithm that it names itself, if any."""
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
    return _read(Path(document.decode()))


def _read_pem(document: bytes) -> jwk.KeyMaterial:
    private = b"PRIVATE KEY-----" in document
    key = load_pem_private_key(document, password=None) if private else load_pem_public_key(document)
    if not isinstance(key, (*_PRIVATE, *_PUBLIC)):
        raise ValueError("the PEM holds a key of another kind than RSA, EC or Ed25519")
    return key


def read_public_pem(document: str | bytes) -> jwk.PublicKey:
    """The public key in a PEM; raise ValueError."""
    try:
        key = load_pem_public_key(_as_bytes(document).strip())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, _PUBLIC):
        raise ValueError("the PEM holds a key of another kind than RSA, EC or Ed25519")
    return key
