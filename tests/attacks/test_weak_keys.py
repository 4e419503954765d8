"""
Weak public keys: for some of them anyone can forge a signature, with others each verification takes long.

Every way by which a key comes in refuses them, and a key that is in the database already verifies nothing.
"""

import json
import time
from unittest.mock import Mock

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.core.management import CommandError
from django.utils import timezone

from jwt_auth import clients, signing_keys
from jwt_auth.client import Signer
from jwt_auth.conf.issuers import trusted_issuers
from jwt_auth.exceptions import ConfigurationError, RegistrationError, UnknownKeyError
from jwt_auth.issuers.remote.jwks import RemoteKeys, jwks_source
from jwt_auth.jose import jwk, keys, public_keys, validation
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import ClientKey, SigningKey
from tests.support import forge
from tests.support.admin import client_url, signed_in
from tests.support.clients import Client
from tests.support.commands import run, type_in
from tests.support.http_endpoint import document, serving
from tests.support.keys import pem, private_jwk, public_pem
from tests.support.weak_keys import (
    SOUND,
    ed_jwk,
    ed_pem,
    forge_ed25519,
    good_keys,
    rsa_pem,
    spellings_of_small_order,
    weak_keys,
    weak_rsa,
)

ISSUER = "https://issuer.example"
ALGORITHMS = ["EdDSA", "RS256", "ES256"]
WEAK, GOOD = weak_keys(), good_keys()
SMALL_ORDER = spellings_of_small_order()


# Every way in


class Ways:
    """The ways by which a public key comes in. Each returns whether the key was accepted."""

    def __init__(self, request):
        self.get = request.getfixturevalue

    @property
    def boss(self):
        client = Client()
        return client.bearer(client.tokens(self.get("staff"))["access_token"])

    @property
    def registered(self):
        return clients.register("reports", self.get("user"))

    def fallback(self, key):
        """SIGNING_KEY_FALLBACKS"""
        self.get("jwt_settings")(**self.get("ec_settings"), SIGNING_KEY_FALLBACKS=[key])
        try:
            return bool(own_keys())
        except ConfigurationError as error:
            return self._refused(error.id in ("E010", "E011"))

    def trusted_issuer(self, key):
        """TRUSTED_ISSUERS KEYS"""
        self.get("jwt_settings")(TRUSTED_ISSUERS={ISSUER: {"KEYS": key, "ALGORITHMS": ALGORITHMS}})
        try:
            return bool(trusted_issuers())
        except ConfigurationError as error:
            return self._refused(error.id == "E081")

    def fetched(self, key):
        """the JWK Set of a trusted issuer"""
        self.get("settings").DEBUG = True
        other = jwk.dump_public(self.get("ec_key").public_key()) | {"kid": "good"}
        with serving(document({"keys": [{**key, "kid": "asked"}, other]})) as endpoint:
            known = RemoteKeys(jwks_source(endpoint.url), ALGORITHMS)
            assert known.find("good")
            try:
                return bool(known.find("asked"))
            except UnknownKeyError:
                return False

    def endpoint_to_register(self, key):
        body = {"client_name": "reports", "user": str(self.get("user").pk), "key": {"jwk": key}}
        return self._answer(self.boss.send("clients/", body))

    def endpoint_to_add(self, key):
        return self._answer(self.boss.send(f"clients/{self.registered.client_id}/keys/", {"jwk": key}))

    def endpoint_to_rotate(self, key):
        old = clients.add_public_key(self.registered, public_pem(self.get("ec_key"))).key
        path = f"clients/{old.client.client_id}/keys/{old.kid}/rotate/"
        return self._answer(self.boss.send(path, {"jwk": key}))

    def admin(self, key):
        form = {"name": "r", "user": str(self.get("user").pk), "kind": "public_key", "public_key": json.dumps(key)}
        answer = signed_in(self.get("staff")).post(client_url("add"), form)
        assert answer.status_code in (200, 302)
        return answer.status_code == 302

    def command(self, key):
        type_in(self.get("monkeypatch"), json.dumps(key))
        try:
            run("jwt_client", "add-key", self.registered.client_id, "--public-key=-")
        except CommandError as error:
            return self._refused("can't be used" in str(error))
        return True

    def function(self, key):
        try:
            clients.add_public_key(self.registered, key)
        except RegistrationError:
            return False
        return True

    def _refused(self, properly):
        assert properly
        return False

    def _answer(self, answer):
        assert answer.status_code in (201, 400)
        if answer.status_code == 400:
            assert answer.json()["code"] == "invalid_request"
        return answer.status_code == 201


WAYS = [name for name in vars(Ways) if not name.startswith("_") and name not in ("boss", "registered")]


@pytest.mark.django_db
@pytest.mark.sampled
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*WEAK, *GOOD])
def test_a_weak_key_comes_in_nowhere(request, name, way):
    accepted = getattr(Ways(request), way)(WEAK.get(name) or GOOD[name])
    assert accepted is (name in GOOD)
    if way not in ("fallback", "trusted_issuer", "fetched", "endpoint_to_rotate"):
        assert ClientKey.objects.count() == int(accepted)


