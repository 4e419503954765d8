"""
Attacks with tokens that clients sign, over HTTP: 401 and never 500, no connection to anywhere, and no query but the one
for the key. Each attack stands beside a token that is accepted.
"""

import hmac
import json
import socket
import time
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.urls import get_resolver

from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import UsedToken
from tests.support import forge
from tests.support.answers import challenge
from tests.support.api_clients import ApiClient, register
from tests.support.forge import NOT_NUMBERS, NOT_TEXTS
from tests.support.keys import pem, public_pem
from tests.support.queries import Queries
from tests.support.redis_server import redis_server

pytestmark = pytest.mark.urls("tests.client_urls")

LONG = "x" * 255


@pytest.fixture(autouse=True, params=["database", "memory"])
def mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param, REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    return request.param


@pytest.fixture(autouse=True)
def _no_connections(db, monkeypatch):
    """Fail if anything is fetched. The database has its connection by now."""

    def refuse(*arguments, **options):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def knock(client, api):
    """`knock(raw)` sends any token to a client's view and returns the status and the number of queries."""
    assert client.bearer(api.token()).get("/who/").status_code == 200  # the process has read everything that it keeps

    def come(raw, path="/who/", method="get"):
        with Queries() as queries:
            answer = getattr(client.bearer(raw), method)(path)
        assert answer.status_code in (200, 401, 403), answer.content
        if answer.status_code == 401:
            assert answer["WWW-Authenticate"].startswith("Bearer ")
        return answer.status_code, len(queries)

    return come


def assert_refused(knock, raw, at_most=1):
    status, queries = knock(raw)
    assert status == 401
    assert queries <= at_most


# Wrong entry point


def user_endpoints():
    """Return every endpoint of the app that requires an access token, with a method that it accepts."""
    for pattern in get_resolver("jwt_auth.urls").url_patterns:
        view = getattr(pattern.callback, "cls", None)
        names = [each.__name__ for each in getattr(view, "authentication_classes", [])]
        if "JWTAuthentication" in names:
            method = next(name for name in ("get", "post", "delete") if hasattr(view, name))
            yield pattern.name, method, str(pattern.pattern)


ENDPOINTS = list(user_endpoints())


@pytest.mark.parametrize(("name", "method", "route"), ENDPOINTS, ids=[name for name, *_ in ENDPOINTS])
def test_a_client_token_at_every_endpoint_of_users(client, api, name, method, route):
    path = "/auth/" + route.replace("<uuid:session_id>", "12345678-1234-1234-1234-123456789012")
    path = path.replace("<str:client_id>", api.client_id).replace("<str:kid>", api.key.kid)
    with Queries() as queries:
        answer = getattr(client.bearer(api.token()), method)(path)
    assert (answer.status_code, len(queries)) == (401, 0)
    assert answer.json()["code"] == "invalid_token"


def test_there_are_such_endpoints():
    assert {"sessions", "session", "logout-all", "revoke-user"} <= {name for name, *_ in ENDPOINTS}


def test_a_client_token_at_a_view_of_users(client, api, user, knock):
    assert knock(api.token(), "/users/") == (401, 0)
    assert knock(client.tokens(user)["access_token"], "/users/")[0] == 200


@pytest.mark.parametrize("endpoint", ["verify/", "refresh/", "logout/", "revoke/"])
def test_a_client_token_where_others_are_handed_in(client, api, user, endpoint):
    raw = api.token()
    name = "token" if endpoint in ("verify/", "revoke/") else "refresh_token"
    answer = client.send(endpoint, {name: raw})
    assert answer.status_code in {"verify/": {401}, "refresh/": {401}}.get(endpoint, {200, 204})
    assert client.bearer(raw).get("/who/").status_code == 200  # and it was not revoked


def test_a_users_token_at_a_view_of_clients(client, api, user, knock):
    raw = client.tokens(user)["access_token"]
    assert knock(raw) == (401, 0)
    assert knock(raw, "/anyone/")[0] == 200
    assert knock(raw, "/bound/") == (401, 0)


def test_a_public_view_of_clients_takes_no_bad_token(client, api, knock):
    assert knock("x", "/public/") == (401, 0)
    assert client.get("/public/").status_code == 200


# Wrong name


@pytest.fixture
def other(user, make_user, ec_key):
    """Another client, of another user, with a key pair."""
    return register(make_user("bob"), private=ec_key)


def test_one_clients_key_under_anothers_name(api, other, knock):
    for one, two in ((api, other), (other, api)):
        assert_refused(knock, one.token(iss=two.client_id, sub=two.client_id))
        assert_refused(knock, one.token(sub=two.client_id))
        assert_refused(knock, one.token(iss=two.client_id))
        assert_refused(knock, one.token(client_id=two.client_id))
        assert_refused(knock, one.token(header={"kid": two.key.kid}))
        assert_refused(knock, one.token(header={"kid": two.key.kid}, iss=two.client_id, sub=two.client_id))
        assert knock(one.token(client_id=one.client_id))[0] == 200


