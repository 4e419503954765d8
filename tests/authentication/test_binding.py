"""Tokens that are bound to one request, and every other request."""

import hashlib
from base64 import b64encode

import pytest
from django.core.exceptions import DisallowedHost
from django.test import RequestFactory

from jwt_auth.authentication.binding import check_binding
from jwt_auth.exceptions import BodyTooLargeError, InvalidClaimError

URI = "http://testserver/notes/1/"
BODY = b'{"text": "hello"}'


def digest(body=BODY, name="sha-256"):
    return f"{name}=:{b64encode(hashlib.new(name.replace('-', ''), body).digest()).decode()}:"


def request(method="POST", path="/notes/1/", body=BODY, content_type="application/json", **extra):
    return RequestFactory().generic(method, path, body, content_type=content_type, **extra)


def bound(**changes):
    claims = {"htm": "POST", "htu": URI, "content_digest": digest(), **changes}
    return {name: value for name, value in claims.items() if value is not None}


def refused(claims, came=None, *, required=True):
    """Return the name of the claim that refuses the request, or None."""
    try:
        check_binding(claims, came or request(), required=required)
    except InvalidClaimError as error:
        return error.claim
    return None


def test_the_request_that_it_was_made_for_passes():
    assert refused(bound()) is None


@pytest.mark.parametrize("claim", ["htm", "htu", "content_digest"])
def test_each_must_be_there_where_it_is_required_and_nowhere_else(claim):
    assert refused(bound(**{claim: None})) == claim
    assert refused(bound(**{claim: None}), required=False) is None


def test_what_is_not_required_is_compared_all_the_same():
    for claim, wrong in {"htm": "GET", "htu": "http://testserver/", "content_digest": digest(b"other")}.items():
        assert refused({claim: wrong}, required=False) == claim
        assert refused({claim: bound()[claim]}, required=False) is None
    assert refused({}, required=False) is None


@pytest.mark.parametrize("value", ["", None, 1, 1.5, True, [], ["POST"], {}, {"a": 1}, "\0", "9" * 400, "x" * 5000])
@pytest.mark.parametrize("claim", ["htm", "htu", "content_digest"])
def test_a_value_of_any_type_refuses(claim, value):
    for required in (True, False):
        assert refused({**bound(), claim: value}, required=required) == claim


@pytest.mark.parametrize("method", ["post", "GET", "PUT", "POST ", "POSTS"])
def test_another_method(method):
    assert refused(bound(htm=method)) == "htm"


SAME = {
    "query": URI + "?a=1",
    "fragment": URI + "#a",
    "both": URI + "?a=1#b",
    "capitals": "HTTP://TestServer/notes/1/",
    "port": "http://testserver:80/notes/1/",
    "empty port": "http://testserver:/notes/1/",
    "percent": "http://testserver/%6eotes/%31/",
}
OTHER = {
    "scheme": "https://testserver/notes/1/",
    "host": "http://testserver.example/notes/1/",
    "port": "http://testserver:8000/notes/1/",
    "path": "http://testserver/notes/2/",
    "no slash": "http://testserver/notes/1",
    "capitals": "http://testserver/Notes/1/",
    "two slashes": "http://testserver//notes/1/",
    "dots": "http://testserver/notes/1/../1/",
    "no scheme": "//testserver/notes/1/",
    "path alone": "/notes/1/",
    "credentials": "http://testserver@evil/notes/1/",
    "user": "http://user@testserver/notes/1/",
    "bad port": "http://testserver:x/notes/1/",
    "huge port": "http://testserver:99999/notes/1/",
    "400 digits": f"http://testserver:{'9' * 400}/notes/1/",
    "half an address": "http://[::1/notes/1/",
    "space": " http://testserver/notes/1/",
    "tab inside": "http://test\tserver/notes/1/",
    "newline": "http://testserver/notes/1/\n",
    "not ASCII": "http://testserver/notes/1/\u00e9",
    "fullwidth": "http://testserver\uff0fnotes/1/",
}


