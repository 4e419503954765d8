"""
Tokens in the shapes of widespread issuers, with the settings of docs/how-to/other-issuers.md and nothing else.

Their keys are fetched from JWK Sets as these issuers publish them.
"""

import json
import re
import time
from contextlib import ExitStack

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from jwt_auth.jose import jwk
from jwt_auth.principals import ClaimsUser
from jwt_auth.verification import verify
from tests.support import ROOT
from tests.support.docs import run_settings
from tests.support.http_endpoint import document, serving
from tests.support.issuer_shapes import SECOND, SHAPES, changed
from tests.support.keys import pem

PAGE = ROOT / "docs/how-to/other-issuers.md"
BLOCKS = dict(re.findall(r"<!-- test: issuer (\w+) -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL))

pytestmark = pytest.mark.usefixtures("clock")


def entry_of(block):
    """Return the name and the options of the issuer in a block of the page."""
    ((name, options),) = run_settings(BLOCKS[block])["JWT_AUTH"]["TRUSTED_ISSUERS"].items()
    return name, options


@pytest.fixture(scope="module")
def signer(rsa_key):
    return RSAKey.import_key(pem(rsa_key))


@pytest.fixture(scope="module")
def other_keys():
    """Keys of all kinds that stand in a set beside those of the issuer's tokens: RSA, EC, and one of the future."""
    rsa_key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())
    curve = ECKey.import_key(pem(ec_key)).as_dict(private=False)
    return RSAKey.import_key(pem(rsa_key)).as_dict(private=False), [curve, {"kty": "AKP", "kid": "x", "pub": "AAAA"}]


@pytest.fixture
def publish(settings, jwt_settings, signer, other_keys):
    """`publish(shape)` trusts the issuer by the page's settings, with its JWK Set at an endpoint."""
    with ExitStack() as stack:

        def serve(shape, **changes):
            name, options = entry_of(shape.block)
            assert name == shape.claims["iss"]
            second_key, others = other_keys
            published = {**signer.as_dict(private=False), "kid": shape.header["kid"], **shape.key}
            keys = [*({**second_key, **members} for members in shape.beside), published, *others]
            answer = document({"keys": keys}, f"Cache-Control: {shape.cache}")
            url = stack.enter_context(serving(answer)).url
            settings.DEBUG = True
            jwt_settings(TRUSTED_ISSUERS={name: {**options, "JWKS_URL": url, **shape.changes, **changes}})

        yield serve


@pytest.fixture
def sign(signer):
    def make(shape, header=None, **changes):
        claims = json.dumps(changed(shape.claims, changes)).encode()
        lenient = jws.JWSRegistry(strict_check_header=False)  # Clerk has a parameter of its own
        return jws.serialize_compact(dict(header or shape.header), claims, signer, registry=lenient)

    return make


of_each_kind = pytest.mark.parametrize("kind", SHAPES)


@of_each_kind
def test_its_tokens_are_good_by_settings_alone(client, publish, sign, kind):
    shape = SHAPES[kind]
    publish(shape)
    assert client.get_me(sign(shape)).status_code == 200
    verified = verify(sign(shape))
    assert {name: getattr(verified.claims, name) for name in shape.expected} == shape.expected
    assert verified.user == ClaimsUser(verified.claims)
    assert verified.claims.all == shape.claims


@of_each_kind
def test_other_tokens_of_the_issuer_are_refused(client, publish, sign, kind):
    shape = SHAPES[kind]
    publish(shape)
    good, refused = sign(shape), {**shape.refused, **shape.separated}
    assert client.get_me(good).status_code == 200
    assert {
        name: client.get_me(sign(shape, **change)).status_code for name, change in refused.items()
    } == dict.fromkeys(refused, 401)


@pytest.mark.parametrize("kind", [kind for kind, shape in SHAPES.items() if shape.separated])
def test_without_its_require_the_page_would_let_them_in(client, publish, sign, kind):
    shape = SHAPES[kind]
    publish(shape, REQUIRE={})
    answers = {name: client.get_me(sign(shape, **change)).status_code for name, change in shape.separated.items()}
    assert answers == dict.fromkeys(shape.separated, 200)


@pytest.mark.parametrize(
    "change",
    [{"aud": "another-api"}, {"iss": "https://sso.example.com/realms/other"}, {"exp": SECOND - 3600}, {"sub": None}],
)
@of_each_kind
@pytest.mark.sampled
def test_its_tokens_are_judged_like_any_other(client, publish, sign, kind, change):
    shape = SHAPES[kind]
    publish(shape)
    if "sub" in change and "oid" in shape.claims:
        change = {"oid": None}
    assert client.get_me(sign(shape, **change)).status_code == 401


@of_each_kind
def test_another_type_in_the_header_is_refused(client, publish, sign, kind):
    shape = SHAPES[kind]
    publish(shape)
    assert client.get_me(sign(shape, {**shape.header, "typ": "logout+jwt"})).status_code == 401


def test_the_table_names_the_options_of_each_block():
    table = PAGE.read_text().partition("| --- |")[2].partition("\n\n")[0]
    rows = {
        name: set(re.findall(r"`([A-Z_]+)`", cells))
        for name, cells in re.findall(r"\| \[.*?\]\(#(.*?)\).*\| (.*) \|", table)
    }
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    blocks = {
        section.partition("\n")[0].lower().replace(" ", "-"): entry_of(block)[1].keys()
        for section in sections
        for block in re.findall(r"<!-- test: issuer (\w+) -->", section)
    }
    # tests/docs/test_guides.py runs these two servers.
    assert rows.pop("another-server-with-this-app") == {"REVOCATIONS_URL"}
    assert rows == {name: set(options) - {"JWKS_URL", "ALGORITHMS", "AUDIENCE"} for name, options in blocks.items()}


def test_each_block_has_a_token():
    assert {shape.block for shape in SHAPES.values()} == BLOCKS.keys()


def test_the_log_says_why_the_keys_of_an_issuer_cannot_be_used(client, settings, jwt_settings, ec_key, log):
    claims = {"iss": "https://api.example.com", "aud": "https://reports.example.com", "sub": "1"}
    now = int(time.time())
    token = jwt.encode({**claims, "iat": now, "exp": now + 60}, ec_key, "ES256", headers={"typ": "at+jwt"})
    settings.DEBUG = True
    with serving(document({"keys": [jwk.dump_public(ec_key.public_key())]})) as endpoint:
        for algorithm, status in (("ES256", 200), ("RS256", 401)):
            trusted = {claims["iss"]: {"JWKS_URL": endpoint.url, "ALGORITHMS": [algorithm]}}
            jwt_settings(ISSUER=claims["aud"], TRUSTED_ISSUERS=trusted)
            assert [client.get_me(token).status_code for _ in range(2)] == [status, status]
    records = log()
    assert [record.event for record in records] == ["keys_unusable", "token_refused", "token_refused"]
    for record in records:
        assert endpoint.url in record.reason
        assert "EC P-256" in record.reason
        assert "ALGORITHMS (RS256)" in record.reason
