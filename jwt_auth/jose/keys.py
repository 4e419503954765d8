"""
Keys: each `Key` is bound to one algorithm, whatever a token's header says (RFC 8725 section 3.1).

Pure: key material goes in, a `Key` or a ValueError comes out. `keyring` loads our own keys.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from jwt_auth.exceptions import UnavailableError, UnknownKeyError
from jwt_auth.jose import jwk
from jwt_auth.jose.algorithms import HMAC_ALGORITHMS
from jwt_auth.jose.encoding import base64url_encode
from jwt_auth.jose.validation import MIN_RSA_BITS, check_public_key

PRIVATE = "it is a private key, which only its owner may have; give its public half"

_UNKNOWN = "no key has the token's kid: the token was signed with another key, of another server or of former settings"

_CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_PRIVATE = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
_PUBLIC = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)

# The object identifier of RSA keys for RSASSA-PSS alone (RFC 4055 section 1.2), in DER.
_ONLY_PSS = bytes.fromhex("06092a864886f70d01010a")
_PEM_BODY = re.compile(rb"-----BEGIN [A-Z ]*KEY-----([A-Za-z0-9+/=\s]+)-----END")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key for one algorithm. `signing` is None for a key that only verifies. Use `make_key` to create it."""

    kid: str
    algorithm: str
    verifying: bytes | jwk.PublicKey = field(repr=False)
    signing: bytes | jwk.PrivateKey | None = field(repr=False)

    @property
    def is_secret(self) -> bool:
        """True if the key that verifies can also sign (HMAC)."""
        return isinstance(self.verifying, bytes)


@dataclass(frozen=True, slots=True)
class KeySet:
    """
    The key that signs, and all keys that verify, by their `kid`.

    Args:
        problem: the reason why there is no key that signs, if there is none.
    """

    active: Key | None
    verifying: Mapping[str, Key]
    problem: str = ""

    @property
    def signing(self) -> Key:
        """The key that signs; raise UnavailableError if there is none."""
        if self.active is None:
            raise UnavailableError(self.problem)
        return self.active

    def find(self, kid: str | None) -> Key:
        """Return the key named `kid`; raise UnknownKeyError."""
        try:
            return self.verifying[kid]  # type: ignore[index]  # None is simply not in it
        except KeyError:
            raise UnknownKeyError(_UNKNOWN) from None

    def public_jwks(self) -> list[dict[str, str]]:
        """Return the public keys as JWKs; symmetric keys are never among them."""
        return [
            {**jwk.dump_public(key.verifying), "kid": key.kid, "alg": key.algorithm, "use": "sig"}
            for key in self.verifying.values()
            if not isinstance(key.verifying, bytes)
        ]


def make_key(material: jwk.KeyMaterial, algorithm: str) -> Key:
    """
    Bind `material` to `algorithm`.

    Raises:
        ValueError: when the material is too weak for the algorithm, or of another kind (RFC 7518 sections 3.2 to 3.5).
    """
    if isinstance(material, bytes):
        _check_secret(material, algorithm)
        kid = base64url_encode(hkdf(material, "kid", 12))
        return Key(kid=kid, algorithm=algorithm, verifying=material, signing=material)
    public = public_half(material)
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
    if not fits(key, algorithm):
        raise ValueError(f"{jwk.kind_of(key)} can't be used with {algorithm}")
    check_public_key(key)


def fits(key: jwk.PublicKey, algorithm: str) -> bool:
    """Return whether `algorithm` is for keys of this kind."""
    if isinstance(key, rsa.RSAPublicKey):
        return algorithm[:2] in ("RS", "PS")
    if isinstance(key, ec.EllipticCurvePublicKey):
        return jwk.kind_of(key) == _CURVE_OF.get(algorithm)
    return algorithm in ("Ed25519", "EdDSA")


def generate(algorithm: str) -> jwk.PrivateKey:
    """Generate a private key for `algorithm`, which must be asymmetric."""
    if algorithm in _CURVE_OF:
        return ec.generate_private_key(jwk.CURVES[_CURVE_OF[algorithm]][0])
    if algorithm in ("Ed25519", "EdDSA"):
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, MIN_RSA_BITS)


def hash_size(algorithm: str) -> int:
    """Return the size of an HMAC algorithm's hash in octets: 32, 48 or 64."""
    return int(algorithm[2:]) // 8


def hkdf(secret: bytes, purpose: str, length: int) -> bytes:
    """Derive a key of `length` octets by HKDF (RFC 5869), with `purpose` as the info."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=f"jwt_auth.{purpose}".encode()).derive(secret)


def public_half(material: jwk.PrivateKey | jwk.PublicKey) -> jwk.PublicKey:
    """Return the public half of a private key; a public key is returned as it is."""
    return material.public_key() if isinstance(material, _PRIVATE) else material


def read_pem(document: bytes) -> jwk.PrivateKey | jwk.PublicKey:
    """
    Return the private or public key in a PEM. A private key may stand there together with its certificate.

    Raises:
        ValueError, TypeError, UnsupportedAlgorithm: when it can't be read, or is not RSA, EC or Ed25519.
    """
    private = b"PRIVATE KEY-----" in document
    if not private and b"-----BEGIN CERTIFICATE-----" in document:
        raise ValueError("it is a certificate; give the public key that is in it (openssl x509 -pubkey -noout)")
    key = load_pem_private_key(document, password=None) if private else load_pem_public_key(document)
    if not isinstance(key, (*_PRIVATE, *_PUBLIC)):
        raise ValueError("the key in the PEM is not RSA, EC or Ed25519")
    if any(_ONLY_PSS in b64decode(body) for body in _PEM_BODY.findall(document)):
        # `cryptography` drops the limits that such a key may have, so they could not be kept.
        raise ValueError("the PEM limits the RSA key to RSASSA-PSS; write it as a plain RSA key (rsaEncryption)")
    return key


def read_public_pem(document: str | bytes) -> jwk.PublicKey:
    """Return the public key in a PEM; raise ValueError."""
    raw = document.encode() if isinstance(document, str) else document
    if b"PRIVATE KEY-----" in raw:
        raise ValueError(PRIVATE)
    try:
        return cast("jwk.PublicKey", read_pem(raw.strip()))
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
