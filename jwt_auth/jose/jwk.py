"""
Convert JSON Web Keys (RFC 7517, 7518 section 6, 8037) to `cryptography` objects, and back.
"""

from collections.abc import Mapping
from hashlib import sha256
from json import dumps
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jwt_auth.jose.encoding import base64url_decode, base64url_encode
from jwt_auth.jose.validation import MAX_RSA_BITS, WeakKeyError, check_public_key

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
KeyMaterial: TypeAlias = bytes | PrivateKey | PublicKey

# Name in JWK, curve, length of a coordinate in octets (RFC 7518 section 6.2.1.2).
CURVES: Mapping[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
}
# No member of a key is longer than the modulus of the longest RSA key. Checked before a member is decoded.
_MAX_MEMBER = MAX_RSA_BITS // 8 * 4 // 3 + 1  # characters
_CURVE_NAMES = {curve.name: name for name, (curve, _) in CURVES.items()}

# RFC 7638 section 3.2 and RFC 8037 section 2: the members that are hashed, in this order.
_THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


class OtherUseError(ValueError):
    """Raised for a key whose members say that it neither signs nor verifies."""


def load(jwk: Mapping[str, Any]) -> KeyMaterial:
    """
    Load one JWK that may sign or verify: bytes for the kty `oct`, a private or a public key for the others.

    Raises:
        OtherUseError: when its members say that it is for another use.
        ValueError: when it is not such a key.
    """
    use, operations = jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
    if not isinstance(use, str) or not isinstance(operations, list):
        raise ValueError('"use" is not a string, or "key_ops" is not a list')
    if use != "sig":
        raise OtherUseError('"use" is not "sig"')
    if not {"sign", "verify"} & set(map(str, operations)):
        raise OtherUseError('"key_ops" has neither "sign" nor "verify"')
    reader = {"oct": _oct, "RSA": _rsa, "EC": _ec, "OKP": _okp}.get(str(jwk.get("kty")))
    if reader is None:
        raise ValueError('"kty" must be oct, RSA, EC or OKP')
    return reader(jwk)


def dump_public(key: PublicKey) -> dict[str, str]:
    """Return only the public members of `key`; raise ValueError for a curve that no algorithm uses."""
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return {"kty": "RSA", "n": _minimal(rsa_numbers.n), "e": _minimal(rsa_numbers.e)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        name = _CURVE_NAMES.get(key.curve.name)
        if name is None:
            raise ValueError(f"the curve {key.curve.name} is not one of {', '.join(CURVES)}")
        size, numbers = CURVES[name][1], key.public_numbers()
        x, y = (base64url_encode(value.to_bytes(size, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": name, "x": x, "y": y}
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(_raw(key))}


def kind_of(key: PublicKey) -> str:
    """Return the kind of key, which limits its algorithms: "RSA", or the name of its curve."""
    public = dump_public(key)
    return public.get("crv", public["kty"])


def dump_private(key: PrivateKey) -> dict[str, str]:
    """Return all members of `key`; `load` turns them into the same key."""
    public = dump_public(key.public_key())
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        factors = {"p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
        return {**public, "d": _minimal(numbers.d), **{name: _minimal(value) for name, value in factors.items()}}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = CURVES[public["crv"]][1]
        return {**public, "d": base64url_encode(key.private_numbers().private_value.to_bytes(size, "big"))}
    return {**public, "d": base64url_encode(key.private_bytes_raw())}


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the RFC 7638 thumbprint (SHA-256, base64url) of a public JWK."""
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    canonical = dumps(members, separators=(",", ":"), sort_keys=True)
    return base64url_encode(sha256(canonical.encode()).digest())


def _octets(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f'"{name}" is missing')
    if len(value) > _MAX_MEMBER:
        raise WeakKeyError(f'"{name}" is longer than {_MAX_MEMBER} characters')
    octets = base64url_decode(value)
    if size is not None and len(octets) != size:
        raise ValueError(f'"{name}" must have {size} octets')
    return octets


def _integer(jwk: Mapping[str, Any], name: str, size: int | None = None) -> int:
    return int.from_bytes(_octets(jwk, name, size), "big")


def _oct(jwk: Mapping[str, Any]) -> bytes:
    return _octets(jwk, "k")


def _rsa(jwk: Mapping[str, Any]) -> PrivateKey | PublicKey:
    public = rsa.RSAPublicNumbers(_integer(jwk, "e"), _integer(jwk, "n"))
    key: rsa.RSAPublicKey = _built(public)
    if "d" not in jwk:
        return key
    if "oth" in jwk:
        raise ValueError('an RSA key with more than two prime factors ("oth") is not supported')
    check_public_key(key)  # otherwise the next step may not end
    d = _integer(jwk, "d")
    p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
    if not {_integer(jwk, name) for name in ("p", "q") if name in jwk} <= {p, q}:
        raise ValueError('"p" and "q" are not the prime factors of "n"')
    private = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=public,
    )
    return private.private_key()


def _built(numbers: Any) -> Any:
    """Return the public key of `numbers`; raise WeakKeyError if it is not valid, such as a point off its curve."""
    try:
        return numbers.public_key()
    except ValueError as error:
        raise WeakKeyError(str(error).rstrip(".")) from None


def _ec(jwk: Mapping[str, Any]) -> PrivateKey | PublicKey:
    if jwk.get("crv") not in CURVES:
        raise ValueError(f'"crv" must be one of {", ".join(CURVES)}')
    curve, size = CURVES[jwk["crv"]]
    public = ec.EllipticCurvePublicNumbers(_integer(jwk, "x", size), _integer(jwk, "y", size), curve)
    if "d" not in jwk:
        key: ec.EllipticCurvePublicKey = _built(public)
        return key
    return ec.EllipticCurvePrivateNumbers(_integer(jwk, "d", size), public).private_key()


def _okp(jwk: Mapping[str, Any]) -> PrivateKey | PublicKey:
    if jwk.get("crv") != "Ed25519":
        raise ValueError('"crv" must be Ed25519')
    public = ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk, "x", 32))
    if "d" not in jwk:
        return public
    private = ed25519.Ed25519PrivateKey.from_private_bytes(_octets(jwk, "d", 32))
    if _raw(private.public_key()) != _raw(public):
        raise ValueError('"d" and "x" belong to different keys')
    return private


def _minimal(value: int) -> str:
    return base64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _raw(key: ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
