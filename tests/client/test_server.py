"""The server accepts the tokens of the signer: with each kind of key, reused or not, bound to requests or not."""

import asyncio

import httpx
import pytest
import requests

from jwt_auth.client.httpx import JWTAuth as HttpxAuth
from jwt_auth.client.requests import JWTAuth as RequestsAuth
from tests.support.api_clients import register

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.client_urls")]


def with_requests(signer, api, requests_made):
    with requests.Session() as session:
        session.trust_env = False
        session.auth = RequestsAuth(signer, api)
        return [session.request(method, api + path, timeout=10, **body) for method, path, body in requests_made]


def with_httpx(signer, api, requests_made):
    with httpx.Client(base_url=api, auth=HttpxAuth(signer, api), trust_env=False) as client:
        return [client.request(method, path, **body) for method, path, body in requests_made]


def with_async_httpx(signer, api, requests_made):
    async def call():
        async with httpx.AsyncClient(base_url=api, auth=HttpxAuth(signer, api), trust_env=False) as client:
            return [await client.request(method, path, **body) for method, path, body in requests_made]

    return asyncio.run(call())


@pytest.fixture(params=[with_requests, with_httpx, with_async_httpx], ids=lambda way: way.__name__)
def send(request, api_server):
    """`send(signer, (method, path, body), ...)` returns the status and code of each answer."""

    def send_all(signer, *requests_made):
        answers = request.param(signer, api_server.url, requests_made)
        return [(answer.status_code, answer.json().get("code")) for answer in answers]

    return send_all


READ, WRITE = ("GET", "/who/", {}), ("POST", "/who/", {"json": {"text": "ü"}})
OK, REPLAYED = (200, None), (401, "token_replayed")


@pytest.mark.parametrize("kind", ["secret", "rsa_key", "ec_key", "ed_key"])
def test_each_kind_of_key_is_let_in(send, user, request, kind):
    private = None if kind == "secret" else request.getfixturevalue(kind)
    assert send(register(user, private=private).signer(), READ, WRITE) == [OK, OK]


@pytest.mark.parametrize(
    ("protection", "reuse"), [("off", "always"), ("unsafe_methods", "safe_methods"), ("all", "never")]
)
def test_a_signer_that_knows_the_server_is_never_taken_for_a_replay(send, user, jwt_settings, protection, reuse):
    jwt_settings(CLIENT_REPLAY_PROTECTION=protection)
    assert send(register(user).signer(reuse=reuse), READ, READ, WRITE, WRITE, READ) == [OK] * 5


def test_a_signer_that_shares_too_much_is(send, user):
    """The control: the tests above pass because the signer shares less."""
    assert send(register(user).signer(reuse="always"), READ, WRITE, WRITE) == [OK, OK, REPLAYED]


BOUND = [
    ("GET", "/bound/?page=2", {}),
    ("POST", "/bound/", {"json": {"text": "ü"}}),
    ("PUT", "/bound/?a=%2F", {"data": {"text": "ü &="}}),
    ("DELETE", "/bound/", {}),
]


def test_bound_tokens_fit_their_requests(send, user):
    assert send(register(user).signer(bind=True), *BOUND) == [OK] * 4


def test_tokens_that_are_not_bound_are_refused_there(send, user):
    assert send(register(user).signer(), *BOUND) == [(401, "invalid_token")] * 4


def test_a_narrowed_token_has_the_scopes_that_it_names(send, user):
    client = register(user, scopes="read write")
    paths = [("GET", "/read/", {}), ("GET", "/write/", {})]
    assert send(client.signer(), *paths) == [OK, OK]
    assert send(client.signer(scope="read"), *paths) == [OK, (403, "insufficient_scope")]
