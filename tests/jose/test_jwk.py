"""JSON Web Keys, read and written; PyJWT's own writer is the second opinion."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from jwt_auth.jose import jwk
from tests.support.keys import RFC7638_KEY, private_jwk

RFC8037_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}


@pytest.fixture(scope="module")
def keys(rsa_key, ec_key, ed_key):
    return {
        "RSA": rsa_key,
        "P-256": ec_key,
        "P-384": ec.generate_private_key(ec.SECP384R1()),
        "P-521": ec.generate_private_key(ec.SECP521R1()),
        "Ed25519": ed_key,
    }


KINDS = ["RSA", "P-256", "P-384", "P-521", "Ed25519"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_private_key_is_read_and_shows_its_public_members_only(keys, kind):
    written = private_jwk(keys[kind])
    loaded = jwk.load(written)
    assert type(loaded) is type(keys[kind])
    assert loaded.private_numbers() == keys[kind].private_numbers() if kind != "Ed25519" else True
    public = jwk.dump_public(loaded.public_key())
    assert not set(public) & {"d", "p", "q", "dp", "dq", "qi", "k"}
    assert public == {name: written[name] for name in public}


@pytest.mark.parametrize("kind", KINDS)
def test_a_public_key_is_read_as_one(keys, kind):
    public = jwk.dump_public(keys[kind].public_key())
    loaded = jwk.load(public)
    assert not hasattr(loaded, "sign")
    assert jwk.dump_public(loaded) == public


@pytest.mark.parametrize("kind", KINDS)
def test_a_private_key_is_written_with_all_its_members(keys, kind):
    written = private_jwk(keys[kind])
    written.pop("key_ops", None)
    assert jwk.dump_private(keys[kind]) == written


@pytest.mark.parametrize(
    ("kind", "member", "size"),
    [
        ("P-256", "x", 32),
        ("P-384", "y", 48),
        ("P-521", "d", 66),
        ("Ed25519", "x", 32),
        ("Ed25519", "d", 32),
    ],
)
def test_a_member_has_as_many_octets_as_its_curve_says(keys, kind, member, size):
    whole = jwk.dump_private(keys[kind])
    assert jwk.load(whole)
    with pytest.raises(ValueError, match=f'"{member}" must have {size} octets'):
        jwk.load({**whole, member: "AA" + whole[member] + "AA"})


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521"])
def test_coordinates_keep_their_leading_zeros(kind):
    curve, size = jwk.CURVES[kind]
    key = ec.derive_private_key(1, curve)
    while key.public_key().public_numbers().x.bit_length() > 8 * size - 8:
        key = ec.derive_private_key(key.private_numbers().private_value + 1, curve)
    public = jwk.dump_public(key.public_key())
    assert len(public["x"]) == len(public["y"]) == -(-size * 4 // 3)
    assert jwk.load(public).public_numbers() == key.public_key().public_numbers()


def test_a_secret_is_its_octets():
    assert jwk.load({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMko"}).hex().startswith("0323354b2b0fa5bc")
    with pytest.raises(ValueError, match='"k" is missing'):
        jwk.load({"kty": "oct", "k": ""})


def test_thumbprints_are_those_of_the_rfcs():
    assert jwk.thumbprint(RFC7638_KEY) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert jwk.thumbprint(RFC8037_KEY) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_thumbprint_hashes_the_required_members_alone():
    public = jwk.dump_public(jwk.load(RFC7638_KEY))
    assert jwk.thumbprint(public) == jwk.thumbprint(RFC7638_KEY)
    assert jwk.thumbprint({**public, "e": "Aw"}) != jwk.thumbprint(public)


def test_the_key_of_rfc_8037_is_read():
    assert isinstance(jwk.load(RFC8037_KEY), ed25519.Ed25519PrivateKey)


@pytest.mark.parametrize("members", [{"use": "sig"}, {"key_ops": ["sign"]}, {"key_ops": ["verify", "sign"]}])
def test_a_key_for_signatures_may_say_so(members):
    assert jwk.load({**RFC8037_KEY, **members})


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"use": None},
        {"use": ["sig"]},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"key_ops": "sign"},
        {"key_ops": None},
        {"key_ops": [["sign"], {"a": 1}]},
    ],
)
def test_a_key_for_another_use_is_refused(members):
    with pytest.raises(ValueError, match=r'"use"|"key_ops"'):
        jwk.load({**RFC8037_KEY, **members})


@pytest.mark.parametrize("kty", ["okp", "rsa", "AKP", "", None, 1, ["OKP"]])
def test_a_key_of_unknown_type_is_refused(kty):
    with pytest.raises(ValueError, match="kty"):
        jwk.load({**RFC8037_KEY, "kty": kty})


BROKEN = [
    ("RSA", {"n": ""}),
    ("RSA", {"n": "!"}),
    ("RSA", {"n": None}),
    ("RSA", {"e": "AA"}),
    ("RSA", {"e": "Ag"}),
    ("RSA", {"n": "AA"}),
    ("RSA", {"d": "Aw"}),
    ("RSA", {"d": 3}),
    ("P-256", {"crv": "P-384"}),
    ("P-256", {"crv": "secp256k1"}),
    ("P-256", {"crv": ""}),
    ("P-256", {"x": "AAAA"}),
    ("P-256", {"y": "A" * 43}),
    ("P-256", {"d": "A" * 43}),
    ("P-256", {"d": "__________________________________________8"}),
    ("P-521", {"crv": "P-256"}),
    ("Ed25519", {"crv": "Ed448"}),
    ("Ed25519", {"crv": "X25519"}),
    ("Ed25519", {"x": "AAAA"}),
    ("Ed25519", {"d": "AAAA"}),
    ("Ed25519", {"d": "A" * 43}),
]


@pytest.mark.parametrize(("kind", "change"), BROKEN)
def test_a_broken_key_is_a_value_error(keys, kind, change):
    whole = private_jwk(keys[kind])
    assert jwk.load(whole)
    with pytest.raises(ValueError, match=r"."):
        jwk.load({**whole, **change})


@pytest.mark.parametrize(("kind", "name"), [("RSA", "n"), ("RSA", "e"), ("P-256", "x"), ("P-256", "y")])
def test_a_missing_member_is_named(keys, kind, name):
    with pytest.raises(ValueError, match=f'"{name}" is missing'):
        jwk.load({k: v for k, v in private_jwk(keys[kind]).items() if k != name})


@pytest.mark.parametrize("kind", KINDS)
def test_the_private_half_of_another_key_is_refused(keys, kind):
    other = {
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
    }.get(kind, lambda: ec.generate_private_key(keys[kind].curve))()
    with pytest.raises(ValueError, match=r"."):
        jwk.load({**private_jwk(keys[kind]), "d": private_jwk(other)["d"]})


@pytest.mark.parametrize("member", ["k", "n", "x"])
def test_base64_with_padding_is_not_a_member(member):
    padded = {"k": {"kty": "oct", "k": "QQ=="}, "n": {**RFC7638_KEY, "n": "QQ=="}, "x": {**RFC8037_KEY, "x": "QQ=="}}
    with pytest.raises(ValueError, match="base64url"):
        jwk.load(padded[member])
