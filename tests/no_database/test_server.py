"""A server without a database: its verdicts on tokens, and its answers to requests that would need a database."""

import json
import re
import time
from io import StringIO

import jwt
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections
from jwt.algorithms import ECAlgorithm
from rest_framework.test import APIRequestFactory

from jwt_auth import urls
from jwt_auth.jose import tokens
from jwt_auth.keyring.stored import own_keys
from jwt_auth.principals import ClaimsUser
from jwt_auth.verification import verify
from tests.no_database.urls import OpenView

SERVER1, SERVER2 = "https://server1.example", "https://server2.example"


def claims(**changes):
    now = int(time.time())
    return {"iss": SERVER1, "aud": SERVER2, "sub": "alice", "iat": now, "exp": now + 60, **changes}


@pytest.fixture
def sign():
    key = ECAlgorithm.from_jwk(json.dumps(settings.ISSUER_KEY))
    return lambda **changes: jwt.encode(claims(**changes), key, "ES256", headers={"typ": "at+jwt"})


@pytest.fixture
def own():
    """A token that another server made with the key that this one derives from SECRET_KEY."""
    moment = time.time()
    return tokens.encode(
        claims(iss=SERVER2, client_id="app", sid="0" * 32, jti="x", auth_time=moment), own_keys().signing, "at+jwt"
    )


def test_there_is_no_database():
    assert connections["default"].settings_dict["ENGINE"] == "django.db.backends.dummy"


@pytest.mark.parametrize("arguments", [[], ["--deploy"], ["--deploy", "--database", "default"]])
def test_the_checks_ask_for_none(arguments):
    said = StringIO()
    call_command("check", *arguments, stdout=said, stderr=said)
    assert "jwt_auth.E" not in said.getvalue()


def test_they_say_what_would_need_one(settings):
    users = {"KEYS": settings.PUBLIC_KEY, "ALGORITHMS": ["ES256"], "PRINCIPAL": "user", "USER_FIELD": "username"}
    good = settings.JWT_AUTH
    for changes in (
        {"REVOCATION": "database"},
        {"REVOCATION": "memory"},
        {"REVOCATION": "memory", "KEYS": "database", "ALGORITHM": "ES256"},
        {"TRUSTED_ISSUERS": {SERVER1: {"KEYS": settings.PUBLIC_KEY, "ALGORITHMS": ["ES256"], "ONE_TIME": True}}},
        {"TRUSTED_ISSUERS": {SERVER1: users}},
    ):
        settings.JWT_AUTH = {**good, **changes}
        with pytest.raises(SystemCheckError, match=r"jwt_auth\.E084"):
            call_command("check")


def test_a_token_of_the_issuer_is_good(client, sign):
    answer = client.bearer(sign(scope="read write")).get("/open/")
    assert answer.json() == {"user": "alice", "pk": verify(sign()).user.pk, "scopes": ["read", "write"]}
    assert client.get("/open/").status_code == 401
    assert client.bearer(sign(aud=SERVER1)).get("/open/").status_code == 401
    assert client.bearer(sign(exp=1)).get("/open/").json()["code"] == "token_expired"


def test_one_of_ours_is_good_until_it_expires(client, own):
    assert client.bearer(own).get("/open/").json()["user"] == "alice"


def test_a_view_that_asks_for_more_gets_what_there_is(client, sign, own):
    """Sessions of the issuer are not in our database anyway; tokens of our own would require one."""
    assert client.bearer(sign()).get("/strict/").status_code == 200
    assert client.bearer(own).get("/strict/").json()["code"] == "unavailable"


def test_a_single_use_token_needs_something_to_remember_it_by(client, sign):
    """REPLAY_CACHE must name a cache that all machines share; without it every such token is refused."""
    assert client.bearer(sign(jti="x", one_time=True)).get("/open/").json()["code"] == "unavailable"


@pytest.mark.parametrize(("path", "status"), [("/scoped/", 200), ("/admin-only/", 403), ("/plain/", 200)])
def test_permissions_and_plain_views(client, sign, path, status):
    assert client.bearer(sign(scope="read")).get(path).status_code == status


@pytest.mark.parametrize("path", ["/scoped/", "/plain/"])
def test_a_scope_that_is_missing(client, sign, path):
    assert client.bearer(sign()).get(path).json()["code"] == "insufficient_scope"


def test_throttles_count_each_subject_of_each_issuer_for_itself(client, sign, own):
    alice, bob = client.bearer(sign()), client.bearer(sign(sub="bob"))
    assert [alice.get("/throttled/").status_code for _ in range(3)] == [200, 200, 429]
    assert bob.get("/throttled/").status_code == 200
    assert client.bearer(own).get("/throttled/").status_code == 200


def test_the_browsable_api_shows_it(sign):
    request = APIRequestFactory().get("/open/", HTTP_AUTHORIZATION=f"Bearer {sign()}", HTTP_ACCEPT="text/html")
    response = OpenView.as_view()(request).render()
    assert response.status_code == 200
    assert b"alice" in response.content


def test_who_it_is(sign):
    user = verify(sign()).user
    assert isinstance(user, ClaimsUser)
    assert list(user.groups.all()) == list(user.user_permissions.filter(codename="x")) == []
    assert (user.groups.count(), user.groups.filter(name="x").exists(), user.groups.first()) == (0, False, None)


# The endpoints of the app.

ANSWERS = {
    "login/": 503,
    "refresh/": 401,  # a token that is not a refresh token is refused without a query
    "logout/": 204,
    "logout/all/": 403,
    "revoke/": 200,
    "revoke/user/": 403,
    "verify/": 401,
}
BODY = {"username": "alice", "password": "x", "refresh_token": "x", "token": "x", "user": "1"}


@pytest.mark.parametrize(("path", "status"), ANSWERS.items())
def test_what_an_endpoint_says(client, sign, path, status):
    assert client.bearer(sign()).send(path, BODY).status_code == status


@pytest.mark.parametrize("route", [str(found.pattern) for found in urls.urlpatterns])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_no_endpoint_breaks(client, sign, route, method):
    """Endpoints that would need a database answer 503, and never 500."""
    path = re.sub(r"<uuid:\w+>", "00000000-0000-0000-0000-000000000000", route)
    path = re.sub(r"<[^>]+>", "1", path)
    for prefix in ("/auth/", "/auth/browser/"):
        answer = client.bearer(sign()).send(prefix + path, BODY, method)
        assert answer.status_code < 500 or answer.json()["code"] == "unavailable"


def test_signing_out_with_one_of_ours_would_need_one(client, own):
    for answer in (client.bearer(own).send("logout/"), client.send("revoke/", {"token": own})):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_who_it_is_by_the_endpoint(client, sign):
    answer = client.get_me(sign(sid="theirs", client_id="app")).json()
    assert answer["user"] == {"iss": SERVER1, "sub": "alice"}
    assert (answer["session"], answer["client_id"]) == ("theirs", "app")