@pytest.mark.parametrize(
    "name",
    [
        "jwt_auth",
        "https://other.example.com",
        LONG,
        "client_",
        "client_" + "0" * 32,
        "client_" + "g" * 32,
        "client_" + "0" * 31,
        "client_" + "0" * 33,
        "client_" + "0" * 248,
        "client_" + "0" * 31 + "\uff10",
        "client_%",
        "client_' OR 1=1 --",
        "1",
        "-1",
    ],
)
def test_a_name_that_no_client_has(api, knock, name):
    assert_refused(knock, api.token(iss=name, sub=name))
    assert knock(api.token())[0] == 200


def test_a_name_that_can_be_no_clients_costs_no_query(api, knock, user):
    for name in ("jwt_auth", LONG, "client_", "client_x", str(user.pk), "CLIENT_" + "0" * 32):
        assert_refused(knock, api.token(iss=name, sub=name), at_most=0)


def test_a_name_in_capitals_is_another(api, knock):
    """MariaDB would find the row."""
    upper = "client_" + api.client_id.removeprefix("client_").upper()
    assert upper != api.client_id
    assert_refused(knock, api.token(iss=upper, sub=upper))
    swapped = api.key.kid.swapcase()
    assert swapped != api.key.kid
    assert_refused(knock, api.token(header={"kid": swapped}))


def test_the_name_of_a_trusted_issuer(client, api, knock, jwt_settings, rsa_key):
    trusted = {"https://other.example.com": {"KEYS": public_pem(rsa_key), "ALGORITHMS": ["RS256"]}}
    jwt_settings(TRUSTED_ISSUERS=trusted)
    theirs = ApiClient(row=api.row, key=api.key, signing=api.signing)
    name = "https://other.example.com"
    assert_refused(knock, theirs.token(iss=name, sub=name), at_most=0)
    assert knock(api.token(), "/who/")[0] == 200


def test_a_users_id_is_no_client(api, user, knock):
    assert_refused(knock, api.token(iss=str(user.pk), sub=str(user.pk)), at_most=0)
    assert_refused(knock, api.token(sub=str(user.pk)))


def test_twenty_random_keys_cost_one_look_each_and_no_connection(api, knock):
    for number in range(20):
        assert_refused(knock, api.token(header={"kid": f"random-{number}"}))
    assert knock(api.token())[0] == 200


@pytest.mark.parametrize(
    "kid", ["", "x" * 256, "a b", "\0", "é", 1, True, ["a"], {"a": 1}, "../../etc/passwd", "' OR 1=1 --", "x" * 255]
)
def test_a_kid_that_is_none(api, knock, kid):
    assert_refused(knock, api.token(header={"kid": kid}))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_keys_that_a_token_brings_along_are_not_looked_at(api, knock, name):
    brought = {"jwk": {"kty": "oct", "k": forge.b64(b"x" * 32)}, "x5c": ["MIIB"]}.get(name, "https://evil.example")
    header, payload = api.header(**{name: brought, "kid": "theirs"}), json.dumps(api.claims()).encode()
    assert_refused(knock, forge.sign(json.dumps(header).encode(), payload, secret=b"x" * 32))
    assert knock(api.token(header={name: brought}))[0] == 200


# Wrong audience


@pytest.mark.parametrize(
    "aud",
    [
        "https://other.example.com",
        ["https://other.example.com"],
        ["jwt_auth", "https://other.example.com"],
        ["https://other.example.com", "jwt_auth"],
        ["jwt_auth", "jwt_auth"],
        "JWT_AUTH",
        "jwt_auth ",
        "http://testserver/auth/token/",
        [],
        {"jwt_auth": 1},
        None,
    ],
)
def test_a_token_for_another_server(api, knock, aud):
    assert_refused(knock, api.token(aud=aud))
    assert knock(api.token())[0] == 200


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "revocations+jwt", "dpop+jwt", "", "JWE"])
def test_a_token_of_another_kind(api, knock, typ):
    assert_refused(knock, api.token(header={"typ": typ}))


# Another signature


def test_the_public_key_as_a_secret(user, knock, rsa_key, ec_key):
    for private in (rsa_key, ec_key):
        pair = register(user, private=private)
        header = json.dumps(pair.header(alg="HS256")).encode()
        payload = json.dumps(pair.claims()).encode()
        for secret in (public_pem(private), public_pem(private).strip(), pair.key.public_jwk):
            assert_refused(knock, forge.sign(header, payload, secret=secret.encode()))
        assert knock(pair.token())[0] == 200


