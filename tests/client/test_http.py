"""Tokens are sent with each request to the API, and with no other request: with requests and with httpx."""

import asyncio
import json

import httpx
import jwt
import pytest
import requests

from jwt_auth.client import ForeignOriginError
from jwt_auth.client.httpx import JWTAuth as HttpxAuth
from jwt_auth.client.requests import JWTAuth as RequestsAuth


def call_with_requests(signer, api, method, url, **more):
    with requests.Session() as session:
        session.trust_env = False
        session.auth = RequestsAuth(signer, api)
        return session.request(method, url, timeout=10, **more).json()["authorization"]


def call_with_httpx(signer, api, method, url, *, data=None, json=None):
    with httpx.Client(auth=HttpxAuth(signer, api), follow_redirects=True, trust_env=False) as client:
        return client.request(method, url, content=data, json=json).json()["authorization"]


def call_with_async_httpx(signer, api, method, url, *, data=None, json=None):
    async def call():
        auth = HttpxAuth(signer, api)
        async with httpx.AsyncClient(auth=auth, follow_redirects=True, trust_env=False) as client:
            return await client.request(method, url, content=data, json=json)

    return asyncio.run(call()).json()["authorization"]


@pytest.fixture(params=[call_with_requests, call_with_httpx, call_with_async_httpx], ids=lambda call: call.__name__)
def call(request):
    return request.param


def claims_in(authorization):
    scheme, token = authorization.split(" ")
    assert scheme == "Bearer"
    return jwt.decode(token, options={"verify_signature": False})


def test_a_request_brings_a_token(call, make_signer, servers):
    api, _ = servers
    assert claims_in(call(make_signer(), api, "GET", f"{api}/notes/"))["iss"] == "client_reports"


@pytest.mark.parametrize("body", [{"data": b'{"a": 1}'}, {"data": '{"a": 1}'}])
def test_a_bound_token_has_the_digest_of_the_body_that_is_sent(call, make_signer, servers, body):
    api, _ = servers
    signer = make_signer(bind=True)
    claims = claims_in(call(signer, api, "POST", f"{api}/notes/?a=b", **body))
    expected = jwt.decode(signer.token("POST", f"{api}/notes/", b'{"a": 1}'), options={"verify_signature": False})
    for name in ("htm", "htu", "content_digest"):
        assert claims[name] == expected[name]


def test_a_bound_token_of_a_request_without_a_body_has_the_digest_of_nothing(call, make_signer, servers):
    api, _ = servers
    claims = claims_in(call(make_signer(bind=True), api, "GET", f"{api}/notes/"))
    assert claims["content_digest"] == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"


def test_a_token_can_not_be_bound_to_a_body_that_requests_streams(make_signer, servers):
    api, _ = servers
    with pytest.raises(ValueError, match="streamed"):
        call_with_requests(make_signer(bind=True), api, "POST", api, data=iter([b"a"]))
    assert call_with_requests(make_signer(), api, "POST", api, files={"a": b"a"})


def test_a_redirect_to_another_origin_is_followed_without_the_token(call, make_signer, servers):
    api, other = servers
    assert call(make_signer(), api, "GET", f"{api}/to/{other}/notes/") is None
    assert call(make_signer(), api, "GET", f"{api}/to/{api}/notes/") is not None


def test_a_request_to_another_origin_is_not_sent(call, make_signer, servers):
    api, other = servers
    with pytest.raises(ForeignOriginError, match="is not sent to"):
        call(make_signer(), api, "GET", f"{other}/notes/")
    assert call(make_signer(), other, "GET", f"{other}/notes/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://api.example.com.evil.example/",
        "https://api.example.com@evil.example/",
        "https://api.example.com:8443/",
        "//api.example.com/",
    ],
)
def test_what_looks_like_the_api_is_not_it(make_signer, url):
    auth = RequestsAuth(make_signer(), "https://api.example.com")
    prepared = requests.PreparedRequest()
    prepared.prepare_headers({})
    prepared.method, prepared.url = "GET", url
    with pytest.raises(ForeignOriginError):
        auth(prepared)
    assert "Authorization" not in prepared.headers
    prepared.url = "https://API.example.com:443/notes/"
    assert auth(prepared).headers["Authorization"].startswith("Bearer ")


@pytest.mark.parametrize("auth", [RequestsAuth, HttpxAuth], ids=["requests", "httpx"])
def test_an_api_is_reached_by_https_or_on_this_machine(make_signer, auth):
    for good in ("https://api.example.com/v1/", "http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000"):
        assert auth(make_signer(), good)
    for bad in ("http://api.example.com", "http://10.0.0.1", "http://localhost.example.com", "ftp://[::1]", "x", ""):
        with pytest.raises(ValueError, match="https"):
            auth(make_signer(), bad)


def test_no_token_is_shown(make_signer):
    for auth in (RequestsAuth(make_signer(), "https://a.example"), HttpxAuth(make_signer(), "https://a.example")):
        token = auth.signer.token()
        assert token not in repr(auth)
        assert token not in json.dumps(vars(auth), default=repr)
