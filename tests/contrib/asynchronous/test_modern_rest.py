"""The classes for django-modern-rest, beside the requests in test_answers.py."""

import pytest

pytest.importorskip("dmr", reason="django-modern-rest needs Python 3.11")

from asgiref.sync import async_to_sync
from django.test import AsyncClient
from dmr.openapi import build_schema
from dmr.routing import Router

from jwt_auth import sessions
from tests.contrib.asynchronous import with_modern_rest


def test_an_error_of_the_endpoint_is_answered_as_before(user):
    headers = {"authorization": f"Bearer {sessions.start(user).access_token}"}
    client = AsyncClient(raise_request_exception=False)
    assert async_to_sync(client.get)("/modern-rest/broken/", headers=headers).status_code == 500
    assert async_to_sync(client.get)("/modern-rest/misconfigured/", headers=headers).status_code == 500


def test_the_schema_says_how_to_authenticate_and_what_is_answered():
    schema = build_schema(Router("", with_modern_rest.urlpatterns)).convert()
    for url in ("/akey/", "/name/"):
        operation = schema["paths"][url]["get"]
        assert operation["security"] == [{"jwtAuth": []}, {"jwtCookieAuth": []}]
        assert {"200", "401", "403", "503"} <= set(operation["responses"])
        assert "Retry-After" in operation["responses"]["503"]["headers"]
    schemes = schema["components"]["securitySchemes"]
    assert schemes["jwtAuth"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert schemes["jwtCookieAuth"] == {"type": "apiKey", "in": "cookie", "name": "__Host-Http-access"}
