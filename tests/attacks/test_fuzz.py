"""
Arbitrary requests, which crash no endpoint.

A thorough run tries many more examples.
"""

import json
import os
import uuid
from urllib.parse import quote_from_bytes

import pytest
from django.core.signing import Signer
from django.http.request import parse_header_parameters
from hypothesis import HealthCheck, assume, example, given, settings, strategies as st

from jwt_auth import browser_urls, clients
from jwt_auth.keyring.configured import refresh_keys
from jwt_auth.models import UserSession
from tests.support.browser import Browser
from tests.support.fuzzing import assert_answered, claims_of, good_header, show_everywhere, signed
from tests.support.selection import THOROUGH

# The fixtures are made once for all examples on purpose: `rolled_back` isolates the examples.
_SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
profile = settings(
    max_examples=300 if THOROUGH else 8,
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,  # whether a change is accepted must not depend on luck
    suppress_health_check=_SUPPRESSED,
)

PATHS = [
    *("login/", "refresh/", "logout/", "logout/all/", "sessions/", f"sessions/{uuid.UUID(int=7)}/", "revoke/"),
    *(
        "revoke/user/",
        "revoke/global/",
        "introspect/",
        "verify/",
        "me/",
        "token/",
        "clients/",
        f"clients/client_{'0' * 32}/",
        f"clients/client_{'0' * 32}/keys/x/rotate/",
        ".well-known/oauth-authorization-server",
        ".well-known/jwks.json",
        ".well-known/revocations",
    ),
]
IN_BROWSERS = [
    f"/auth/browser/{pattern.pattern}".replace("<uuid:session_id>", str(uuid.UUID(int=7)))
    for pattern in browser_urls.urlpatterns
]
URLS = [*(f"/auth/{path}" for path in PATHS), *IN_BROWSERS, "/api/notes/", "/api/notes/1/"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
KINDS = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]

# These include halves of surrogate pairs, which JSON can write and no database can store.
_texts = st.text(st.characters(exclude_categories=()), max_size=300)
_numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 2**31, 1e308, 253402300799.9999])
_json = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_latin = st.text(st.characters(max_codepoint=255), max_size=200)


@pytest.fixture(autouse=True)
def _no_throttles(jwt_settings, settings):
    names = ("jwt_auth_refresh", "jwt_auth_revoke", "jwt_auth_clients")
    jwt_settings(LOGIN_THROTTLE="1000000/s")
    rates = dict.fromkeys(names, "1000000/s")
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates, "NUM_PROXIES": 1}


@pytest.fixture
def pair(client, staff):
    """The tokens of a user who has all permissions."""
    return client.tokens(staff)


@pytest.fixture
def signed_in(client, pair):
    return client.bearer(pair["access_token"])


def test_the_machinery_lets_good_tokens_through(client, pair):
    # Otherwise the examples would never get past the first check.
    same = signed(good_header(), json.dumps(claims_of(pair)).encode())
    assert client.get_me(same).status_code == 200
    assert client.get_me(signed(good_header(kid="x"), json.dumps(claims_of(pair)).encode())).status_code == 401


@profile
@given(
    st.tuples(
        st.sampled_from(METHODS),
        st.sampled_from(URLS),
        st.binary(max_size=500) | _json.map(json.dumps).map(str.encode),
        st.sampled_from(KINDS),
    ),
    st.booleans(),
)
def test_any_body_by_any_method(client, signed_in, request_line, authenticated):
    assert_answered(signed_in if authenticated else client, *request_line)


def _cookies(good):
    """Return a strategy for Cookie headers: names and values close to the real ones, in any order and number."""
    names = (
        st.sampled_from([Browser.access_name, Browser.refresh_name, "access", "csrftoken", "sessionid", ""]) | _latin
    )
    values = st.sampled_from([*good, ""]) | _latin
    pairs = st.tuples(names, st.sampled_from(["=", "", " = ", "=="]), values)
    return st.lists(pairs.map("".join), max_size=6).map("; ".join)


@profile
@given(st.data(), st.sampled_from([*IN_BROWSERS, "/api/notes/"]), st.sampled_from(METHODS), _latin, _latin)
@pytest.mark.parametrize("mode", ["fetch_metadata", "django"])
def test_any_cookie_from_any_page(pair, jwt_settings, mode, data, url, method, site, origin):
    jwt_settings(CSRF_MODE=mode)
    page = data.draw(st.sampled_from([{}, {"HTTP_SEC_FETCH_SITE": site, "HTTP_ORIGIN": origin}]))
    browser = Browser(HTTP_COOKIE=data.draw(_cookies([pair["access_token"], pair["refresh_token"]])), **page)
    assert_answered(browser, method, url, b"{}")


@profile
@given(st.sampled_from(URLS), st.sampled_from(METHODS), _latin)
def test_any_content_type(signed_in, url, method, kind):
    try:
        parse_header_parameters(kind)
    except ValueError:
        assume(False)  # Django itself gives up before any view is asked
    assert_answered(signed_in, method, url, b"{}", kind)


@profile
@given(st.sampled_from(URLS), _latin | _latin.map("Bearer {}".format))
@example("/auth/me/", "Bearer ")
@example("/auth/logout/", "Bearer \xff")
def test_any_authorization_header(client, db, url, header):
    assert_answered(client, "GET", url, HTTP_AUTHORIZATION=header)
    assert_answered(client, "POST", url, b"{}", HTTP_AUTHORIZATION=header)


