"""
A client's requests: tokens are bound to them and used up by one of two, and the requests are counted and recorded.
"""

import hashlib
import json
from base64 import b64encode
from datetime import timedelta
from threading import Event

import pytest
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, transaction
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from rest_framework import permissions

from jwt_auth import clients
from jwt_auth.authentication import classes
from jwt_auth.client import signer
from jwt_auth.http import csrf
from jwt_auth.keyring.usage import WRITE_EVERY
from jwt_auth.models import ClientKey, RegisteredClient
from tests.support.api_clients import register
from tests.support.clients import Client
from tests.support.clocks import NOW
from tests.support.outages import outage
from tests.support.queries import Queries
from tests.support.redis_server import redis_server

pytestmark = pytest.mark.urls("tests.client_urls")

BODY = b'{"text": "hello"}'


def digest(body):
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"


def bound(path, body=BODY, method="POST", **changes):
    return {"htm": method, "htu": f"http://testserver{path}", "content_digest": digest(body), **changes}


def post(client, raw, path="/bound/", body=BODY, **extra):
    return client.bearer(raw).generic("POST", path, body, content_type="application/json", **extra)


# Binding


def test_a_view_can_ask_for_bound_tokens(client, api):
    assert post(client, api.token(**bound("/bound/"))).json()["data"] == {"text": "hello"}
    assert post(client, api.token()).status_code == 401
    assert post(client, api.token(), "/who/").status_code == 200  # the control: other views do not check it


def test_a_client_can_be_held_to_bound_tokens(client, api, user):
    strict = register(user, requires_binding=True)
    for path, status in (("/who/", 200), ("/bound/", 401)):
        assert post(client, strict.token(**bound("/who/")), path).status_code == status
    assert post(client, strict.token(), "/who/").status_code == 401
    clients.change(strict.row, requires_binding=False, actor=None)
    assert post(client, strict.token(), "/who/").status_code == 200


@pytest.mark.parametrize(
    "changes", [{"htm": "PUT"}, {"htu": "http://testserver/who/"}, {"content_digest": digest(b"")}]
)
def test_a_bound_token_is_for_one_request_also_where_binding_is_optional(client, api, changes):
    for path in ("/bound/", "/anyone/"):
        assert post(client, api.token(**bound(path, **changes)), path).status_code == 401
        assert post(client, api.token(**bound(path)), path).status_code == 200


def test_reading_needs_no_digest(client, api):
    for claims in ({"content_digest": None}, {"content_digest": digest(b"")}):
        raw = api.token(**{**bound("/bound/", b"", "GET"), **claims})
        assert client.bearer(raw).get("/bound/?page=2").status_code == 200
        assert client.bearer(raw).head("/bound/").status_code == 401


def test_a_refused_binding_does_not_use_the_token_up(client, api):
    raw = api.token(**bound("/bound/"))
    assert post(client, raw, body=b"{}").status_code == 401
    assert [post(client, raw).status_code for _ in range(2)] == [200, 401]


def test_forms_and_files_are_parsed_after_their_digest_was_compared(client, api):
    upload = {"text": "hello", "file": SimpleUploadedFile("a.txt", b"content")}
    body = encode_multipart(BOUNDARY, upload)
    raw = api.token(**bound("/bound/", body))
    answer = client.bearer(raw).generic("POST", "/bound/", body, content_type=MULTIPART_CONTENT)
    assert answer.status_code == 200
    assert answer.json()["data"]["text"] == "hello"


@pytest.mark.parametrize("handler", ["jwt_auth.responses.exception_handler", "rest_framework.views.exception_handler"])
def test_a_body_that_is_too_large_to_be_compared_is_413(client, api, settings, handler):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": handler}
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    large = json.dumps({"text": "x" * 100}).encode()
    answer = post(client, api.token(**bound("/bound/", large)), body=large)
    assert answer.status_code == 413
    assert answer.json()["detail"].startswith("The body is too large")
    assert answer.json().get("code") == ("body_too_large" if "jwt_auth" in handler else None)
    assert post(client, api.token(**bound("/bound/"))).status_code == 200


# One of two


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_once_one_is_let_in(user, at_once):
    api = register(user)
    for _ in range(10):
        raw = api.token()
        assert sorted(at_once(*[lambda raw=raw: post(Client(), raw, "/who/").status_code] * 2)) == [200, 401]


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_once_one_is_let_in_with_a_cache(user, at_once, settings):
    with redis_server() as url:
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url},
        }
        api = register(user)
        for _ in range(10):
            raw = api.token()
            assert sorted(at_once(*[lambda raw=raw: post(Client(), raw, "/who/").status_code] * 2)) == [200, 401]
        caches["default"].close()


# The last use

MINUTE = timedelta(seconds=WRITE_EVERY)


