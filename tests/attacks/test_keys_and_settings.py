"""Keys and settings: how an attacker could abuse them, and how an administrator could get them wrong."""

import hmac
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

from jwt_auth.conf import get_settings  # bound by value on purpose: override_settings must reach it
from jwt_auth.keyring.stored import own_keys
from tests.support import forge
from tests.support.keys import pem, public_pem

OLD, NEW = "an old secret key, " * 4, "a new secret key, " * 4


def problems():
    return {message.id: message for message in run_checks() if message.id.startswith("jwt_auth.E")}


@pytest.fixture
def secret_keys(settings):
    def change(key, *fallbacks):
        settings.SECRET_KEY = key
        settings.SECRET_KEY_FALLBACKS = list(fallbacks)

    return change


# Rotation of SECRET_KEY.


def test_a_token_of_our_own_names_its_key_and_verifies(client, pair):
    """With JWK_URL, simplejwt signed without a kid, and could never verify its own tokens."""
    assert forge.header_of(pair["access_token"])["kid"] == own_keys().signing.kid
    assert client.get_me(pair["access_token"]).status_code == 200


def test_a_new_secret_key_with_the_old_one_as_its_fallback_signs_nobody_out(client, user, clock, secret_keys):
    secret_keys(OLD)
    pair = client.tokens(user)
    secret_keys(NEW, OLD)
    assert client.get_me(pair["access_token"]).status_code == 200
    fresh = client.refresh(pair["refresh_token"])
    assert fresh.status_code == 200
    old_kid, new_kid = (forge.header_of(p["access_token"])["kid"] for p in (pair, fresh.json()))
    assert old_kid != new_kid  # the control: the new key signs


def test_a_session_used_during_the_rotation_outlives_the_fallback(client, user, clock, secret_keys):
    """Sessions of Django do so too: the first use under the new key moves the session to it."""
    secret_keys(OLD)
    pair = client.tokens(user)
    secret_keys(NEW, OLD)
    fresh = client.refresh(pair["refresh_token"]).json()
    secret_keys(NEW)
    assert client.get_me(fresh["access_token"]).status_code == 200
    assert client.refresh(fresh["refresh_token"]).status_code == 200


def test_a_secret_key_that_is_gone_takes_its_tokens_with_it(client, user, clock, secret_keys):
    secret_keys(OLD)
    pair = client.tokens(user)
    secret_keys(NEW)
    assert client.is_dead(pair)
    assert client.login(user).status_code == 200
    secret_keys(OLD)
    assert not client.is_dead(pair)  # the control


def test_a_fallback_verifies_and_does_not_sign(client, user, clock, secret_keys):
    secret_keys(NEW, OLD)
    pair = client.tokens(user)
    secret_keys(NEW)
    assert not client.is_dead(pair)


def test_secret_key_itself_signs_nothing(client, pair):
    body = pair["access_token"].rpartition(".")[0]
    signature = hmac.digest(settings.SECRET_KEY.encode(), body.encode(), "sha256")
    assert forge.b64(signature) != pair["access_token"].rpartition(".")[2]
    header, claims = (forge.unb64(segment) for segment in body.split("."))
    assert client.get_me(forge.sign(header, claims, settings.SECRET_KEY.encode())).status_code == 401


# Confusion of keys and algorithms.


