"""Signed tokens: written, parsed and verified."""

import ast
import hmac
import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.api_jws import PyJWS

import jwt_auth
from jwt_auth.claims import Policy
from jwt_auth.exceptions import (
    ConfigurationError,
    InvalidClaimError,
    InvalidSignatureError,
    InvalidTokenError,
    MalformedTokenError,
    UnknownKeyError,
)
from jwt_auth.jose import tokens
from jwt_auth.jose.encoding import base64url_decode, base64url_encode
from jwt_auth.jose.keys import Key, make_key
from jwt_auth.keyring.stored import own_keys

CLAIMS = {"iss": "jwt_auth", "aud": "jwt_auth", "sub": "1", "iat": 1779021015, "exp": 1779021075}
POLICY = Policy(
    types=frozenset({"at+jwt"}),
    audiences=frozenset({"jwt_auth"}),
    max_lifetime=timedelta(1),
    leeway=timedelta(0),
    required=(),
    default_scope=None,
)


@pytest.fixture
def key():
    return make_key(bytes(range(64)), "HS256")


def forge(payload, key, **header):
    """Return a token over any bytes, signed with the right key whatever its header says."""
    algorithm = header.pop("algorithm", key.algorithm)
    return PyJWS().encode(payload, key.signing, algorithm, headers={"typ": "at+jwt", "kid": key.kid, **header})