@pytest.mark.parametrize("alg", ["none", "None", "", "HS384", "HS512", "RS256", "ES256", "hs256", "HS256 "])
def test_another_algorithm_than_the_secrets(api, knock, alg):
    header, payload = json.dumps(api.header(alg=alg)).encode(), json.dumps(api.claims()).encode()
    body = f"{forge.b64(header)}.{forge.b64(payload)}"
    digest = alg.lower().replace("hs", "sha") if alg in ("HS384", "HS512") else "sha256"
    signed = hmac.digest(api.signing.encode(), body.encode(), digest)
    assert_refused(knock, f"{body}.{forge.b64(signed)}")
    assert_refused(knock, f"{body}.")


@pytest.mark.parametrize("alg", ["RS512", "PS256", "RS384"])
def test_another_algorithm_of_the_same_family(user, api, knock, rsa_key, alg):
    pair = register(user, private=rsa_key, algorithm="RS256")
    signer = pair.signer()
    assert knock(signer.token())[0] == 200
    from jwt_auth.client import Signer

    other = Signer(client_id=pair.client_id, key=pem(rsa_key), kid=pair.key.kid, audience="jwt_auth", algorithm=alg)
    assert_refused(knock, other.token())


def test_a_token_that_our_own_key_signed(api, knock):
    header, payload = json.dumps(api.header()).encode(), json.dumps(api.claims()).encode()
    assert_refused(knock, forge.sign(header, payload))
    own = json.dumps(api.header(kid=own_keys().signing.kid)).encode()
    assert_refused(knock, forge.sign(own, payload))


def test_a_token_whose_claims_were_changed(api, knock):
    head, _, signature = api.token(scope="read").split(".")
    more = forge.b64(json.dumps(api.claims(scope="read write")).encode())
    assert_refused(knock, f"{head}.{more}.{signature}")


def test_what_one_view_remembers_lets_nobody_in_at_another(api, user, client, knock):
    raw, mine = api.token(), client.tokens(user)["access_token"]
    for _ in range(2):
        assert [knock(raw, path)[0] for path in ("/who/", "/anyone/", "/users/")] == [200, 200, 401]
        assert [knock(mine, path)[0] for path in ("/who/", "/anyone/", "/users/")] == [401, 200, 200]


# Times


def test_times_that_do_not_hold(api, knock, clock):
    now = int(time.time())
    wrong = {
        "signed in the future": {"iat": now + 12, "exp": now + 60},
        "signed long ago": {"iat": now - 400, "exp": now + 60},
        "signed in 1970": {"iat": 0},
        "exp too far": {"iat": now, "exp": now + 301},
        "exp far beyond": {"exp": now + 10**9},
        "over": {"iat": now - 100, "exp": now - 11},
        "exp before iat": {"iat": now, "exp": now - 60},
        "not yet": {"nbf": now + 12},
        "no iat": {"iat": None},
        "no exp": {"exp": None},
    }
    for name, changes in wrong.items():
        status, queries = knock(api.token(**changes))
        assert (status, queries <= 1) == (401, True), name
    # Times within the leeway of ten seconds, and up to the longest lifetime, are accepted.
    good = [
        {"iat": now + 10, "exp": now + 60},
        {"iat": now, "exp": now + 300},
        {"iat": now - 290, "exp": now + 10},
        {"iat": now - 100, "exp": now - 9},
        {"nbf": now + 10},
        {"iat": now + 0.5, "exp": now + 60.5},
    ]
    for changes in good:
        assert knock(api.token(**changes))[0] == 200, changes


def test_the_longest_life_is_a_setting(api, knock, jwt_settings):
    now = int(time.time())
    jwt_settings(CLIENT_TOKEN_MAX_LIFETIME=timedelta(seconds=30))
    assert_refused(knock, api.token(iat=now, exp=now + 31))
    assert knock(api.token(iat=now, exp=now + 30))[0] == 200


# Malformed


@pytest.mark.parametrize("value", NOT_TEXTS.values(), ids=NOT_TEXTS)
@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "jti", "client_id", "sid"])
@pytest.mark.sampled
def test_a_claim_that_is_no_decent_text(api, knock, claim, value):
    if claim == "aud" and value.startswith("["):
        value = '["jwt_auth", 1]'
    assert_refused(knock, api.with_texts(**{claim: value}))


@pytest.mark.parametrize("value", NOT_NUMBERS.values(), ids=NOT_NUMBERS)
@pytest.mark.parametrize("claim", ["iat", "exp", "nbf", "auth_time"])
@pytest.mark.sampled
def test_a_claim_that_is_no_number_of_seconds(api, knock, claim, value):
    assert_refused(knock, api.with_texts(**{claim: value}))


@pytest.mark.parametrize("value", ["1", "null", "true", '["read"]', "{}", '"read\\u0000"', "NaN", "9" * 400])
def test_a_scope_that_is_no_text(api, knock, value):
    assert_refused(knock, api.with_texts(scope=value))