def spki(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


FORMS_OF_A_PUBLIC_KEY = {
    "PEM": lambda key: public_pem(key).encode(),
    "PEM without its last newline": lambda key: public_pem(key).strip().encode(),
    "PEM with CRLF": lambda key: public_pem(key).replace("\n", "\r\n").encode(),
    "DER": spki,
    "modulus": lambda key: key.public_key().public_numbers().n.to_bytes(256, "big"),
    "JWK": lambda key: json.dumps(own_keys().public_jwks()[0]).encode(),
    "nothing": lambda key: b"",
}


@pytest.mark.parametrize("form", FORMS_OF_A_PUBLIC_KEY.values(), ids=FORMS_OF_A_PUBLIC_KEY)
def test_a_token_signed_by_hs256_with_the_public_key_is_refused(client, user, jwt_settings, rsa_key, form):
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    raw = client.tokens(user)["access_token"]
    assert client.get_me(raw).status_code == 200
    header = forge.document(forge.header_of(raw), alg='"HS256"')
    assert client.get_me(forge.sign(header, forge.unb64(raw.split(".")[1]), form(rsa_key))).status_code == 401


def test_a_key_that_comes_with_the_token_is_not_believed(client, pair):
    secret = b"k" * 32
    jwk = json.dumps({"kty": "oct", "k": forge.b64(secret), "kid": "mine"})
    for parameters in ({"jwk": jwk}, {"jku": '"https://evil.example/jwks"'}, {"x5u": '"https://evil.example"'}):
        for kid in ({}, {"kid": '"mine"'}):
            header = forge.document(forge.header_of(pair["access_token"]), **parameters, **kid)
            raw = forge.sign(header, forge.unb64(pair["access_token"].split(".")[1]), secret)
            assert client.get_me(raw).status_code == 401


@pytest.mark.parametrize("secret", [b"", b"secret", b"\0" * 32, b"jwt_auth", b"None"])
def test_no_guessable_key_signs(client, pair, secret):
    header, claims = (forge.unb64(segment) for segment in pair["access_token"].split(".")[:2])
    assert client.get_me(forge.sign(header, claims, secret)).status_code == 401


# Findings of `manage.py check`. simplejwt reported none of these; signing in or using a token was a 500.


def test_the_settings_as_they_are_have_no_problem():
    assert problems() == {}


FAULTS = {
    "misspelt": ({"ACCES_TOKEN_LIFETIME": timedelta(minutes=1)}, "E002"),
    "in lower case": ({"issuer": "x"}, "E002"),
    "of another package": ({"SIGNING_KEYS": []}, "E002"),
    "of the abandoned package": ({"JWT_SECRET_KEY": "x"}, "E003"),
    "seconds for a timedelta": ({"ACCESS_TOKEN_LIFETIME": 300}, "E004"),
    "a lifetime of nothing": ({"ACCESS_TOKEN_LIFETIME": timedelta(0)}, "E004"),
    "leeway of an hour": ({"LEEWAY": timedelta(hours=1)}, "E004"),
    "algorithm none": ({"ALGORITHM": "none"}, "E004"),
    "algorithm in lower case": ({"ALGORITHM": "hs256"}, "E004"),
    "no issuer": ({"ISSUER": ""}, "E004"),
    "no rate": ({"LOGIN_THROTTLE": None}, "E004"),
    "a rate of nothing": ({"LOGIN_THROTTLE": "0/min"}, "E004"),
    "RS256 without a key": ({"ALGORITHM": "RS256"}, "E007"),
    "fallbacks without a key": ({"SIGNING_KEY_FALLBACKS": ["x"]}, "E008"),
    "no PEM": ({"ALGORITHM": "RS256", "SIGNING_KEY": "-----BEGIN PRIVATE KEY-----\nAAAA\n"}, "E010"),
    "no such file": ({"ALGORITHM": "RS256", "SIGNING_KEY": "/nowhere/key.pem"}, "E010"),
    "a short text as a key": ({"SIGNING_KEY": "secret"}, "E010"),
    "no JWK": ({"SIGNING_KEY": {"kty": "oct"}}, "E010"),
    "a short secret": ({"SIGNING_KEY": {"kty": "oct", "k": forge.b64(b"\xfe" * 31)}}, "E011"),
    "a text as a secret": ({"SIGNING_KEY": {"kty": "oct", "k": forge.b64(b"s3cret" * 8)}}, "E014"),
}


@pytest.mark.parametrize(("values", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_setting_fails_the_check_with_a_hint(jwt_settings, values, expected):
    jwt_settings(**values)
    assert set(problems()) == {f"jwt_auth.{expected}"}
    assert all(message.hint for message in problems().values())


def test_a_misspelt_setting_is_told_its_right_name(jwt_settings):
    jwt_settings(ACCES_TOKEN_LIFETIME=timedelta(minutes=1))
    assert "ACCESS_TOKEN_LIFETIME" in problems()["jwt_auth.E002"].hint


def test_a_key_that_does_not_fit_fails_the_check(jwt_settings, rsa_key, ec_key):
    small = rsa.generate_private_key(65537, 1024)
    cases = [
        ("RS256", pem(small), "E011"),
        ("ES256", pem(rsa_key), "E011"),
        ("RS256", pem(ec_key), "E011"),
        ("ES384", pem(ec_key), "E011"),
        ("HS256", public_pem(rsa_key), "E011"),
        ("RS256", public_pem(rsa_key), "E013"),
    ]
    for algorithm, key, expected in cases:
        jwt_settings(ALGORITHM=algorithm, SIGNING_KEY=key)
        found = problems()
        assert set(found) == {f"jwt_auth.{expected}"}, (algorithm, found)
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    assert problems() == {}


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1(), ec.SECP224R1()], ids=lambda curve: curve.name)
def test_a_key_on_a_curve_that_no_algorithm_has_fails_the_check(jwt_settings, curve):
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec.generate_private_key(curve)))
    assert set(problems()) <= {"jwt_auth.E010", "jwt_auth.E011"}
    assert problems()


def test_a_check_never_prints_a_key(jwt_settings):
    for key in ("hunter2", {"kty": "oct", "k": "aHVudGVyMg"}, ["hunter2"], b"hunter2" * 6, 1):
        jwt_settings(SIGNING_KEY=key)
        text = " ".join(str(message) + str(message.hint) for message in problems().values())
        assert text
        assert "aHVudGVyMg" not in text
        assert "hunter2hunter2" not in text


# Settings that change while the process runs.


def test_override_settings_reaches_what_was_imported_before(client, user, clock):
    assert client.tokens(user)["expires_in"] > 60
    before = get_settings()
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "ACCESS_TOKEN_LIFETIME": timedelta(seconds=10)}):
        assert get_settings().ACCESS_TOKEN_LIFETIME.total_seconds() == 10
        assert client.tokens(user)["expires_in"] <= 10
    assert get_settings() == before
    assert client.tokens(user)["expires_in"] > 60
