"""Keys from the settings: how they are read, which are too weak, and how a new key replaces an old one."""

import hmac
import json
import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from jwt.api_jws import PyJWS

from jwt_auth.exceptions import ConfigurationError, UnknownKeyError
from jwt_auth.jose import jwk
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.jose.encoding import base64url_encode
from jwt_auth.keyring import configured
from tests.support.keys import oct_jwk, pem, private_jwk, public_pem

SECRET = bytes(range(128, 192))


@pytest.fixture(scope="session")
def ring(rsa_key, ec_key, ed_key):
    """A key for each algorithm, as a setting."""
    curves = {"ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    ring = {name: pem(rsa_key) for name in ALGORITHMS if name[:2] in ("RS", "PS")}
    ring |= {name: pem(ec.generate_private_key(curve)) for name, curve in curves.items()}
    ring |= {"ES256": pem(ec_key), "Ed25519": pem(ed_key), "EdDSA": pem(ed_key)}
    return ring | {name: oct_jwk(secrets.token_bytes(64)) for name in ("HS256", "HS384", "HS512")}


@pytest.fixture
def three(rsa_key, ec_key, ed_key):
    """A key of each kind, by its algorithm."""
    return {"RS256": rsa_key, "ES256": ec_key, "Ed25519": ed_key}


def header(token):
    return PyJWS().get_unverified_header(token)


def configure(jwt_settings, source, algorithm="HS256", fallbacks=()):
    jwt_settings(SIGNING_KEY=source, ALGORITHM=algorithm, SIGNING_KEY_FALLBACKS=list(fallbacks))
    return configured.configured_keys()


def refusal(jwt_settings, *args, **kwargs):
    with pytest.raises(ConfigurationError) as caught:
        configure(jwt_settings, *args, **kwargs)
    return caught.value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_signs_in_and_verifies(client, user, jwt_settings, ring, algorithm):
    configure(jwt_settings, ring[algorithm], algorithm)
    pair = client.tokens(user)
    kid = configured.configured_keys().signing.kid
    assert header(pair["access_token"]) == {"alg": algorithm, "typ": "at+jwt", "kid": kid}
    assert client.get_me(pair["access_token"]).status_code == 200
    fresh = client.refresh(pair["refresh_token"]).json()
    assert client.get_me(fresh["access_token"]).status_code == 200


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_keys_are_derived_when_none_is_set(client, user, jwt_settings, settings, algorithm):
    jwt_settings(ALGORITHM=algorithm)
    assert client.get_me(client.tokens(user)["access_token"]).status_code == 200
    signing = configured.configured_keys().signing.signing
    assert len(signing) == int(algorithm[2:]) // 8
    assert signing not in (settings.SECRET_KEY.encode(), *configured.refresh_keys())


def test_each_algorithm_has_a_derived_key_of_its_own(jwt_settings):
    derived = set()
    for algorithm in ("HS256", "HS384", "HS512"):
        jwt_settings(ALGORITHM=algorithm)
        derived.add(configured.configured_keys().signing.signing[:32])
    assert len(derived) == 3


def test_what_is_derived_stays_the_same_for_good(settings):
    """With other keys an upgrade would sign everybody out. RFC 5869, written out again, is the second opinion."""

    def hkdf(secret, info, length):
        extracted = hmac.digest(bytes(32), secret, "sha256")
        return hmac.digest(extracted, info + b"\x01", "sha256")[:length]

    secret = settings.SECRET_KEY.encode()
    signing = configured.configured_keys().signing
    assert (signing.algorithm, signing.verifying) == ("HS256", hkdf(secret, b"jwt_auth.access.HS256", 32))
    assert signing.kid == base64url_encode(hkdf(signing.verifying, b"jwt_auth.kid", 12))
    assert configured.refresh_keys() == [hkdf(secret, b"jwt_auth.refresh", 32)]


def test_a_secret_key_of_bytes_gives_the_same_keys(settings):
    settings.SECRET_KEY = "é" * 50
    derived = configured.configured_keys().signing, configured.refresh_keys()
    settings.SECRET_KEY = ("é" * 50).encode()
    assert (configured.configured_keys().signing, configured.refresh_keys()) == derived


def traditional(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


FORMATS = {
    "PKCS8": lambda key, folder: pem(key),
    "PKCS8 in bytes": lambda key, folder: pem(key).encode(),
    "PEM with blank lines around": lambda key, folder: f"\n{pem(key)}\n\n",
    "traditional PEM": lambda key, folder: traditional(key),
    "JWK": lambda key, folder: private_jwk(key),
    "JWK in text": lambda key, folder: json.dumps(private_jwk(key)),
    "JWK in bytes": lambda key, folder: json.dumps(private_jwk(key)).encode(),
    "path": lambda key, folder: written(folder, pem(key)),
    "path in text": lambda key, folder: str(written(folder, pem(key))),
    "path in bytes": lambda key, folder: str(written(folder, pem(key))).encode(),
    "path of a JWK": lambda key, folder: written(folder, json.dumps(private_jwk(key))),
}


def written(folder, text):
    path = Path(folder) / "signing-key"
    path.write_text(text)
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_a_key_is_the_same_in_every_form(jwt_settings, tmp_path, three, algorithm, form):
    key = three[algorithm]
    if (algorithm, form) == ("Ed25519", "traditional PEM"):
        pytest.skip("Ed25519 has no traditional form")
    own = configure(jwt_settings, FORMATS[form](key, tmp_path), algorithm)
    assert own.signing.kid == jwk.thumbprint(jwk.dump_public(key.public_key()))
    assert jwk.dump_public(own.signing.signing.public_key()) == jwk.dump_public(key.public_key())


@pytest.mark.parametrize("form", [oct_jwk, lambda secret: json.dumps(oct_jwk(secret))])
def test_a_secret_is_a_jwk(jwt_settings, form):
    assert configure(jwt_settings, form(SECRET)).signing.signing == SECRET


# Refused


def encrypted_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda key, folder: "no-such-file.pem", id="a path to nothing"),
        pytest.param(lambda key, folder: folder, id="a folder"),
        pytest.param(lambda key, folder: written(folder, "hello"), id="a file without a key"),
        pytest.param(lambda key, folder: "a\x00b", id="a NUL"),
        pytest.param(lambda key, folder: b"\xff\xfe", id="bytes that are no text"),
        pytest.param(lambda key, folder: "", id="nothing"),
        pytest.param(lambda key, folder: {}, id="an empty JWK"),
        pytest.param(lambda key, folder: "{}", id="an empty JWK in text"),
        pytest.param(lambda key, folder: '{"kty"', id="half a JWK"),
        pytest.param(lambda key, folder: pem(key)[:100], id="half a PEM"),
        pytest.param(lambda key, folder: encrypted_pem(key), id="an encrypted PEM"),
        pytest.param(lambda key, folder: {**private_jwk(key), "use": "enc"}, id="a JWK for encryption"),
        pytest.param(lambda key, folder: pem(ed448.Ed448PrivateKey.generate()), id="Ed448"),
        pytest.param(lambda key, folder: pem(dsa.generate_private_key(1024)), id="DSA"),
    ],
)
def test_what_is_no_key_is_e010(jwt_settings, tmp_path, ec_key, make):
    assert configure(jwt_settings, pem(ec_key), "ES256")
    assert refusal(jwt_settings, make(ec_key, tmp_path), "ES256").id == "E010"


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1(), ec.BrainpoolP256R1()])
def test_a_pem_of_a_curve_that_jws_does_not_know_is_a_configuration_error(jwt_settings, curve):
    source = pem(ec.generate_private_key(curve))
    assert refusal(jwt_settings, source, "ES256").id in ("E010", "E011")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_of_another_kind_than_its_algorithm_is_e011(jwt_settings, ring, algorithm):
    for other in ("HS512", "RS256", "ES256", "ES384", "ES512", "Ed25519"):  # each kind of key once
        same = ring[other] == ring[algorithm] or {other[:2], algorithm[:2]} == {"HS"}
        if not same:
            assert refusal(jwt_settings, ring[other], algorithm).id == "E011"


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_has_as_many_octets_as_the_hash(jwt_settings, algorithm, size):
    assert configure(jwt_settings, oct_jwk(SECRET[:size]), algorithm)
    assert refusal(jwt_settings, oct_jwk(SECRET[: size - 1]), algorithm).id == "E011"


