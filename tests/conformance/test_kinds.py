"""
Each kind of token at each entry point that requires one: it is accepted at its own entry points and refused elsewhere.
"""

import jwt
import pytest

from jwt_auth import service_tokens
from jwt_auth.authentication.assertions import JWT_BEARER
from jwt_auth.exceptions import InvalidTokenError
from jwt_auth.issuers.remote.pieces import read_feed
from jwt_auth.jose.public_keys import read_configured
from jwt_auth.revocation.feed import pieces
from jwt_auth.views import introspection
from jwt_auth.views.metadata import TOKEN_EXCHANGE
from jwt_auth.views.serializers import ACCESS_TOKEN_URN
from tests.support.api_clients import register
from tests.support.browser import Browser
from tests.support.clocks import NOW
from tests.support.keys import pem, public_pem

ONE, TWO, ISSUER = "https://one.example.com", "https://two.example.com", "https://issuer.example.com"

pytestmark = pytest.mark.urls("tests.client_urls")

WELCOME = {
    "header": {"access", "foreign"},
    "cookie": {"access", "foreign"},
    "verify": {"access", "foreign"},
    "introspect": {"access", "foreign", "refresh"},
    "refresh": {"refresh"},
    "refresh by cookie": {"refresh"},
    "exchange": {"access"},
    "client": {"client"},
    "client_assertion": {"client"},
    "user or client": {"access", "foreign", "client"},
    "feed": {"feed"},
}


@pytest.fixture
def api(jwt_settings, make_user, ec_key, rsa_key, clock):
    """A client that may introspect, and request tokens for another server."""
    jwt_settings(
        ISSUER=ONE,
        ALGORITHM="ES256",
        SIGNING_KEY=pem(ec_key),
        TRUSTED_ISSUERS={ISSUER: {"KEYS": public_pem(rsa_key), "ALGORITHMS": ["RS256"]}},
    )
    api = register(make_user("robot"), scopes="introspect")
    jwt_settings(SERVICE_AUDIENCES={TWO: {"USERS": ["read"], "CLIENTS": {api.client_id: ["introspect"]}}})
    return api


@pytest.fixture
def tokens(client, user, api, rsa_key):
    """A valid token of each kind. One key signs all that are ours."""
    pair = client.tokens(user)
    second = int(NOW.timestamp())
    claims = {"iss": ISSUER, "aud": ONE, "sub": "alice", "iat": second, "exp": second + 60}
    return {
        "access": pair["access_token"],
        "refresh": pair["refresh_token"],
        "client": api.token(aud=ONE),
        "foreign": jwt.encode(claims, rsa_key, "RS256", headers={"typ": "at+jwt"}),
        "service": service_tokens.exchange(pair["access_token"], TWO).access_token,
        "introspection": introspection.sign(introspection.introspect(pair["access_token"]), ONE),
        "feed": pieces.publish().document,
    }


@pytest.fixture
def entry_points(client, api, tokens, ec_key):
    """`entry_points[name](raw)` returns whether that entry point accepts the token."""

    def get(path):
        return lambda raw: client.bearer(raw).get(path).status_code == 200

    def send(path, name):
        return lambda raw: client.send(path, {name: raw}).status_code == 200

    def by_cookie(name, method):
        def come(raw):
            browser = Browser()
            browser.cookies[name] = raw
            return getattr(browser, method)().status_code == 200

        return come

    def introspect(raw):
        return client.bearer(api.token(aud=ONE)).send("introspect/", {"token": raw}).json()["active"]

    def exchange(subject, **others):
        asked = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": ACCESS_TOKEN_URN, "audience": TWO}
        return client.send("token/", {**asked, "subject_token": subject, **others}).status_code == 200

    def read(raw):
        try:
            return read_feed(raw.encode(), ONE, read_configured(public_pem(ec_key), ["ES256"]), NOW)
        except InvalidTokenError:
            return False

    return {
        "header": get("/users/"),
        "cookie": by_cookie(Browser.access_name, "me"),
        "verify": send("verify/", "token"),
        "introspect": introspect,
        "refresh": send("refresh/", "refresh_token"),
        "refresh by cookie": by_cookie(Browser.refresh_name, "renew"),
        "exchange": exchange,
        "client": get("/who/"),
        "client_assertion": lambda raw: exchange(
            tokens["access"], client_assertion_type=JWT_BEARER, client_assertion=raw
        ),
        "user or client": get("/anyone/"),
        "feed": read,
    }


@pytest.mark.parametrize("entry_point", WELCOME)
def test_each_kind_of_token_is_welcome_at_its_own_entry_points_only(entry_points, tokens, entry_point):
    assert {kind for kind, raw in tokens.items() if entry_points[entry_point](raw)} == WELCOME[entry_point]