@pytest.mark.parametrize("name", WEAK)
def test_no_key_is_made_of_it(name):
    with pytest.raises(ValueError):
        public_keys.read_one(WEAK[name], None)


@pytest.mark.parametrize("name", [*SMALL_ORDER, *weak_rsa()])
def test_a_pem_is_no_other_way_in(name):
    key = ed_pem(SMALL_ORDER[name]) if name in SMALL_ORDER else rsa_pem(*weak_rsa()[name])
    with pytest.raises(ValueError):
        public_keys.read_one(key, None)
    with pytest.raises(ValueError):
        public_keys.read_configured(key, ALGORITHMS)


def test_an_even_exponent_is_refused_even_if_the_library_reads_it():
    """`cryptography` 42 reads a PEM with one; newer versions refuse it first."""
    key = Mock(spec=rsa.RSAPublicKey)
    for exponent in (65538, 2**64 - 2):
        key.public_numbers.return_value = rsa.RSAPublicNumbers(exponent, SOUND)
        with pytest.raises(validation.WeakKeyError, match="even"):
            validation.check_public_key(key)
    key.public_numbers.return_value = rsa.RSAPublicNumbers(65537, SOUND)
    validation.check_public_key(key)  # the control


def test_the_nearest_keys_are_accepted(ed_key, rsa_key):
    for key in GOOD.values():
        assert public_keys.read_one(key, None)
    for private in (ed_key, rsa_key):
        assert public_keys.read_one(public_pem(private), None)


# Tokens that are forged without a private key


def claims_of(issuer):
    now = int(time.time())
    return {"iss": issuer, "sub": issuer, "aud": "jwt_auth", "iat": now, "exp": now + 60}


def add_by_sql(client, octets):
    """Write the key into the database as SQL does, without our checks; return its `kid`."""
    public = ed_jwk(octets)
    kid = jwk.thumbprint(public)
    ClientKey.objects.bulk_create(
        [ClientKey(client=client, kid=kid, algorithm="EdDSA", public_jwk=json.dumps(public), created_at=timezone.now())]
    )
    return kid


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["database", "memory"])
@pytest.mark.parametrize("octets", SMALL_ORDER.values(), ids=SMALL_ORDER)
def test_a_forged_token_of_a_client_whose_key_is_in_the_database_is_refused(
    client, user, jwt_settings, ed_key, log, octets, mode
):
    jwt_settings(REVOCATION=mode)
    row = clients.register("reports", user, "read")
    kid = add_by_sql(row, octets)
    raw = forge_ed25519(octets, {"alg": "EdDSA", "kid": kid, "typ": "JWT"}, claims_of(row.client_id))
    body, _, signature = raw.rpartition(".")
    # The control: by the arithmetic of the curve the signature is right.
    ed25519.Ed25519PublicKey.from_public_bytes(octets).verify(forge.unb64(signature), body.encode())
    answer = client.get_me(raw)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    (refused,) = [record for record in log() if record.event == "token_refused"]
    assert kid in refused.reason


@pytest.mark.django_db
@pytest.mark.parametrize("octets", SMALL_ORDER.values(), ids=SMALL_ORDER)
def test_a_forged_token_of_a_trusted_issuer_is_refused_and_its_other_keys_work(
    client, settings, jwt_settings, ec_key, log, octets
):
    settings.DEBUG = True
    weak, good = {**ed_jwk(octets), "kid": "weak"}, {**jwk.dump_public(ec_key.public_key()), "kid": "good"}
    with serving(document({"keys": [weak, good]})) as endpoint:
        jwt_settings(TRUSTED_ISSUERS={ISSUER: {"JWKS_URL": endpoint.url, "ALGORITHMS": ALGORITHMS}})
        raw = forge_ed25519(octets, {"alg": "EdDSA", "kid": "weak", "typ": "at+jwt"}, claims_of(ISSUER))
        assert client.get_me(raw).status_code == 401
        sound = jwt.encode(claims_of(ISSUER), ec_key, "ES256", headers={"kid": "good", "typ": "at+jwt"})
        assert client.get_me(sound).status_code == 200
    (record,) = [record for record in log() if record.event == "key_left_out"]
    assert (record.kid, record.levelname) == ("weak", "ERROR")
    assert endpoint.url in record.getMessage()
    assert "Ed25519" in record.reason


