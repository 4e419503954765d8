"""System checks of views that accept clients' tokens, each with a control: the right setting."""

from types import ModuleType

import pytest
from django.core import checks
from django.db import connection
from django.test import override_settings
from django.urls import include, path
from rest_framework.authentication import SessionAuthentication
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from jwt_auth.authentication import (
    ClientJWTAuthentication,
    JWTAuthentication,
    JWTCookieAuthentication,
    UserOrClientJWTAuthentication,
)
from jwt_auth.checks.clients import check_client_authentication, check_used_tokens
from tests.urls import urlpatterns as usual_urls

REDIS = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


@pytest.fixture
def serve(settings):
    """`serve(*classes)` adds a view that authenticates with these classes."""

    def change(*classes, view=APIView):
        module = ModuleType("served")
        served = type("Served", (view,), {"authentication_classes": classes, "list": lambda self, request: None})
        callback = served.as_view({"get": "list"}) if view is ViewSet else served.as_view()
        module.urlpatterns = [*usual_urls, path("api/", include([path("served/", callback)]))]
        settings.ROOT_URLCONF = module

    return change


def found():
    messages = check_client_authentication() + check_used_tokens()
    assert all(message.hint for message in messages)
    return [message.id.removeprefix("jwt_auth.") for message in messages]


def test_without_clients_nothing_is_said(settings, jwt_settings):
    settings.ROOT_URLCONF = "jwt_auth.urls"  # its `me` accepts clients
    settings.CACHES = {"default": LOCAL}
    for protection in ("off", "all"):
        jwt_settings(CLIENT_REPLAY_PROTECTION=protection)
        assert found() == []


@pytest.mark.parametrize("view", [APIView, ViewSet])
@pytest.mark.parametrize(
    ("classes", "ids"),
    [
        ([JWTAuthentication, ClientJWTAuthentication], ["E053"]),
        ([ClientJWTAuthentication, JWTAuthentication], ["E053"]),
        ([ClientJWTAuthentication.with_binding(), SessionAuthentication, JWTAuthentication], ["E053"]),
        ([UserOrClientJWTAuthentication], []),
        ([UserOrClientJWTAuthentication, JWTCookieAuthentication, SessionAuthentication], []),
        ([ClientJWTAuthentication], []),
        ([JWTAuthentication, JWTCookieAuthentication], []),
    ],
)
def test_two_classes_that_refuse_each_others_tokens_are_e053(serve, settings, classes, ids, view):
    settings.CACHES = {"default": REDIS}
    serve(*classes, view=view)
    assert found() == ids


@pytest.mark.parametrize("revocation", ["none", "memory", "database"])
@pytest.mark.parametrize(
    ("found_class", "lets_clients_in"),
    [
        (ClientJWTAuthentication, True),
        (UserOrClientJWTAuthentication, True),
        (ClientJWTAuthentication.with_revocation("database"), True),
        (JWTAuthentication, False),
    ],
    ids=["clients", "users or clients", "clients who ask the database", "users"],
)
def test_clients_whose_keys_are_not_looked_up_are_e054(serve, jwt_settings, revocation, found_class, lets_clients_in):
    jwt_settings(REVOCATION=revocation)
    serve(found_class)
    said = [message.id for message in check_client_authentication() if message.msg.startswith("Served has")]
    assert said == (["jwt_auth.E054"] if lets_clients_in and revocation == "none" else [])


def test_it_says_where_they_are(serve, settings):
    serve(JWTAuthentication, ClientJWTAuthentication)
    (message,) = check_client_authentication()
    assert message.msg.startswith("Served has")


def test_the_defaults_are_looked_at_as_well(settings):
    both = ["jwt_auth.authentication.JWTAuthentication", "jwt_auth.authentication.ClientJWTAuthentication"]
    settings.CACHES = {"default": REDIS}
    with override_settings(REST_FRAMEWORK={**settings.REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": both}):
        assert found() == ["E053"]
    with override_settings(REST_FRAMEWORK={**settings.REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": both[1:]}):
        assert found() == []


def test_rows_that_an_error_undoes_are_w053(serve, settings, jwt_settings, monkeypatch):
    serve(ClientJWTAuthentication)
    jwt_settings(REPLAY_CACHE=None)
    assert found() == []
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert found() == ["W053"]
    jwt_settings(CLIENT_REPLAY_PROTECTION="off")
    assert found() == ["W055"]


def test_a_cache_that_is_not_shared_is_w054(serve, settings, jwt_settings):
    serve(ClientJWTAuthentication)
    settings.CACHES = {"default": LOCAL}
    assert found() == ["W054"]
    assert "LocMemCache" in check_used_tokens()[0].msg
    jwt_settings(REPLAY_CACHE=None)
    assert found() == []
    jwt_settings(REPLAY_CACHE="default")
    for backend in (REDIS, {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}):
        settings.CACHES = {"default": backend}
        assert found() == []


def test_no_protection_is_w055(serve, settings, jwt_settings):
    settings.CACHES = {"default": REDIS}
    serve(ClientJWTAuthentication)
    jwt_settings(CLIENT_REPLAY_PROTECTION="off")
    assert found() == ["W055"]


def test_urls_that_can_not_be_imported_are_djangos_to_name(settings):
    settings.ROOT_URLCONF = "there.is.no.such.module"
    assert found() == []


def test_settings_that_can_not_be_read_are_named_elsewhere(serve, settings):
    serve(JWTAuthentication, ClientJWTAuthentication)
    settings.JWT_AUTH = {"ISSUERS": "typo"}
    assert found() == []


def test_they_run_with_the_others(serve, settings):
    settings.CACHES = {"default": LOCAL}
    serve(JWTAuthentication, ClientJWTAuthentication)
    assert "jwt_auth.E053" in {message.id for message in checks.run_checks()}
    assert "jwt_auth.W054" in {message.id for message in checks.run_checks(include_deployment_checks=True)}
