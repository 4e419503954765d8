"""
Tokens in the shapes of widespread issuers, with the settings of docs/how-to/other-issuers.md.

The claims are those that the issuers document, with the same names, types and gaps.
"""

import json
import re

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from jwt_auth.principals import ClaimsUser
from jwt_auth.verification import verify
from tests.support import ROOT
from tests.support.clocks import NOW
from tests.support.http_endpoint import document, serving
from tests.support.keys import pem

PAGE = ROOT / "docs/how-to/other-issuers.md"
BLOCKS = dict(re.findall(r"<!-- test: issuer (\w+) -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL))

SECOND = int(NOW.timestamp())

pytestmark = pytest.mark.usefixtures("clock")

TENANT = "11111111-2222-3333-4444-555555555555"

# For each: the header, and the claims of an access token and of another token under the same key.
SHAPES = {
    "Keycloak": (
        {"alg": "RS256", "typ": "JWT", "kid": "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE"},
        {
            "exp": SECOND + 300,
            "iat": SECOND,
            "auth_time": SECOND - 60,
            "jti": "onrtac:5ce5ca5d-5a2d-4f5c-8c5e-8f3c7c1f3c49",
            "iss": "https://sso.example.com/realms/staff",
            "aud": ["orders-api", "account"],
            "sub": "f1d9b2a0-8f5e-4f5c-9b3e-2f1d0c9b8a7e",
            "typ": "Bearer",
            "azp": "spa",
            "sid": "0f8a1c5e-6f3b-4d29-8b8e-3f5a9e6f7d21",
            "acr": "1",
            "allowed-origins": ["https://app.example.com"],
            "realm_access": {"roles": ["offline_access", "uma_authorization"]},
            "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
            "scope": "openid profile email",
            "email_verified": True,
            "preferred_username": "alice",
        },
        {"typ": "ID", "aud": "orders-api"},
        {"client_id": "spa", "scopes": {"openid", "profile", "email"}, "sub": "f1d9b2a0-8f5e-4f5c-9b3e-2f1d0c9b8a7e"},
    ),
    "Auth0": (
        {"alg": "RS256", "typ": "JWT", "kid": "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"},
        {
            "iss": "https://example.eu.auth0.com/",
            "sub": "auth0|6581b9f1a2c3d4e5f6a7b8c9",
            "aud": ["https://api.example.com", "https://example.eu.auth0.com/userinfo"],
            "iat": SECOND,
            "exp": SECOND + 86400,
            "scope": "openid profile read:orders",
            "azp": "my_client_id",
        },
        {"aud": "my_client_id", "nonce": "n-0S6_WzA2Mj"},
        {
            "client_id": "my_client_id",
            "scopes": {"openid", "profile", "read:orders"},
            "sub": "auth0|6581b9f1a2c3d4e5f6a7b8c9",
        },
    ),
    "Entra": (
        {"typ": "JWT", "alg": "RS256", "kid": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
        {
            "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
            "iat": SECOND - 300,
            "nbf": SECOND - 300,
            "exp": SECOND + 4500,
            "aio": "AXQAi/8IAAAAtAaZLo3ChMif6KOnttRB7eBq4/DccQzjcJGxPYy/C3jDaNGxXd6wNIIVGRghNRnwJ1lOcAnNZcjvkoyrFx==",
            "azp": "a17c21ed-fa7b-4c36-9c6b-1f1a2b3c4d5e",
            "azpacr": "0",
            "name": "Alice",
            "oid": "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb",
            "preferred_username": "alice@example.com",
            "rh": "0.ATcAWAe3xkkr4UyQ.",
            "scp": "orders.read orders.write",
            "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "tid": TENANT,
            "uti": "fqiBqXLPj0eQa82S-IYFAA",
            "ver": "2.0",
        },
        {"tid": "99999999-2222-3333-4444-555555555555"},
        {
            "client_id": "a17c21ed-fa7b-4c36-9c6b-1f1a2b3c4d5e",
            "scopes": {"orders.read", "orders.write"},
            "sub": "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb",
            "jti": "fqiBqXLPj0eQa82S-IYFAA",
        },
    ),
    "Google": (
        {"alg": "RS256", "kid": "6ce11aecf9eb14024a44bbfd1bcf8b32a12287fa", "typ": "JWT"},
        {
            "iss": "https://accounts.google.com",
            "azp": "1234-ios.apps.googleusercontent.com",
            "aud": "1234-web.apps.googleusercontent.com",
            "sub": "110169484474386276334",
            "email": "alice@example.com",
            "email_verified": True,
            "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
            "iat": SECOND,
            "exp": SECOND + 3600,
        },
        {"aud": "other.apps.googleusercontent.com"},
        {"client_id": "1234-ios.apps.googleusercontent.com", "scopes": set(), "sub": "110169484474386276334"},
    ),
    "Okta": (
        {"kid": "-Nn3l4-1LfCIC6bpfFYcVGsUzMSmrKOgABXnTG_ZxQs", "alg": "RS256"},
        {
            "ver": 1,
            "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "iss": "https://example.okta.com/oauth2/default",
            "aud": "api://default",
            "iat": SECOND,
            "exp": SECOND + 3600,
            "cid": "0oa1b2c3d4e5f6g7h8i9",
            "uid": "00u1b2c3d4e5f6g7h8i9",
            "scp": ["openid", "orders:read"],
            "auth_time": SECOND - 30,
            "sub": "alice@example.com",
        },
        {"aud": "0oa1b2c3d4e5f6g7h8i9"},
        {"client_id": "0oa1b2c3d4e5f6g7h8i9", "scopes": {"openid", "orders:read"}, "sub": "alice@example.com"},
    ),
}


@pytest.fixture(params=SHAPES)
def issuer(request, settings, jwt_settings, rsa_key):
    """One of these issuers, with its published keys, trusted by the settings on the page."""
    header, claims, other, expected = SHAPES[request.param]
    values = {}
    exec(compile(BLOCKS[request.param], str(PAGE), "exec"), values)
    ((name, options),) = values["JWT_AUTH"]["TRUSTED_ISSUERS"].items()
    assert name == claims["iss"]
    # As these issuers publish them: Entra has no `alg`; there are certificates, and keys for other uses.
    key = RSAKey.import_key(pem(rsa_key)).as_dict(private=False)
    published = {**key, "kid": header["kid"], "use": "sig", "x5c": ["MIIC"], "x5t": "nOo3ZDrODXEK1jKWhXslHR"}
    enc = {**key, "kid": "enc", "use": "enc", "alg": "RSA-OAEP"}
    with serving(document({"keys": [enc, published]}, "Cache-Control: public, max-age=86400")) as endpoint:
        settings.DEBUG = True
        jwt_settings(TRUSTED_ISSUERS={name: {**options, "JWKS_URL": endpoint.url}})
        yield header, claims, other, expected


@pytest.fixture
def sign(rsa_key):
    def make(header, claims):
        return jws.serialize_compact(header, _json(claims), RSAKey.import_key(pem(rsa_key)))

    return make


def _json(claims):
    return json.dumps(claims).encode()


def test_its_tokens_are_good_by_settings_alone(client, issuer, sign):
    header, claims, _, expected = issuer
    raw = sign(header, claims)
    assert client.get_me(raw).status_code == 200
    verified = verify(raw)
    assert {name: getattr(verified.claims, name) for name in expected} == expected
    assert verified.user == ClaimsUser(verified.claims)
    assert verified.claims.all == claims


def test_what_is_no_access_token_for_us_is_refused(client, issuer, sign):
    header, claims, other, _ = issuer
    assert client.get_me(sign(header, {**claims, **other})).status_code == 401


@pytest.mark.parametrize(
    "change",
    [{"aud": "another-api"}, {"iss": "https://sso.example.com/realms/other"}, {"exp": SECOND - 3600}, {"sub": None}],
)
@pytest.mark.sampled
def test_its_tokens_are_judged_like_any_other(client, issuer, sign, change):
    header, claims, _, _ = issuer
    if "sub" in change and "oid" in claims:
        change = {"oid": None}
    assert client.get_me(sign(header, {**claims, **change})).status_code == 401


def test_another_type_in_the_header_is_refused(client, issuer, sign):
    header, claims, _, _ = issuer
    assert client.get_me(sign({**header, "typ": "logout+jwt"}, claims)).status_code == 401