NAMES = ["HTTP_ACCEPT", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR", "HTTP_IF_NONE_MATCH", "HTTP_COOKIE", "REMOTE_ADDR"]


@profile
@given(st.dictionaries(st.sampled_from(NAMES), _latin))
@example({"REMOTE_ADDR": "fe80::1%eth0", "HTTP_USER_AGENT": "\x00\xff"})
@example({"HTTP_X_FORWARDED_FOR": "fe80::1%" + "a" * 60})
@example({"HTTP_ACCEPT": "application/json; a*=bogus''%41"})
def test_any_other_header_with_a_good_sign_in(client, staff, headers):
    body = json.dumps({staff.USERNAME_FIELD: staff.get_username(), "password": "correct horse battery staple"})
    assert_answered(client, "POST", "/auth/login/", body.encode(), **headers)
    assert_answered(client, "GET", "/auth/.well-known/jwks.json", **headers)


@profile
@given(st.binary(max_size=60), st.sampled_from(["/", "/auth/", "/auth/sessions/", "/api/notes/"]), st.binary())
def test_any_path_and_query(signed_in, path, prefix, query):
    url = f"{prefix}{quote_from_bytes(path)}?{quote_from_bytes(query, safe='/=&')}"
    assert_answered(signed_in, "GET", url)
    assert_answered(signed_in, "DELETE", url)


FIELDS = ["username", "email", "password", "label", "refresh_token", "token", "token_type_hint", "user", "reason"]


@profile
@given(st.sampled_from(PATHS), st.dictionaries(st.sampled_from(FIELDS), _json | _texts))
@example("login/", {"username": "a\x00", "email": "a\x00", "password": "x"})
@example("revoke/user/", {"user": "9" * 250})
@example("revoke/user/", {"user": "-9223372036854775809"})
@example("revoke/user/", {"username": "\U0001f600"})
def test_any_json_in_the_fields_that_are_read(signed_in, path, fields):
    assert_answered(signed_in, "POST", f"/auth/{path}", json.dumps(fields).encode())


@profile
@given(st.text(max_size=120), st.text(max_size=100), st.text(max_size=150))
def test_any_text_that_a_sign_in_stores(client, staff, name, label, agent):
    body = {staff.USERNAME_FIELD: staff.get_username(), "password": "correct horse battery staple", "label": label}
    assert_answered(client, "POST", "/auth/login/", json.dumps(body).encode())
    agent = agent.encode().decode("latin-1")
    assert_answered(client, "POST", "/auth/login/", json.dumps(body | {"label": ""}).encode(), HTTP_USER_AGENT=agent)
    body |= {staff.USERNAME_FIELD: name}
    assert_answered(client, "POST", "/auth/login/", json.dumps(body).encode())


@pytest.fixture
def one_key(staff):
    """A client's secret."""
    return clients.add_secret(clients.register("reports", staff)).key


CLAIMS = ["iss", "aud", "sub", "iat", "exp", "nbf", "jti", "sid", "client_id", "scope", "auth_time"]


@profile
@given(st.dictionaries(st.sampled_from(CLAIMS), _json, min_size=1, max_size=3))
@example({"exp": 10**400})
@example({"iat": 10**400, "exp": 10**400})
@example({"auth_time": 253402300799.99999})
@example({"sid": "\u0661" * 32})
@example({"jti": "\U0001f600" * 255})
@example({"jti": "a" * 300})
@example({"sub": "9" * 250})
def test_any_claims_with_a_good_signature(client, pair, changes):
    show_everywhere(client, signed(good_header(), json.dumps({**claims_of(pair), **changes}).encode()))


@profile
@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jku", "jwk", "x5c", "zip", "cty"]), _json))
def test_any_header_parameters_with_a_good_signature(client, pair, changes):
    show_everywhere(client, signed(good_header(**changes), json.dumps(claims_of(pair)).encode()))


@profile
@given(st.binary(max_size=300), st.binary(max_size=300), st.booleans())
def test_any_bytes_with_a_good_signature(client, db, header, payload, good):
    show_everywhere(client, signed(good_header() if good else header, payload))


_counters = st.integers(min_value=0, max_value=10**11).map(str) | st.sampled_from(["00", "-1", "\u0661", "1.0"])


@profile
@given(st.booleans() | st.text(max_size=50) | st.uuids().map(lambda value: value.hex), _counters)
def test_any_refresh_token_with_a_good_signature(client, pair, handle, counter):
    if isinstance(handle, bool):
        handle = UserSession.objects.values_list("handle", flat=True).get()
    show_everywhere(client, Signer(key=refresh_keys()[0], salt="jwt_auth.refresh", sep=".").sign(f"{handle}.{counter}"))


CLIENT_FIELDS = [
    "client_name",
    "scope",
    "requires_binding",
    "key",
    "alg",
    "jwk",
    "pem",
    "expires_at",
    "overlap",
    "reason",
]
JWK_MEMBERS = ["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid"]
_jwk_values = st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519", "ES256", "AQAB", "sig", "A" * 43]) | _json


@profile
@given(
    st.sampled_from(["", "revoke/", "keys/", "keys/KID/rotate/"]),
    st.dictionaries(st.sampled_from(CLIENT_FIELDS), _json | _texts),
    st.dictionaries(st.sampled_from(JWK_MEMBERS), _jwk_values),
)
@example("keys/", {}, {"kty": "RSA", "n": "A" * 8000, "e": "AQAB"})
@example("keys/", {"expires_at": "9999-12-31T23:59:59-14:00"}, {})
@example("keys/KID/rotate/", {"overlap": 7776000}, {})
def test_any_json_about_a_client(signed_in, one_key, path, fields, public):
    """The requests about one client, its keys and their rotation may have any content."""
    body = json.dumps(fields | ({"jwk": public} if public else {})).encode()
    url = f"/auth/clients/{one_key.client.client_id}/{path.replace('KID', one_key.kid)}"
    assert_answered(signed_in, "POST" if path else "PATCH", url, body)
