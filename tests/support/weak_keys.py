"""Public keys that anyone could forge signatures of, or whose use takes long; and tokens that are forged with them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
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
            generator = multiply(ORDER, (x, y))
            found = frozenset(multiply(i, generator) for i in range(8))
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


# A modulus that a good key had; nobody kept its factors.
SOUND = int(
    "b90045c110cfd0588d82fd9b070b6095b4ed3d5e8377e6329160c6cbc22d83be073cd7f8c9a05e62a3ddb99ff3a26fe7bd58f51a"
    "94abe035a90f830e221b8d117aeeb0d2052c7ae2577e89d8f81994e952bdf18f16365859544c385338bbc44908efcea8008c9f6f"
    "278904cbf915b24670c73b7625b2a62de2f23fc1406d1ec69be2675bce420f29252f70840ff776e9309316dae2a112b63315ae34"
    "469f5942e898dda8d34d489597cb47be5e2e4f859c72cb0a0cd52a0bb49eefe3751fc2c3365673a0aed800d996ac1f367500bce6"
    "8343d3d4518595134e8094241ec066d8ebfed0e5d7a1e7cfcf5cc3a9d6ce276e751cb9cfa3c9054fd2549b34a0dc4b1d",
    16,
)


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


class Made(Mapping[str, Any]):
    """Values by their names, each made when it is asked for: a process that only collects the tests needs the names."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        self._makers = makers
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _square() -> int:
    prime: int = rsa.generate_private_key(65537, 2048).private_numbers().p
    return prime * prime


def _short() -> int:
    modulus: int = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n
    return modulus


@cache
def weak_rsa() -> Mapping[str, tuple[int, int]]:
    """Return moduli and exponents of weak keys, by their faults."""
    return Made(
        {
            "even modulus": lambda: (SOUND + 1, 65537),
            "factor 3": lambda: (_with_factor(3), 65537),
            "factor 751": lambda: (_with_factor(751), 65537),
            "square": lambda: (_square(), 65537),
            "close primes": lambda: (_close_primes(1), 65537),
            "primes that the hundredth round finds": lambda: (_close_primes(100), 65537),
            "1024 bits": lambda: (_short(), 65537),
            "16384 bits": lambda: ((1 << 16383) + 1, 65537),
            "exponent 3": lambda: (SOUND, 3),
            "exponent 257": lambda: (SOUND, 257),
            "exponent 65535": lambda: (SOUND, 65535),
            "exponent as long as the modulus": lambda: (SOUND, SOUND - 2),
            "exponent of 65 bits": lambda: (SOUND, 2**64 + 1),
        }
    )


@cache
def weak_keys() -> Mapping[str, dict[str, str]]:
    """Return a JWK of each kind of weakness."""
    small = spellings_of_small_order()
    makers = {f"small order {name[:6]}...{name[-4:]}": partial(ed_jwk, key) for name, key in small.items()}
    makers |= {f"RSA, {name}": partial(_weak_rsa_jwk, name) for name in weak_rsa()}
    beside = next(y for y in range(2, 99) if x_of(y) is None)
    makers["Ed25519, beside the curve"] = partial(ed_jwk, beside.to_bytes(32, "little"))
    second_spelling = P + next(y for y in range(2, 19) if x_of(y) is not None)
    makers["Ed25519, not canonical"] = partial(ed_jwk, second_spelling.to_bytes(32, "little"))
    return Made(makers)


def _weak_rsa_jwk(fault: str) -> dict[str, str]:
    return rsa_jwk(*weak_rsa()[fault])


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