@pytest.mark.parametrize("value", ["1", "null", "true", "[]", "{}", '"\\u0000"', '""', "9" * 400, '"x"'])
@pytest.mark.parametrize("claim", ["htm", "htu", "content_digest"])
@pytest.mark.sampled
def test_a_binding_that_is_none(api, knock, claim, value):
    assert_refused(knock, api.with_texts(**{claim: value}))


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "iat", "exp"])
def test_a_claim_that_is_missing(api, knock, claim):
    assert_refused(knock, api.with_texts(**{claim: None}))


@pytest.mark.parametrize(
    "raw", ["", "x", "a.b.c", "..", "e30.e30.e30", "x" * 9000, "a.b.c.d", "é.b.c", "eyJhbGciOiJub25lIn0.e30."]
)
def test_what_is_no_token_costs_no_query(knock, api, raw):
    assert_refused(knock, raw, at_most=0)


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"1", b'"x"', b"{", b"\xff", b"[" * 5000, b'{"a":1,"a":2}'])
def test_what_are_no_claims_costs_no_query(knock, api, payload):
    assert_refused(knock, api.sign(json.dumps(api.header()).encode(), payload), at_most=0)


# Reuse


def test_a_token_changes_one_thing(client, api, knock, jwt_settings):
    raw = api.token()
    assert [knock(raw, method="post")[0] for _ in range(3)] == [200, 401, 401]
    answer = client.bearer(raw).post("/who/")
    assert answer.json() == {"detail": "The token was used before.", "code": "token_replayed"}
    assert answer["WWW-Authenticate"] == challenge("token_replayed")
    assert knock(raw)[0] == 200  # reading changes nothing
    assert [knock(api.token(), method=method)[0] for method in ("post", "put", "patch", "delete")] == [200] * 4


@pytest.mark.parametrize(
    ("protection", "gets", "posts"),
    [("off", [200, 200], [200, 200]), ("unsafe_methods", [200, 200], [200, 401]), ("all", [200, 401], [200, 401])],
)
def test_which_requests_use_a_token_up(api, knock, jwt_settings, protection, gets, posts):
    jwt_settings(CLIENT_REPLAY_PROTECTION=protection)
    one, other = api.token(), api.token()
    assert [knock(one)[0] for _ in range(2)] == gets
    assert [knock(other, method="post")[0] for _ in range(2)] == posts


def test_a_token_without_a_name_is_good_where_it_is_not_used_up(api, knock, jwt_settings):
    assert knock(api.token(jti=None))[0] == 200
    assert knock(api.token(jti=None), method="post")[0] == 401
    jwt_settings(CLIENT_REPLAY_PROTECTION="all")
    assert knock(api.token(jti=None))[0] == 401


def test_a_name_is_one_clients_alone(api, other, knock):
    assert [knock(each.token(jti="same"), method="post")[0] for each in (api, other, api)] == [200, 200, 401]


def test_a_name_is_used_up_whatever_else_the_token_says(api, knock):
    assert [knock(api.token(jti="same", scope=scope), method="post")[0] for scope in ("read", "write")] == [200, 401]


def test_what_is_refused_uses_nothing_up(api, knock, clock):
    now = int(time.time())
    for wrong in ({"aud": "other"}, {"exp": now - 20, "iat": now - 60}, {"sub": "other"}, {"htm": "GET"}):
        assert knock(api.token(jti="same", **wrong), method="post")[0] == 401
    head, claims, signature = api.token(jti="same").split(".")
    assert knock(f"{head}.{claims}.{signature[::-1]}", method="post")[0] == 401
    assert not UsedToken.objects.exists()
    assert knock(f"{head}.{claims}.{signature}", method="post")[0] == 200


def test_a_token_that_is_used_up_stays_so_until_it_is_dead(api, knock, clock):
    now = int(time.time())
    raw = api.token(iat=now, exp=now + 300)
    assert knock(raw, method="post")[0] == 200
    for _ in range(11):
        clock.shift(30)
        assert knock(raw, method="post")[0] == 401


def test_a_cache_of_used_tokens_that_is_down_is_503(client, api, settings, monkeypatch):
    monkeypatch.undo()  # this one opens a connection
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1"}}
    answer = client.bearer(api.token()).post("/who/")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "1")
    assert client.bearer(api.token()).get("/who/").status_code == 200


def test_the_unused_and_the_used_in_redis(client, api, settings, monkeypatch):
    monkeypatch.undo()
    with redis_server() as url:
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": url}}
        raw = api.token()
        assert [client.bearer(raw).post("/who/").status_code for _ in range(2)] == [200, 401]
        assert not UsedToken.objects.exists()
        caches["default"].close()