@pytest.mark.parametrize(("bits", "good"), [(1024, False), (2047, False), (2048, True)])
def test_an_rsa_key_has_2048_bits(jwt_settings, bits, good):
    source = pem(rsa.generate_private_key(65537, bits))
    if good:
        assert configure(jwt_settings, source, "RS256")
    else:
        assert refusal(jwt_settings, source, "RS256").id == "E011"


def test_a_jwk_that_names_another_algorithm_is_e012(jwt_settings, ec_key, rsa_key):
    assert configure(jwt_settings, {**private_jwk(rsa_key), "alg": "PS256"}, "PS256")
    assert refusal(jwt_settings, {**private_jwk(rsa_key), "alg": "PS256"}, "RS256").id == "E012"


def test_a_public_key_can_not_sign(jwt_settings, ec_key):
    assert refusal(jwt_settings, public_pem(ec_key), "ES256").id == "E013"


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(b"correct horse battery staple, and then some more", id="a sentence"),
        pytest.param(b"0123456789abcdef" * 4, id="hexadecimal digits"),
        pytest.param(b"0123456789abcdef" * 4 + b"\n", id="hexadecimal digits with the line feed of a shell"),
        pytest.param(b"correct\thorse\tbattery\tstaple\tand\tsome\tmore", id="words between tabs"),
        pytest.param(bytes(64), id="zeros"),
        pytest.param(bytes(range(128, 135)) * 10, id="seven bytes again and again"),
    ],
)
def test_a_secret_of_text_is_e014(jwt_settings, secret):
    assert configure(jwt_settings, oct_jwk(SECRET))
    assert refusal(jwt_settings, oct_jwk(secret)).id == "E014"


