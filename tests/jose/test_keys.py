"""Keys, each bound to one algorithm: their names, and the rules for weak and unknown keys."""

from base64 import b64decode, b64encode
from math import gcd, prod

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ed448, rsa, x25519

from jwt_auth.jose import jwk, keys
from jwt_auth.jose.encoding import base64url_encode
from tests.support.keys import RFC7638_KEY, pem, public_pem
from tests.support.primes import SMALL_PRIMES
from tests.support.tls import write_certificate

SECRET = bytes(range(128, 192))


def test_the_kid_is_the_thumbprint_of_rfc_7638():
    assert keys.make_key(jwk.load(RFC7638_KEY), "RS256").kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_kid_of_a_secret_is_short_and_reveals_nothing():
    kid = keys.make_key(SECRET, "HS256").kid
    assert len(kid) == 16
    assert kid not in base64url_encode(SECRET)
    assert kid != keys.make_key(SECRET[::-1], "HS256").kid


def test_keys_show_no_secret_when_they_are_printed(ec_key):
    assert base64url_encode(SECRET) not in (text := repr(keys.make_key(SECRET, "HS256")))
    assert repr(SECRET) not in text
    assert "signing" not in repr(keys.make_key(ec_key, "ES256"))


@pytest.mark.parametrize(("bits", "good"), [(8192, True), (8193, False), (16384, False)])
def test_an_rsa_key_has_8192_bits_at_most(bits, good):
    """Otherwise the owner of a public key could make every verification slow; such keys take minutes to make."""
    modulus = next(n for n in range((1 << (bits - 1)) + 1, 1 << bits, 2) if gcd(n, SMALL_PRIMES) == 1)
    key = rsa.RSAPublicNumbers(65537, modulus).public_key()
    assert key.key_size == bits
    if good:
        assert keys.make_key(key, "RS256").verifying is key
    else:
        with pytest.raises(ValueError, match="more than 8192"):
            keys.make_key(key, "RS256")


def test_an_rsa_key_of_the_generator_of_cve_2017_15361_is_refused(rsa_key):
    product = prod(prime for prime in range(2, 168) if all(prime % smaller for smaller in range(2, prime)))
    modulus = pow(65537, 12345, product) + product * ((1 << 2047) // product + 1)
    weak = rsa.RSAPublicNumbers(65537, modulus).public_key()
    assert weak.key_size == rsa_key.key_size
    assert keys.make_key(rsa_key, "RS256")
    with pytest.raises(ValueError, match="CVE-2017-15361"):
        keys.make_key(weak, "RS256")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda ed_key: public_pem(ed448.Ed448PrivateKey.generate()), id="Ed448"),
        pytest.param(lambda ed_key: public_pem(dsa.generate_private_key(1024)), id="DSA"),
        pytest.param(lambda ed_key: _of_no_known_kind(public_pem(ed_key)), id="of no known kind"),
    ],
)
def test_a_public_pem_of_a_kind_that_jws_does_not_know_is_refused(ed_key, make):
    assert keys.read_public_pem(public_pem(ed_key))
    with pytest.raises(ValueError):
        keys.read_public_pem(make(ed_key))


def _of_no_known_kind(text):
    """Return a PEM with another object identifier in the place of Ed25519's."""
    lines = text.strip().splitlines()
    document = b64decode("".join(lines[1:-1])).replace(bytes.fromhex("06032b6570"), bytes.fromhex("06032b657f"))
    return "\n".join([lines[0], b64encode(document).decode(), lines[-1]])


def _limited_to_pss(text):
    """Return the PEM of an RSA key with the object identifier of keys for RSASSA-PSS alone."""
    lines = text.strip().splitlines()
    plain, limited = bytes.fromhex("06092a864886f70d0101010500"), bytes.fromhex("06092a864886f70d01010a3000")
    document = b64decode("".join(lines[1:-1]))
    assert plain in document
    return "\n".join([lines[0], b64encode(document.replace(plain, limited)).decode(), lines[-1]])


POINT_AT_INFINITY = "MBkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDAgAA"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda key: _limited_to_pss(public_pem(key)), "RSASSA-PSS"),
        (lambda key: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "certificate"),
        (lambda key: pem(key), "private key"),
        (lambda key: public_pem(x25519.X25519PrivateKey.generate()), "not RSA, EC or Ed25519"),
        (lambda key: f"-----BEGIN PUBLIC KEY-----\n{POINT_AT_INFINITY}\n-----END PUBLIC KEY-----", "infinity"),
        (lambda key: "no PEM at all", "PEM"),
    ],
    ids=["RSASSA-PSS", "certificate", "private", "X25519", "EC at infinity", "no PEM"],
)
def test_a_pem_of_another_form_says_what_is_wrong(rsa_key, make, reason):
    assert keys.read_public_pem(public_pem(rsa_key))
    with pytest.raises(ValueError, match=reason):
        keys.read_public_pem(make(rsa_key))


@pytest.mark.parametrize("order", [1, -1], ids=["certificate first", "key first"])
@pytest.mark.parametrize("kind", ["rsa_key", "ec_key"])
def test_a_private_key_may_stand_in_one_pem_with_its_certificate(request, tmp_path, kind, order):
    key = request.getfixturevalue(kind)
    certificate = (write_certificate(tmp_path, key, "localhost") / "certificate.pem").read_text()
    document = "".join([certificate, pem(key)][::order]).encode()
    assert keys.read_pem(document).private_numbers() == key.private_numbers()
    with pytest.raises(ValueError, match="it is a certificate"):
        keys.read_pem(certificate.encode())


@pytest.mark.parametrize("order", [1, -1], ids=["certificate first", "key first"])
def test_a_certificate_does_not_hide_the_limits_of_a_key(rsa_key, tmp_path, order):
    certificate = (write_certificate(tmp_path, rsa_key, "localhost") / "certificate.pem").read_text()
    document = "\n".join([certificate, _limited_to_pss(pem(rsa_key))][::order]).encode()
    with pytest.raises(ValueError, match="RSASSA-PSS"):
        keys.read_pem(document)
