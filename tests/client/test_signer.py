"""The tokens that a client signs, how long it reuses each, and what it keeps secret."""

import copy
import json
import subprocess
import sys
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from jwt.algorithms import RSAAlgorithm

from jwt_auth.jose import jwk
from tests.support.clocks import NOW
from tests.support.keys import pem, public_pem
from tests.support.signers import GIVEN, SECRET

URL = "https://API.example.com:443/notes/?page=2#top"


def read(token, key=SECRET, algorithm="HS256"):
    """Return the claims of a token, whose signature must be right."""
    return jwt.decode(token, key, [algorithm], audience=GIVEN["audience"], options={"verify_exp": False})


def secret_jwk(secret=SECRET):
    return {"kty": "oct", "k": urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()}


def test_a_token_is_what_rfc_7523_asks_for(make_signer):
    token = make_signer().token()
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "key-1", "typ": "client-authentication+jwt"}
    claims = read(token)
    jti = claims.pop("jti")
    now = int(NOW.timestamp())
    assert claims == {
        "iss": "client_reports",
        "sub": "client_reports",
        "aud": "https://api.example.com",
        "iat": now,
        "exp": now + 60,
    }
    assert len(jti) == 22


def test_a_token_is_narrowed_to_the_scopes_that_the_signer_was_given(make_signer):
    assert read(make_signer(scope="notes reports:read").token())["scope"] == "notes reports:read"


# The key


def encrypted(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))


@pytest.mark.parametrize(
    "source",
    [
        lambda path: SECRET,
        lambda path: SECRET.encode(),
        lambda path: secret_jwk(),
        lambda path: json.dumps(secret_jwk()),
        lambda path: path.write_text(SECRET + "\n") and path,
        lambda path: path.write_text(json.dumps(secret_jwk())) and path,
    ],
    ids=["text", "bytes", "JWK", "JWK as text", "file", "file with a JWK"],
)
def test_a_secret_is_given_as_text_as_a_jwk_or_in_a_file(make_signer, tmp_path, source):
    assert read(make_signer(key=source(tmp_path / "secret")).token())


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_an_rsa_key_signs(make_signer, rsa_key, algorithm):
    assert read(make_signer(key=pem(rsa_key), algorithm=algorithm).token(), rsa_key.public_key(), algorithm)


