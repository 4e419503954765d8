"""
Validation of public keys: refuse a key whose signatures anyone can forge, or whose use is slow.

    kind      a key must                                                    source
    -------   -----------------------------------------------------------   ----------------------------------------
    RSA       have a modulus of 2048 to 8192 bits                           RFC 7518 section 3.3; the cost of its use
              have an odd modulus without a prime factor below 752          NIST SP 800-89 section 5.3.3
              have prime factors that Fermat's method does not find         CVE-2022-26320
              come from another generator than that of "ROCA"               CVE-2017-15361
              have an odd exponent of 17 to 64 bits                         NIST SP 800-56B section 6.4; OpenSSL's limit
    Ed25519   be the one encoding of a point on the curve                   RFC 8032 section 5.1.3
              have a point of large order                                   RFC 8032 section 8.4; libsodium
    EC        be a point on the curve, not the one at infinity              `cryptography` checks that when it loads one

Pure. `jose.keys.make_key`, through which each key of the server is made, and `client.key` call `check_public_key`.
The decision "Weak keys" in docs/decisions/ says what is not checked, and why.
"""

from math import gcd, isqrt, prod

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
_MIN_EXPONENT = 2**16  # exclusive, as is the next one
_MAX_EXPONENT = 2**64

_SMALL_PRIMES = prod(n for n in range(3, 752, 2) if all(n % smaller for smaller in range(3, isqrt(n) + 1, 2)))
# Moduli of the broken generator are powers of 65537 modulo each of these primes.
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_ROCA_RESIDUES = {prime: frozenset(pow(65537, i, prime) for i in range(prime)) for prime in _ROCA_PRIMES}
# Two primes that a sound generator made are so far apart that not even 2 ** 100 rounds would find them.
_FERMAT_ROUNDS = 100

# Curve25519 in its Edwards form (RFC 8032 section 5.1): -x² + y² = 1 + d x² y² modulo p.
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
# The y of the points whose order is 1, 2 or 4, and of the four whose order is 8.
_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = frozenset((0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8))


class WeakKeyError(ValueError):
    """Raised for a key that can be read, and must not be used."""


def check_public_key(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> None:
    """Raise WeakKeyError if anyone could forge signatures of `key`, or if its use takes long."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        _check_modulus(numbers.n)
        _check_exponent(numbers.e)
    elif isinstance(key, ed25519.Ed25519PublicKey):
        _check_point(key.public_bytes_raw())


def _check_modulus(modulus: int) -> None:
    bits = modulus.bit_length()
    if bits < MIN_RSA_BITS:
        raise WeakKeyError(f"the RSA key has {bits} bits, fewer than {MIN_RSA_BITS}")
    if bits > MAX_RSA_BITS:
        raise WeakKeyError(f"the RSA key has {bits} bits, more than {MAX_RSA_BITS}")
    if modulus % 2 == 0:
        raise WeakKeyError("the modulus of the RSA key is even")
    if all(modulus % prime in residues for prime, residues in _ROCA_RESIDUES.items()):
        raise WeakKeyError("the RSA key comes from a broken generator (CVE-2017-15361)")
    if gcd(modulus, _SMALL_PRIMES) > 1:
        raise WeakKeyError("the modulus of the RSA key has a small factor")
    if _has_close_factors(modulus):
        raise WeakKeyError("the prime factors of the RSA key are too close to each other (CVE-2022-26320)")


def _check_exponent(exponent: int) -> None:
    # Not all versions of `cryptography` refuse an even one when they load a PEM.
    if exponent % 2 == 0 or not _MIN_EXPONENT < exponent < _MAX_EXPONENT:
        raise WeakKeyError("the exponent of the RSA key is even, or not between 65537 and 2 ** 64; 65537 is usual")


def _has_close_factors(modulus: int) -> bool:
    """Return whether a few rounds of Fermat's method find the factors; squares are found in the first round."""
    start = isqrt(modulus - 1) + 1  # the root, rounded up
    return any(isqrt(rest := middle * middle - modulus) ** 2 == rest for middle in range(start, start + _FERMAT_ROUNDS))


def _check_point(encoded: bytes) -> None:
    y = int.from_bytes(encoded, "little") % 2**255  # the highest bit is the sign of x
    if y % _P in _SMALL_ORDER:
        raise WeakKeyError("the Ed25519 key is a point of small order, whose signatures anyone can make")
    if y >= _P:
        raise WeakKeyError("the Ed25519 key is not encoded canonically")
    # x² = (y² - 1) / (d y² + 1) must be a square. By Euler's criterion the product of the two tells as much.
    if pow((y * y - 1) * (_D * y * y + 1), (_P - 1) // 2, _P) != 1:
        raise WeakKeyError("the Ed25519 key is not a point on the curve")