@pytest.mark.django_db
def test_a_forged_token_of_our_own_key_in_the_database_is_refused(client, user, jwt_settings, log):
    jwt_settings(KEYS="database", ALGORITHM="EdDSA")
    signing_keys.create(activate=True)
    pair = client.tokens(user)
    octets = next(iter(SMALL_ORDER.values()))
    kid = jwk.thumbprint(ed_jwk(octets))
    now = timezone.now()
    SigningKey.objects.bulk_create(
        [
            SigningKey(
                kid=kid,
                algorithm="EdDSA",
                public_jwk=json.dumps(ed_jwk(octets)),
                state="retiring",
                retired_at=now,
                changed_at=now,
            )
        ]
    )
    raw = forge_ed25519(octets, {"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}, forge.claims_of(pair["access_token"]))
    signing_keys.stored.expire()
    assert client.get_me(raw).status_code == 401
    assert client.get_me(pair["access_token"]).status_code == 200  # the control
    assert kid not in {key["kid"] for key in client.get("/auth/.well-known/jwks.json").json()["keys"]}
    assert [record.kid for record in log() if record.event == "signing_key_unread"] == [kid]


# Private keys


@pytest.fixture(scope="module")
def private_key_of_exponent_3():
    return rsa.generate_private_key(3, 2048)


@pytest.mark.parametrize("form", [pem, private_jwk])
def test_a_private_key_whose_public_half_is_weak_signs_nothing(jwt_settings, private_key_of_exponent_3, rsa_key, form):
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=form(rsa_key))
    assert own_keys()
    jwt_settings(SIGNING_KEY=form(private_key_of_exponent_3))
    with pytest.raises(ConfigurationError):
        own_keys()


@pytest.mark.parametrize("form", [pem, private_jwk])
def test_nor_does_it_sign_for_a_client(private_key_of_exponent_3, rsa_key, form):
    names = {"client_id": "client_x", "kid": "one", "audience": "jwt_auth", "algorithm": "RS256"}
    assert Signer(key=form(rsa_key), **names).token()
    with pytest.raises(ValueError, match="exponent"):
        Signer(key=form(private_key_of_exponent_3), **names)


def of_two_keys(kind):
    """Return a private JWK whose public members belong to another key."""
    makers = {
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "EC": lambda: ec.generate_private_key(ec.SECP256R1()),
        "OKP": ed25519.Ed25519PrivateKey.generate,
    }
    one, other = private_jwk(makers[kind]()), private_jwk(makers[kind]())
    return one, {**one, **{name: other[name] for name in ("n", "e", "x", "y") if name in other}}


@pytest.mark.parametrize("kind", ["RSA", "EC", "OKP"])
def test_a_private_jwk_of_two_keys_is_refused(kind):
    good, mixed = of_two_keys(kind)
    assert jwk.load(good)
    with pytest.raises(ValueError):
        jwk.load(mixed)


@pytest.mark.parametrize("change", [{"oth": [{"r": "Aw", "d": "Aw", "t": "Aw"}]}, {"p": "Aw"}, {"q": "BQ"}], ids=str)
def test_a_private_rsa_jwk_with_other_factors_is_refused(rsa_key, change):
    document = private_jwk(rsa_key)
    assert jwk.load(document)
    assert jwk.load({name: document[name] for name in ("kty", "n", "e", "d")})
    with pytest.raises(ValueError):
        jwk.load({**document, **change})


# The time that a key takes


LONG = {
    "a modulus of 100,000 digits": {"kty": "RSA", "n": "_" * 55_000, "e": "AQAB"},
    "an exponent of 100,000 digits": {"kty": "RSA", "n": GOOD["RSA"]["n"], "e": "_" * 55_000},
    "a point of a megabyte": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 2**20},
    "a PEM of a megabyte": f"-----BEGIN PUBLIC KEY-----\n{'A' * 2**20}\n-----END PUBLIC KEY-----\n",
    "JSON of a megabyte": json.dumps({**GOOD["RSA"], "x5c": ["A" * 2**20]}),
}


@pytest.mark.parametrize("name", LONG)
def test_the_length_is_checked_before_a_key_is_read(monkeypatch, name):
    monkeypatch.setattr("jwt_auth.jose.jwk.base64url_decode", short(jwk.base64url_decode))
    monkeypatch.setattr(keys, "load_pem_public_key", short(keys.load_pem_public_key))
    monkeypatch.setattr(public_keys, "json_object", short(public_keys.json_object))
    with pytest.raises(ValueError, match="longer than"):
        public_keys.read_one(LONG[name], None)
    assert public_keys.read_one(json.dumps(GOOD["RSA"]), None)  # the control


def short(read):
    def check(text, *arguments):
        assert len(text) <= 10_000
        return read(text, *arguments)

    return check


@pytest.mark.django_db
def test_a_key_in_the_database_is_read_with_the_query_of_the_request(client, count, user, ed_key):
    """The rule needs no query of its own."""
    row = clients.register("reports", user, "read")
    kid = add_by_sql(row, ed_key.public_key().public_bytes_raw())
    raw = jwt.encode(claims_of(row.client_id), ed_key, "EdDSA", headers={"kid": kid})
    assert client.get_me(raw).status_code == 200
    assert count(client.get_me, raw)[0] == 1
