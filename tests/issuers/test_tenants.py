"""Tenants with a schema each, in database mode: a token of one is refused at another."""

import json

import pytest
from django.db import connection, connections
from django.test import RequestFactory
from rest_framework.exceptions import AuthenticationFailed

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.jose.encoding import base64url_decode
from jwt_auth.models import ClientKey, UserSession
from jwt_auth.revocation import revoke_session
from jwt_auth.revocation.feed import pieces
from tests.support.api_clients import register
from tests.support.browser import Browser
from tests.support.clients import Client
from tests.support.queries import count_queries

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL has schemas")

FEED = "/auth/.well-known/revocations"


@pytest.fixture
def at(db, monkeypatch):
    """`at(name)` switches to the schema of a tenant, as packages for tenants do it. Both have the same empty tables."""
    monkeypatch.setattr(connections["default"], "schema_name", "public", raising=False)

    def switch(name):
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {name}")
        connections["default"].schema_name = name

    with connection.cursor() as cursor:
        for name in ("red", "blue"):
            cursor.execute(f"CREATE SCHEMA {name}")
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f'CREATE TABLE {name}."{table}" (LIKE public."{table}" INCLUDING ALL)')
    yield switch
    switch("public")


@pytest.fixture
def red(at, make_user):
    """A user of the tenant red."""
    at("red")
    return make_user("red")


@pytest.fixture
def blue(at, make_user, red):
    """A user of the tenant blue with the same key and more rights; the tests begin there."""
    at("blue")
    return make_user("blue", pk=red.pk, is_superuser=True)


@pytest.fixture
def signed_in(at, red, blue):
    """The tokens of red's user, in the body and in cookies."""
    at("red")
    try:
        return Client().tokens(red), Browser().sign_in(red)
    finally:
        at("blue")


def test_a_token_is_valid_only_at_its_tenant(at, signed_in):
    pair, browser = signed_in
    assert Client().get_me(pair["access_token"]).status_code == 401
    assert Client().refresh(pair["refresh_token"]).status_code == 401
    assert browser.me().status_code == 401
    Client().bearer(pair["access_token"]).send("logout/")
    Client().send("revoke/", {"token": pair["refresh_token"]})
    at("red")
    assert not Client().is_dead(pair)
    assert browser.me().status_code == 200


def test_a_verdict_that_a_request_remembers_counts_only_at_its_tenant(at, red, signed_in, jwt_settings):
    """As with a middleware that switches to the tenant of the token's user, and a view that authenticates again."""
    jwt_settings()  # the process may know that this database has one schema, which the fixture has changed
    request = RequestFactory().get("/", headers={"authorization": f"Bearer {signed_in[0]['access_token']}"})
    at("red")
    assert JWTAuthentication().authenticate(request)[0] == red
    assert count_queries(JWTAuthentication().authenticate, request)[0] == 0
    at("blue")
    with pytest.raises(AuthenticationFailed):
        JWTAuthentication().authenticate(request)


def test_a_client_is_known_at_its_tenant_and_the_use_of_its_key_is_noted_there(
    at, red, blue, settings, django_capture_on_commit_callbacks
):
    settings.ROOT_URLCONF = "tests.client_urls"
    clients = {}
    for tenant, user in (("red", red), ("blue", blue)):
        at(tenant)
        clients[tenant] = register(user)
    assert clients["red"].key.pk == clients["blue"].key.pk
    for tenant, api in clients.items():
        for other in ("red", "blue"):
            at(other)
            with django_capture_on_commit_callbacks(execute=True):
                answer = Client().bearer(api.token()).get("/client/")
            assert answer.status_code == (200 if other == tenant else 401)
        at(tenant)
        assert ClientKey.objects.get().last_used_at is not None, tenant


def test_the_feed_has_the_revocations_of_the_tenant(at, signed_in, jwt_settings, ec_settings, monkeypatch, clock):
    jwt_settings(**ec_settings)
    monkeypatch.setattr(pieces, "PAGE", 1)  # full pieces are kept for other readers
    at("red")
    for session in UserSession.objects.all():
        revoke_session(session.pk)
    numbers = []
    for tenant in ("red", "blue"):
        at(tenant)
        document = Client().get(FEED).content
        numbers.append(len(json.loads(base64url_decode(document.split(b".")[1].decode()))["events"]))
    assert numbers == [1, 0]
