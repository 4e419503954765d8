"""The classes for django-ninja, beside the requests in test_answers.py."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from jwt_auth import sessions
from jwt_auth.contrib.ninja import AccessCookieAuth, AccessTokenAuth
from tests.contrib.asynchronous.with_ninja import api
from tests.support.outages import outage

FORGED = {"origin": "https://evil.example.net", "sec-fetch-site": "cross-site"}


@pytest.fixture
def token(user):
    return sessions.start(user).access_token


def send(url, token, method="get"):
    client = AsyncClient(raise_request_exception=False)
    return async_to_sync(getattr(client, method))(url, headers={"authorization": f"Bearer {token}"})


def test_without_the_handlers_the_status_is_the_same(token):
    assert send("/bare-ninja/akey/", token).status_code == 200
    for sent, status in ((token[:-4], 401), ("", 401)):
        assert send("/bare-ninja/akey/", sent).status_code == status
    with outage():
        refused = send("/bare-ninja/akey/", token)
    assert refused.status_code == 503
    assert set(refused.json()) == {"detail"}
    forged = Client(enforce_csrf_checks=True)
    forged.cookies["__Host-Http-access"] = token
    assert forged.post("/bare-ninja/akey/", headers=FORGED, secure=True).status_code == 403


def test_an_error_of_the_operation_is_answered_as_before(token):
    assert send("/ninja/broken/", token).status_code == 500
    assert send("/ninja/misconfigured/", token).status_code == 500
    refused = send("/ninja/unauthenticated/", token)
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Bearer realm="api", error="invalid_token"')


def test_a_rate_by_user_counts_all_tokens_of_the_user(token, user, make_user):
    assert send("/ninja/throttled/", token).status_code == 200
    assert send("/ninja/throttled/", sessions.start(user).access_token).status_code == 429
    assert send("/ninja/throttled/", sessions.start(make_user("bob")).access_token).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_one_url_has_synchronous_and_asynchronous_operations(token, user, method):
    assert send("/ninja/mixed/", token, method).json() == {"user": str(user.pk)}


def test_a_synchronous_server_runs_both_kinds_of_operations(token, user):
    headers = {"authorization": f"Bearer {token}"}
    assert Client().get("/ninja/akey/", headers=headers).json() == {"user": str(user.pk)}
    assert Client().get("/ninja/name/", headers=headers).json() == {"user": user.get_username()}


def test_the_schema_says_how_to_authenticate(settings):
    schema = api.get_openapi_schema()
    assert schema["paths"]["/ninja/akey/"]["get"]["security"] == [{"AccessTokenAuth": []}, {"AccessCookieAuth": []}]
    schemes = schema["components"]["securitySchemes"]
    assert schemes["AccessTokenAuth"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert schemes["AccessCookieAuth"] == {"type": "apiKey", "in": "cookie", "name": "__Host-Http-access"}
    assert AccessTokenAuth().is_async
    assert AccessCookieAuth().is_async