@pytest.fixture
def forward(clock, ticks):
    """`forward(seconds)` moves all clocks."""

    def move(seconds):
        clock.shift(seconds)
        ticks.forward(seconds)

    return move


def last_used(api):
    key, row = ClientKey.objects.get(pk=api.key.pk), RegisteredClient.objects.get(pk=api.row.pk)
    assert key.last_used_at == row.last_used_at
    return key.last_used_at


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["database", "memory"])
def test_the_last_use_is_written_once_a_minute(client, api, forward, jwt_settings, mode):
    jwt_settings(REVOCATION=mode, REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    assert last_used(api) is None
    assert client.bearer(api.token()).get("/who/").status_code == 200
    assert last_used(api) == NOW
    forward(59)
    with Queries() as queries:
        assert client.bearer(api.token()).get("/who/").status_code == 200
    assert len(queries.statements) == 1  # the client's row, or what was revoked
    assert last_used(api) == NOW
    forward(1)
    assert client.bearer(api.token()).get("/who/").status_code == 200
    assert last_used(api) == NOW + MINUTE


@pytest.mark.django_db(transaction=True)
def test_what_another_process_has_just_written_stands(client, api, clock):
    ClientKey.objects.update(last_used_at=NOW - MINUTE / 3)
    RegisteredClient.objects.update(last_used_at=NOW - MINUTE / 3)
    assert client.bearer(api.token()).get("/who/").status_code == 200
    assert last_used(api) == NOW - MINUTE / 3


@pytest.mark.django_db(transaction=True)
def test_an_older_time_of_another_process_is_replaced(client, api, clock):
    ClientKey.objects.update(last_used_at=NOW - MINUTE * 2 / 3)
    RegisteredClient.objects.update(last_used_at=NOW - MINUTE * 2 / 3)
    assert client.bearer(api.token()).get("/who/").status_code == 200
    assert last_used(api) == NOW


@pytest.mark.django_db(transaction=True)
def test_what_is_refused_is_no_use(client, api):
    assert client.bearer(api.token(aud="other")).get("/who/").status_code == 401
    assert client.bearer(api.token(htm="PUT")).get("/who/").status_code == 401
    assert last_used(api) is None


@pytest.mark.django_db(transaction=True)
def test_a_use_that_can_not_be_written_stops_nobody(client, api, forward, count):
    def writes_it(sql):
        return "last_used_at" in sql.partition("WHERE")[0] and not sql.startswith("SELECT")

    with outage(OperationalError("read only"), of=writes_it):
        assert client.bearer(api.token()).get("/who/").status_code == 200
        assert count(client.bearer(api.token()).get, "/who/")[0] == 1  # and is not tried again at once
    assert last_used(api) is None
    forward(60)
    assert client.bearer(api.token()).get("/who/").status_code == 200
    assert last_used(api) == NOW + MINUTE


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_stops_nobody(user, at_once):
    api, held, go_on = register(user), Event(), Event()

    def hold():
        with transaction.atomic():
            list(ClientKey.objects.select_for_update().filter(pk=api.key.pk))
            list(RegisteredClient.objects.select_for_update().filter(pk=api.row.pk))
            held.set()
            assert go_on.wait(60)

    def come():
        try:
            assert held.wait(60)
            return Client().bearer(api.token()).get("/who/").status_code
        finally:
            go_on.set()

    assert at_once(hold, come) == [None, 200]
    assert last_used(api) is None


# Query counts


@pytest.fixture
def rate(settings):
    def change(value):
        rates = {"jwt_auth_client": value}
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}

    return change


def test_each_client_has_a_budget_of_its_own(client, api, user, rate):
    rate("2/min")
    other = register(user)
    for method in ("get", "post"):
        raw = api.token()
        assert getattr(client.bearer(raw), method)("/throttled/").status_code == 200
    answer = client.bearer(api.token()).get("/throttled/", REMOTE_ADDR="203.0.113.9")
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert client.bearer(other.token()).get("/throttled/").status_code == 200
    mine = client.tokens(user)["access_token"]
    assert [client.bearer(mine).get("/throttled/").status_code for _ in range(4)] == [200] * 4


def test_none_counts_nothing(client, api, rate):
    rate(None)
    assert {client.bearer(api.token()).get("/throttled/").status_code for _ in range(5)} == {200}


def test_while_the_cache_fails_the_requests_of_clients_are_not_counted(client, api, settings, log):
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1"}}
    assert client.bearer(api.token()).get("/throttled/").status_code == 200
    assert "request_uncounted" in [record.event for record in log()]


def test_fewer_checks_are_for_the_methods_that_only_read():
    """TRACE is safe by RFC 9110, but its tokens are single-use and never judged by stale data. Clients agree."""
    assert set(permissions.SAFE_METHODS) == classes.READ_METHODS == csrf.SAFE_METHODS - {"TRACE"} == set(signer._SAFE)