@pytest.mark.parametrize(("algorithm", "curve"), [("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521")])
def test_a_key_on_its_curve_signs_and_one_on_another_does_not(make_signer, algorithm, curve):
    key = ec.generate_private_key(jwk.CURVES[curve][0])
    assert read(make_signer(key=pem(key), algorithm=algorithm).token(), key.public_key(), algorithm)
    other = ec.generate_private_key(jwk.CURVES["P-521" if curve == "P-384" else "P-384"][0])
    with pytest.raises(ValueError, match=f"can't be used with {algorithm}"):
        make_signer(key=pem(other), algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519"])
def test_an_ed25519_key_signs_under_both_names(make_signer, ed_key, tmp_path, algorithm):
    (tmp_path / "key.pem").write_text(pem(ed_key))
    token = make_signer(key=tmp_path / "key.pem", algorithm=algorithm).token()
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    header, claims, signature = token.split(".")
    ed_key.public_key().verify(jwt.utils.base64url_decode(signature), f"{header}.{claims}".encode())


def test_a_private_jwk_signs(make_signer, rsa_key):
    private = RSAAlgorithm.to_jwk(rsa_key, as_dict=True)
    assert read(make_signer(key=private, algorithm="RS256").token(), rsa_key.public_key(), "RS256")


UNFIT = {
    "a short secret": lambda key: {"key": "short"},
    "no secret": lambda key: {"key": ""},
    "a secret for a key pair's algorithm": lambda key: {"key": SECRET, "algorithm": "RS256"},
    "a key pair for a secret's algorithm": lambda key: {"key": pem(key)},
    "a public key": lambda key: {"key": public_pem(key), "algorithm": "RS256"},
    "a public JWK": lambda key: {"key": jwk.dump_public(key.public_key()), "algorithm": "RS256"},
    "another algorithm's key": lambda key: {"key": pem(key), "algorithm": "ES256"},
    "a short RSA key": lambda key: {"key": pem(rsa.generate_private_key(65537, 1024)), "algorithm": "RS256"},
    "an algorithm that is none": lambda key: {"algorithm": "none"},
    "an unknown algorithm": lambda key: {"algorithm": "HS1"},
    "a broken PEM": lambda key: {"key": "-----BEGIN PRIVATE KEY-----", "algorithm": "RS256"},
    "an encrypted PEM": lambda key: {"key": encrypted(key), "algorithm": "RS256"},
    "a key of another kind": lambda key: {
        "key": pem(dsa.generate_private_key(1024)),
        "algorithm": "RS256",
    },
    "a broken JWK": lambda key: {"key": '{"kty": "oct"}'},
    "a lifetime above any server's": lambda key: {"lifetime": timedelta(seconds=3601)},
    "no lifetime": lambda key: {"lifetime": timedelta(0)},
}


@pytest.mark.parametrize("fault", UNFIT)
def test_what_can_not_work_is_found_at_start_and_quotes_no_key(make_signer, rsa_key, fault):
    changes = UNFIT[fault](rsa_key)
    with pytest.raises(ValueError) as caught:
        make_signer(**changes)
    assert not str(changes.get("key", "")) or str(changes["key"]) not in str(caught.value)
    assert caught.value.__cause__ is None or SECRET not in str(caught.value.__cause__)


def test_a_text_is_never_taken_for_a_path(make_signer, tmp_path):
    path = tmp_path / ("a-long-name-" * 4)
    path.write_text(SECRET)
    with pytest.raises(jwt.InvalidSignatureError):
        read(make_signer(key=str(path)).token())


def test_a_file_that_is_not_there_is_named(make_signer, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        make_signer(key=tmp_path / "missing")


def test_no_secret_is_shown(make_signer):
    signer = make_signer()
    token = signer.token()
    assert repr(signer) == "<Signer client_id='client_reports' kid='key-1' algorithm='HS256'>"
    assert token not in repr(signer._kept)


# One token for several requests


def test_reading_requests_share_a_token_until_nine_tenths_of_its_life_are_over(make_signer):
    signer = make_signer()
    first = signer.token("GET")
    signer.now.seconds += 53
    assert signer.token("GET") == signer.token("head") == signer.token("OPTIONS") == first
    signer.now.seconds += 1
    second = signer.token("GET")
    assert second != first
    assert read(second)["exp"] == read(first)["exp"] + 54


def test_a_request_that_changes_something_has_a_token_of_its_own(make_signer):
    signer = make_signer()
    tokens = [signer.token(method) for method in ("GET", "POST", "POST", "PUT", "PATCH", "DELETE", "TRACE")]
    assert len({read(token)["jti"] for token in tokens}) == len(tokens)


@pytest.mark.parametrize(("reuse", "different"), [("always", 1), ("safe_methods", 3), ("never", 4)])
def test_the_caller_says_which_requests_may_share_a_token(make_signer, reuse, different):
    signer = make_signer(reuse=reuse)
    assert len({signer.token(method) for method in ("GET", "GET", "POST", "POST")}) == different


def test_a_clock_that_is_set_back_leaves_no_token_of_the_future_in_use(make_signer):
    signer = make_signer()
    signer.now.seconds += 3600
    signer.token()
    signer.now.seconds -= 3600
    assert read(signer.token())["iat"] == int(NOW.timestamp())


def test_threads_share_a_signer(make_signer):
    signer = make_signer()
    with ThreadPoolExecutor(8) as pool:
        reading = set(pool.map(signer.token, ["GET"] * 200))
        writing = list(pool.map(signer.token, ["POST"] * 200))
    assert len(reading) <= 8  # the first ones all at once
    assert len({read(token)["jti"] for token in writing}) == 200


def test_a_copy_signs_as_the_original_does(make_signer):
    assert read(copy.copy(make_signer()).token())


# One token for one request


def test_a_bound_token_names_its_request_and_its_body(make_signer):
    claims = read(make_signer(bind=True).token("post", URL, b'{"hello": "world"}\n'))
    assert (claims["htm"], claims["htu"]) == ("POST", "https://api.example.com/notes/")
    # The body and the digest are those of RFC 9530 section B.1.
    assert claims["content_digest"] == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def test_a_bound_token_is_never_used_again(make_signer):
    signer = make_signer(bind=True, reuse="always")
    assert signer.token("GET", URL) != signer.token("GET", URL)


def test_a_token_names_no_request_unless_it_is_bound(make_signer):
    assert not {"htm", "htu", "content_digest"} & set(read(make_signer().token("POST", URL, b"x")))


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root_of_a_server_has_one_spelling(make_signer, path):
    assert read(make_signer(bind=True).token("GET", f"http://[::1]:8000{path}"))["htu"] == "http://[::1]:8000/"


def test_a_client_runs_without_django():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['django', 'rest_framework', 'requests', 'httpx']));"
        f"from jwt_auth.client import Signer; print(Signer(key={SECRET!r}, **{GIVEN!r}).token())"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert read(done.stdout.strip())["iss"] == "client_reports"