@pytest.mark.parametrize("uri", SAME.values(), ids=SAME)
def test_another_spelling_of_the_same_uri(uri):
    assert refused(bound(htu=uri)) is None


@pytest.mark.parametrize("uri", OTHER.values(), ids=OTHER)
def test_another_uri(uri):
    assert refused(bound(htu=uri)) == "htu"


def test_the_query_of_the_request_is_not_compared():
    assert refused(bound(), request(path="/notes/1/?page=2")) is None


@pytest.mark.parametrize("path", ["/caf%C3%A9/", "/a%20b/", "/a%2Fb/", "/a+b/", "/a'b()!*,;=:@/", "/%E4/", "/100%25/"])
def test_a_path_with_anything_in_it(path):
    came = request(path=path)
    assert refused(bound(htu=f"http://testserver{path}"), came) is None
    assert refused(bound(htu=f"http://testserver{path}x"), came) == "htu"


def test_the_root_may_be_left_out():
    assert refused(bound(htu="http://testserver"), request(path="/")) is None


def test_behind_a_proxy_it_is_what_the_client_called(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.USE_X_FORWARDED_HOST = True
    extra = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "api.example.com"}
    assert refused(bound(htu="https://api.example.com/notes/1/"), request(**extra)) is None
    assert refused(bound(htu=URI), request(**extra)) == "htu"


def test_a_host_that_is_not_ours_is_djangos_to_refuse(settings):
    settings.ALLOWED_HOSTS = ["api.example.com"]
    with pytest.raises(DisallowedHost):
        refused(bound())


# The body


def test_either_hash_and_both_together():
    strong, both = digest(name="sha-512"), f"{digest()}, {digest(name='sha-512')}"
    assert [refused(bound(content_digest=value)) for value in (strong, both)] == [None, None]
    assert refused(bound(content_digest=f"{digest()}, {digest(b'other', 'sha-512')}")) == "content_digest"


def test_a_hash_that_is_broken_or_unknown_proves_nothing():
    assert refused(bound(content_digest="md5=:AAAA:")) == "content_digest"
    assert refused(bound(content_digest=f"md5=:AAAA:,{digest()}")) is None


@pytest.mark.parametrize(
    "value", ["sha-256", "sha-256=", "sha-256=:", "sha-256=:A:", "sha-256=::", "sha-256=AAAA", ",", digest() + ",", "="]
)
def test_what_is_no_digest(value):
    assert refused(bound(content_digest=value)) == "content_digest"


@pytest.mark.parametrize("body", [b"", BODY + b" ", BODY[:-1], BODY.upper()])
def test_another_body(body):
    assert refused(bound(), request(body=body)) == "content_digest"


def test_without_a_body_none_needs_to_be_named():
    assert refused(bound(content_digest=None, htm="GET"), request("GET", body=b"")) is None
    assert refused(bound(content_digest=digest(b""), htm="GET"), request("GET", body=b"")) is None
    assert refused(bound(htm="GET"), request("GET", body=b"")) == "content_digest"


def test_a_body_in_chunks_that_django_does_not_see_can_not_be_compared():
    chunked = {"body": b"", "HTTP_TRANSFER_ENCODING": "chunked"}
    for claim in (None, digest(b""), digest()):
        assert refused(bound(content_digest=claim), request(**chunked)) == "content_digest"
    assert refused(bound(), request(HTTP_TRANSFER_ENCODING="chunked")) is None  # the control: ASGI shows it
    assert refused({"htm": "POST"}, request(**chunked), required=False) is None  # the token does not bind the body


def test_a_body_that_was_read_before_can_not_be_compared():
    came = request()
    came.read(1)
    assert refused(bound(), came) == "content_digest"


def test_a_body_that_is_too_large_is_said_to_be(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(BODY)
    assert refused(bound()) is None
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(BODY) - 1
    with pytest.raises(BodyTooLargeError):
        refused(bound())
