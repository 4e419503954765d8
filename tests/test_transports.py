"""The Authorization header: a valid token of ours, an invalid one, or another scheme."""

import pytest
from django.test import RequestFactory

from jwt_auth import transports
from jwt_auth.exceptions import MalformedTokenError
from tests.support.answers import challenge


def request(header=None):
    return RequestFactory().get("/", **({} if header is None else {"HTTP_AUTHORIZATION": header}))


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER abc", "Bearer   abc", "Bearer abc \t"])
def test_a_bearer_token_is_found_whatever_the_case_of_the_scheme(header):
    assert transports.is_bearer(request(header))
    assert transports.bearer_token(request(header)) == "abc"


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Bearerabc", "Bear er", "abc Bearer", "JWT abc"])
def test_another_scheme_is_not_ours(header):
    assert not transports.is_bearer(request(header))
    assert transports.bearer_token(request(header)) is None


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "bearer\t", "Bearer a b", "Bearer\tabc", "Bearer a\x00b", "Bearer \xe9", "Bearer a, Basic b"],
)
def test_our_scheme_without_one_token_is_malformed(header):
    assert transports.is_bearer(request(header))
    with pytest.raises(MalformedTokenError):
        transports.bearer_token(request(header))


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer\tabc"])
def test_a_malformed_header_is_refused_where_another_scheme_is_passed_over(client, user, header):
    refused = client.get("/auth/me/", HTTP_AUTHORIZATION=header)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert refused["WWW-Authenticate"] == challenge("invalid_token")
    passed = client.get("/auth/me/", HTTP_AUTHORIZATION="Basic YTpi")
    assert (passed.status_code, passed.json()["code"]) == (401, "not_authenticated")
    assert passed["WWW-Authenticate"] == 'Bearer realm="api"'


def test_the_realm_is_a_setting(client, jwt_settings):
    jwt_settings(REALM="my api")
    assert client.get("/auth/me/")["WWW-Authenticate"] == 'Bearer realm="my api"'


def test_the_scheme_is_matched_in_any_case_over_http(client, user):
    token = client.tokens(user)["access_token"]
    assert client.get("/auth/me/", HTTP_AUTHORIZATION=f"bEARER  {token}").status_code == 200


@pytest.mark.parametrize("name", ["access_token", "token", "Authorization"])
def test_a_token_in_the_query_or_a_form_or_a_cookie_is_not_looked_at(client, user, name):
    token = client.tokens(user)["access_token"]
    assert client.get_me(token).status_code == 200
    assert client.get("/auth/me/", {name: token}).status_code == 401
    assert client.get("/auth/me/", {name: f"Bearer {token}"}).status_code == 401
    assert client.send("logout/all/", {name: token}).status_code == 401
    client.cookies[name] = token
    assert client.get("/auth/me/").status_code == 401


def test_the_answer_to_a_sign_in_is_that_of_rfc_6749(client, user):
    body = client.tokens(user)
    assert body["token_type"] == "Bearer"
    assert 285 <= body["expires_in"] <= 300
    assert body["refresh_expires_in"] == 14 * 86400
    assert client.cookies == {}