def assembled(header, payload=b"{}", signature=b"x"):
    """Return three segments of any bytes, without a signature."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return ".".join(base64url_encode(part) for part in (header, payload, signature))


def signed_although(header, payload, key):
    """Return a token that HS256 has signed, whatever its header says."""
    text, _, _ = assembled(header, payload).rpartition(".")
    return f"{text}.{base64url_encode(hmac.digest(key.signing, text.encode(), 'sha256'))}"


def verify(raw, key, policy=POLICY):
    return tokens.verify_signature(tokens.peek_unverified(raw), key, policy)


def good(key):
    return tokens.encode(CLAIMS, key, "at+jwt")


# Writing


def test_what_was_signed_is_read_back(key):
    claims = verify(good(key), key)
    assert claims.as_dict() == CLAIMS
    assert claims.all == CLAIMS


def test_a_key_that_only_verifies_signs_nothing(ec_key):
    private, public = make_key(ec_key, "ES256"), make_key(ec_key.public_key(), "ES256")
    assert verify(good(private), public)
    with pytest.raises(UnknownKeyError):
        good(public)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", object()])
def test_claims_that_are_no_json_are_our_own_fault(key, value):
    with pytest.raises(ConfigurationError, match="E017"):
        tokens.encode({**CLAIMS, "private": value}, key, "at+jwt")


def test_a_token_too_long_to_be_read_again_is_not_written(key):
    room = tokens.MAX_LENGTH - len(tokens.encode({**CLAIMS, "private": ""}, key, "at+jwt"))
    longest = tokens.encode({**CLAIMS, "private": "a" * (room // 4 * 3)}, key, "at+jwt")
    assert tokens.MAX_LENGTH - 4 <= len(longest) <= tokens.MAX_LENGTH
    assert verify(longest, key)
    with pytest.raises(ConfigurationError, match="E018"):
        tokens.encode({**CLAIMS, "private": "a" * (room // 4 * 3 + 4)}, key, "at+jwt")


# Parsing


def test_peeking_believes_nothing_and_tells_what_is_needed_to_choose_a_key():
    token = tokens.peek_unverified(assembled({"alg": "HS256", "kid": "a", "typ": "JWT"}, b'{"iss": "me"}'))
    assert (token.algorithm, token.kid, token.typ, token.issuer) == ("HS256", "a", "JWT", "me")
    assert token.raw not in repr(token)


@pytest.mark.parametrize("issuer", [b"{}", b'{"iss": 1}', b'{"iss": null}', b'{"iss": ["me"]}'])
def test_an_issuer_that_is_no_string_is_none(issuer):
    assert tokens.peek_unverified(assembled({"alg": "HS256"}, issuer)).issuer is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: "", id="nothing"),
        pytest.param(lambda raw: "..", id="three empty segments"),
        pytest.param(lambda raw: raw.rpartition(".")[0], id="two segments"),
        pytest.param(lambda raw: raw.rpartition(".")[0] + ".", id="no signature"),
        pytest.param(lambda raw: f"{raw}.", id="four segments"),
        pytest.param(lambda raw: f"{raw}.a.b", id="five segments"),
        pytest.param(lambda raw: f"{raw}=", id="padding"),
        pytest.param(lambda raw: f" {raw}", id="a space before"),
        pytest.param(lambda raw: f"{raw}\n", id="a line feed after"),
        pytest.param(lambda raw: f"{raw}\x00", id="a NUL"),
        pytest.param(lambda raw: raw.replace(".", "\u2024"), id="another dot"),
        pytest.param(lambda raw: raw + "A" * tokens.MAX_LENGTH, id="too long"),
        pytest.param(lambda raw: "." * 100_000, id="dots"),
        pytest.param(lambda raw: json.dumps({"payload": "e30", "signature": "eA"}), id="JSON form"),
        pytest.param(lambda raw: raw[:-1] + chr(ord(raw[-1]) + 1), id="stray bits in the signature"),
    ],
)
def test_only_three_segments_of_canonical_base64url_are_a_token(key, change):
    raw = good(key)
    assert tokens.peek_unverified(raw)
    with pytest.raises(MalformedTokenError):
        tokens.peek_unverified(change(raw))


NO_OBJECTS = [b"[]", b"null", b'"a"', b"1", b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"a": NaN}', b"[" * 2000]


@pytest.mark.parametrize("document", [*NO_OBJECTS, b'{"alg": "HS256", "alg": "HS256"}'])
def test_header_and_claims_are_strict_json_objects(document):
    assert tokens.peek_unverified(assembled({"alg": "HS256"}, b"{}"))
    for raw in (assembled(document), assembled({"alg": "HS256"}, document)):
        with pytest.raises(MalformedTokenError):
            tokens.peek_unverified(raw)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": None},
        {"alg": 1},
        {"alg": ["HS256"]},
        {"alg": {}},
        {"kid": 1},
        {"kid": ["a"]},
        {"kid": {}},
        {"kid": ""},
        {"kid": "a b"},
        {"kid": "a\x00"},
        {"kid": "\u00e9"},
        {"kid": "a" * 256},
        {"typ": 1},
        {"typ": ["at+jwt"]},
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": None},
        {"b64": False},
        {"b64": True},
    ],
)
def test_header_parameters_have_their_types_and_none_is_critical(header):
    assert tokens.peek_unverified(assembled({"alg": "HS256", "kid": "a", "typ": "at+jwt"}))
    with pytest.raises(MalformedTokenError):
        tokens.peek_unverified(assembled({"alg": "HS256", **header}))


def test_a_header_without_alg_is_malformed():
    with pytest.raises(MalformedTokenError, match="alg"):
        tokens.peek_unverified(assembled({"typ": "at+jwt"}))


# Verifying


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_the_type_may_be_a_whole_media_type_in_any_case(key, typ):
    assert verify(forge(json.dumps(CLAIMS).encode(), key, typ=typ), key)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt ", "application/application/at+jwt", "refresh+jwt", ""])
def test_a_token_of_another_type_is_refused(key, typ):
    with pytest.raises(InvalidTokenError, match="typ"):
        verify(forge(json.dumps(CLAIMS).encode(), key, typ=typ), key)


def test_a_token_without_type_is_refused_unless_the_policy_says_so(key):
    raw = PyJWS().encode(json.dumps(CLAIMS).encode(), key.signing, "HS256", headers={"typ": None})
    assert "typ" not in json.loads(base64url_decode(raw.split(".")[0]))
    with pytest.raises(InvalidTokenError, match="typ"):
        verify(raw, key)
    untyped = Policy(
        types=frozenset({None}), audiences=frozenset(), max_lifetime=timedelta(1), leeway=timedelta(0), required=()
    )
    assert verify(raw, key, untyped)


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "hs256", "HS256 ", "HS384", "HS512", "RS256", ""])
def test_the_algorithm_is_the_key_s_and_no_other(key, algorithm):
    """The key has signed it, by its own algorithm; the header names another one."""
    payload = json.dumps(CLAIMS).encode()
    assert verify(signed_although({"typ": "at+jwt", "alg": "HS256"}, payload, key), key)
    with pytest.raises(InvalidSignatureError, match="alg"):
        verify(signed_although({"typ": "at+jwt", "alg": algorithm}, payload, key), key)


def test_a_signature_with_the_secret_but_another_algorithm_is_refused(key):
    with pytest.raises(InvalidSignatureError):
        verify(forge(json.dumps(CLAIMS).encode(), key, algorithm="HS512"), key)


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_one_changed_octet_breaks_the_signature(key, segment):
    parts = good(key).split(".")
    octets = bytearray(base64url_decode(parts[segment]))
    place = octets.rfind(b"at+jwt"[0:1]) if segment == 0 else octets.rfind(b"5") if segment == 1 else 0
    octets[place] ^= 1
    parts[segment] = base64url_encode(bytes(octets))
    with pytest.raises(InvalidTokenError):
        verify(".".join(parts), key)


def test_a_key_of_another_holder_is_refused(key, ec_key, rsa_key):
    for other in (make_key(bytes(64), "HS256"), make_key(ec_key, "ES256"), make_key(rsa_key, "PS256")):
        assert verify(good(other), other)
        with pytest.raises(InvalidSignatureError):
            verify(good(other), key)
        with pytest.raises(InvalidSignatureError):
            verify(good(key), other)


def test_an_ecdsa_signature_in_der_is_refused(ec_key):
    key = make_key(ec_key, "ES256")
    signed, _, signature = good(key).rpartition(".")
    octets = base64url_decode(signature)
    der = encode_dss_signature(int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))
    assert decode_dss_signature(der)
    with pytest.raises(InvalidSignatureError):
        verify(f"{signed}.{base64url_encode(der)}", key)


def test_claims_are_only_judged_after_the_signature(key):
    payload = json.dumps({**CLAIMS, "exp": "never"}).encode()
    with pytest.raises(InvalidClaimError):
        verify(forge(payload, key), key)
    with pytest.raises(InvalidSignatureError):
        verify(forge(payload, make_key(bytes(64), "HS256"), kid=key.kid), key)


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"jwk": {"kty": "oct", "k": base64url_encode(bytes(64))}},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
    ],
)
def test_a_header_supplies_no_trust(client, user, header):
    own = own_keys().signing
    raw = client.tokens(user)["access_token"]
    payload = base64url_decode(raw.split(".")[1])
    assert client.get_me(forge(payload, own)).status_code == 200
    attacker = make_key(bytes(64), "HS256")
    assert client.get_me(forge(payload, attacker, **{"kid": own.kid, **header})).status_code == 401


def test_no_secret_is_a_public_key_in_disguise_or_too_short(rsa_key):
    """Keys are checked where they are made; a key that is made in another way verifies no token."""
    public = rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for secret in (public, b"short"):
        bad = Key(kid="bad", algorithm="HS256", verifying=secret, signing=None)
        raw = signed_by_hand(secret)
        with pytest.raises(InvalidSignatureError):
            verify(raw, bad)
    control = bytes(range(64))
    assert verify(signed_by_hand(control), Key(kid="bad", algorithm="HS256", verifying=control, signing=None))


def signed_by_hand(secret):
    signed = ".".join(
        base64url_encode(json.dumps(part).encode())
        for part in ({"alg": "HS256", "kid": "bad", "typ": "at+jwt"}, CLAIMS)
    )
    return f"{signed}.{base64url_encode(hmac.digest(secret, signed.encode(), 'sha256'))}"


def test_on_a_server_only_this_module_imports_pyjwt():
    package, importers = Path(jwt_auth.__file__).parent, set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            importers |= {path.relative_to(package).as_posix() for name in names if name.split(".")[0] == "jwt"}
    assert importers == {"jose/tokens.py", "client/signer.py"}  # the latter runs elsewhere, and only signs