def test_a_public_key_is_never_a_secret(jwt_settings, rsa_key):
    assert refusal(jwt_settings, oct_jwk(public_pem(rsa_key).encode())).id == "E014"
    assert refusal(jwt_settings, oct_jwk(SECRET + public_pem(rsa_key).encode())).id == "E014"


# Fallbacks


@pytest.mark.parametrize("as_public", [False, True])
def test_a_new_signing_key_signs_nobody_out_while_the_old_one_is_a_fallback(
    client, user, jwt_settings, three, as_public
):
    ec_key, rsa_key = three["ES256"], three["RS256"]
    configure(jwt_settings, pem(rsa_key), "RS256")
    old = client.tokens(user)
    fallback = public_pem(rsa_key) if as_public else pem(rsa_key)
    own = configure(jwt_settings, pem(ec_key), "ES256", [fallback])
    assert client.get_me(old["access_token"]).status_code == 200
    new = client.refresh(old["refresh_token"]).json()
    assert header(new["access_token"])["kid"] == own.signing.kid
    assert header(new["access_token"])["alg"] == "ES256"
    assert client.get_me(new["access_token"]).status_code == 200


def test_a_key_that_is_gone_verifies_nothing_and_refresh_goes_on(client, user, jwt_settings, ec_key, rsa_key):
    configure(jwt_settings, pem(rsa_key), "RS256")
    old = client.tokens(user)
    configure(jwt_settings, pem(ec_key), "ES256")
    assert client.get_me(old["access_token"]).json()["code"] == "invalid_token"
    new = client.refresh(old["refresh_token"]).json()
    assert client.get_me(new["access_token"]).status_code == 200


def test_secret_key_fallbacks_keep_everybody_signed_in(client, user, settings):
    old = client.tokens(user)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key, long enough for the checks of Django"
    settings.SECRET_KEY_FALLBACKS = [former]
    assert client.get_me(old["access_token"]).status_code == 200
    new = client.refresh(old["refresh_token"]).json()
    assert header(new["access_token"])["kid"] != header(old["access_token"])["kid"]
    settings.SECRET_KEY_FALLBACKS = []
    assert client.is_dead(old)


def test_a_fallback_has_the_algorithm_that_fits_it(jwt_settings, ring, rsa_key, ec_key):
    fallbacks = [ring["ES384"], ring["ES512"], ring["Ed25519"], pem(rsa_key), oct_jwk(SECRET)]
    own = configure(jwt_settings, pem(ec_key), "ES256", fallbacks)
    assert {key.algorithm for key in own.verifying.values()} == {
        *("ES256", "ES384", "ES512", "Ed25519", "RS256", "HS256")
    }


@pytest.mark.parametrize(
    ("algorithm", "other"), [("PS384", "RS256"), ("EdDSA", "Ed25519"), ("HS512", "HS256"), ("ES256", "ES256")]
)
def test_a_fallback_of_the_kind_in_use_has_the_algorithm_in_use(jwt_settings, ring, algorithm, other):
    fallback = {"PS384": pem(rsa.generate_private_key(65537, 2048)), "EdDSA": ring["Ed25519"]}.get(algorithm)
    fallback = fallback or (oct_jwk(SECRET) if algorithm == "HS512" else pem(ec.generate_private_key(ec.SECP256R1())))
    own = configure(jwt_settings, ring[algorithm], algorithm, [fallback])
    assert {key.algorithm for key in own.verifying.values()} == {algorithm}


def test_a_fallback_may_name_its_algorithm(jwt_settings, ec_key, rsa_key):
    own = configure(jwt_settings, pem(ec_key), "ES256", [{**private_jwk(rsa_key), "alg": "PS512"}])
    assert {key.algorithm for key in own.verifying.values()} == {"ES256", "PS512"}


@pytest.mark.parametrize("alg", ["RSA-OAEP", "RS1", "RS", "none", "HS256", "rs256", "", 5, ["RS256"], {}])
def test_a_fallback_that_names_no_algorithm_of_its_kind_is_a_configuration_error(jwt_settings, ec_key, rsa_key, alg):
    problem = refusal(jwt_settings, pem(ec_key), "ES256", [{**private_jwk(rsa_key), "alg": alg}])
    assert problem.id in ("E010", "E011", "E012")
    assert "SIGNING_KEY_FALLBACKS[0]" in problem.message


def test_a_broken_fallback_is_named_by_its_place(jwt_settings, ec_key, rsa_key):
    problem = refusal(jwt_settings, pem(ec_key), "ES256", [pem(rsa_key), "nothing.pem"])
    assert "SIGNING_KEY_FALLBACKS[1]" in problem.message


def test_an_unknown_kid_has_no_key():
    own = configured.configured_keys()
    assert own.find(own.signing.kid) is own.signing
    for kid in (None, "", "nobody", own.signing.kid.lower()):
        with pytest.raises(UnknownKeyError):
            own.find(kid)
