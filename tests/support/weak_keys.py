"""Public keys that anyone could forge signatures of, or whose use takes long; and tokens that are forged with them."""

import hashlib
import json
from functools import cache
from itertools import count
from math import gcd, isqrt
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jwt_auth.jose.encoding import base64url_encode
from tests.support import forge
from tests.support.primes import SMALL_PRIMES

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ORDER = 2**252 + 27742317777372353535851937790883648493

Point = tuple[int, int]


def add(one: Point, other: Point) -> Point:
    """Add two points of Ed25519 (RFC 8032 section 5.1)."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P


def multiply(factor: int, point: Point) -> Point:
    result = (0, 1)
    while factor:
        if factor % 2:
            result = add(result, point)
        factor, point = factor // 2, add(point, point)
    return result


def x_of(y: int) -> int | None:
    """Return an x such that (x, y) is on the curve; None if there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    return x if x * x % P == square else None


@cache
def points_of_small_order() -> frozenset[Point]:
    """Compute the eight points from the curve's equation alone."""
    for y in range(2, 100):
        x = x_of(y)
        if x is not None:
            found = frozenset(multiply(i * ORDER, (x, y)) for i in range(8))
            if len(found) == 8:
                return found
    raise AssertionError("no point generates them")


@cache
def spellings_of_small_order() -> dict[str, bytes]:
    """Return every encoding of these points that a lenient parser reads: with each sign, and with y + p."""
    found = {}
    for _, y in points_of_small_order():
        for written in (y, y + P):
            for sign in (0, 1):
                if written < 2**255:
                    octets = (written + (sign << 255)).to_bytes(32, "little")
                    found[octets.hex()] = octets
    return found


def ed_jwk(octets: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(octets)}


def ed_pem(octets: bytes) -> str:
    key = ed25519.Ed25519PublicKey.from_public_bytes(octets)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def rsa_jwk(modulus: int, exponent: int = 65537) -> dict[str, str]:
    def text(number: int) -> str:
        return base64url_encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))

    return {"kty": "RSA", "n": text(modulus), "e": text(exponent)}


def rsa_pem(modulus: int, exponent: int = 65537) -> str:
    key = RSAPublicNumbers(exponent, modulus).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


# A modulus that a good key had; nobody knows its factors any more.
SOUND = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n


def _close_primes(rounds: int) -> int:
    """Return the product of two primes that Fermat's method finds in this round, and not before."""
    prime = rsa.generate_private_key(65537, 2048).private_numbers().p
    # For primes that are 2 d apart, the mean exceeds the root of the product by d * d / (2 * mean).
    following = prime + 2 * isqrt((2 * rounds - 1) * prime)
    while gcd(following, SMALL_PRIMES) > 1 or pow(2, following - 1, following) != 1:
        following += 2
    modulus = prime * following
    assert (prime + following) // 2 - isqrt(modulus) == rounds
    return modulus


def _with_factor(factor: int) -> int:
    """Return a modulus with this prime as its only small factor."""
    return next(factor * n for n in count(SOUND // factor | 1, 2) if gcd(n, SMALL_PRIMES) == 1)


@cache
def weak_rsa() -> dict[str, tuple[int, int]]:
    """Return moduli and exponents of weak keys, by their faults."""
    prime = rsa.generate_private_key(65537, 2048).private_numbers().p
    return {
        "even modulus": (SOUND + 1, 65537),
        "factor 3": (_with_factor(3), 65537),
        "factor 751": (_with_factor(751), 65537),
        "square": (prime * prime, 65537),
        "close primes": (_close_primes(1), 65537),
        "primes that the hundredth round finds": (_close_primes(100), 65537),
        "1024 bits": (rsa.generate_private_key(65537, 1024).public_key().public_numbers().n, 65537),
        "16384 bits": ((1 << 16383) + 1, 65537),
        "exponent 3": (SOUND, 3),
        "exponent 257": (SOUND, 257),
        "exponent 65535": (SOUND, 65535),
        "exponent as long as the modulus": (SOUND, SOUND - 2),
        "exponent of 65 bits": (SOUND, 2**64 + 1),
    }


@cache
def weak_keys() -> dict[str, dict[str, str]]:
    """Return a JWK of each kind of weakness."""
    keys = {f"small order {name[:6]}...{name[-4:]}": ed_jwk(key) for name, key in spellings_of_small_order().items()}
    keys |= {f"RSA, {name}": rsa_jwk(*numbers) for name, numbers in weak_rsa().items()}
    keys["Ed25519, beside the curve"] = ed_jwk(next(y for y in range(2, 99) if x_of(y) is None).to_bytes(32, "little"))
    second_spelling = P + next(y for y in range(2, 19) if x_of(y) is not None)
    keys["Ed25519, not canonical"] = ed_jwk(second_spelling.to_bytes(32, "little"))
    return keys


def good_keys() -> dict[str, dict[str, str]]:
    """Return the nearest keys that must be accepted."""
    ed = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (base64url_encode(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
    return {
        "Ed25519": ed_jwk(ed),
        "EC": {"kty": "EC", "crv": "P-256", "x": x, "y": y},
        "RSA": rsa_jwk(SOUND),
        "RSA, exponent of 64 bits": rsa_jwk(SOUND, 2**64 - 1),
    }


def forge_ed25519(octets: bytes, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """
    Sign without a private key, for a public key of small order.

    The signature is R = k A' and S = 0 for a multiple A' of the key; claims are varied until the hash makes it fit.
    """
    number = int.from_bytes(octets, "little")
    sign, y = number >> 255, number % 2**255 % P
    key = next(point for point in points_of_small_order() if point[1] == y and (not point[0] or point[0] % 2 == sign))
    points = {_encode(point): point for point in points_of_small_order()}
    for attempt in range(1000):
        body = ".".join(
            forge.b64(json.dumps(part).encode()) for part in (header, {**claims, "jti": f"forged-{attempt}"})
        )
        for encoded, point in points.items():
            digest = hashlib.sha512(encoded + octets + body.encode()).digest()
            k = int.from_bytes(digest, "little") % ORDER
            if add(point, multiply(k % 8, key)) == (0, 1):  # S B = R + k A, with S = 0
                return f"{body}.{forge.b64(encoded + bytes(32))}"
    raise AssertionError("no signature was found")


def _encode(point: Point) -> bytes:
    x, y = point
    return (y + ((x % 2) << 255)).to_bytes(32, "little")
