"""joserfc reads our tokens with nothing but the published keys, and we read its tokens (RFC 9068)."""

from datetime import datetime, timezone

import pytest
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet, import_key

from jwt_auth.revocation.feed import pieces
from tests.support.interop import AUDIENCE, ISSUER, KEYS
from tests.support.keys import pem

pytestmark = [
    pytest.mark.django_db,
    # It prefers Ed25519, the newer name, and so do we.
    pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning"),
]


def new_key(algorithm):
    kind = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[algorithm[:2]]
    return import_key(pem(KEYS[algorithm]()), kind, {"kid": "one", "use": "sig", "alg": algorithm})


def test_it_reads_our_tokens(ours, user, algorithm):
    raw, published = ours(algorithm)
    token = jwt.decode(raw, KeySet.import_key_set(published), algorithms=[algorithm])
    assert token.header["typ"] == "at+jwt"
    wanted = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
    essential = {name: {"essential": True} for name in ("exp", "iat", "sub", "jti", "client_id")}
    jwt.JWTClaimsRegistry(**wanted, **essential).validate(token.claims)
    assert token.claims["sub"] == str(user.pk)


def test_it_refuses_those_of_another_key(ours):
    raw, _ = ours("ES256")
    _, published = ours("ES256")
    published["keys"][0]["kid"] = jws.extract_compact(raw.encode()).headers()["kid"]
    with pytest.raises(BadSignatureError):
        jwt.decode(raw, KeySet.import_key_set(published), algorithms=["ES256"])


def test_it_reads_our_revocation_feed(ours, algorithm):
    _, published = ours(algorithm)
    document = pieces.publish().document
    found = jws.deserialize_compact(document, KeySet.import_key_set(published), algorithms=[algorithm])
    assert found.headers()["typ"] == "revocations+jwt"


def test_we_read_its_tokens(client, trust, db, algorithm):
    key = new_key(algorithm)
    now = int(datetime.now(timezone.utc).timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "5ba552d67",
        "client_id": "s6BhdRkqt3",
        "iat": now,
        "exp": now + 120,
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "scope": "openid profile",
    }
    raw = jwt.encode({"alg": algorithm, "kid": "one", "typ": "at+JWT"}, claims, key, algorithms=[algorithm])
    trust(KeySet([key]).as_dict(private=False), [algorithm])
    answer = client.get_me(raw).json()
    assert answer["user"] == {"iss": ISSUER, "sub": "5ba552d67"}
    assert (answer["client_id"], answer["scope"]) == ("s6BhdRkqt3", "openid profile")
    other = new_key(algorithm)
    forged = jwt.encode({"alg": algorithm, "kid": "one", "typ": "at+JWT"}, claims, other, algorithms=[algorithm])
    assert client.get_me(forged).status_code == 401
