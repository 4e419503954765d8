"""Bodies are parsed as strictly as tokens."""

import io
import json

import pytest
from django.http import UnreadablePostError
from rest_framework.exceptions import ParseError

from jwt_auth.views.parsers import MAX_BODY, MAX_ESCAPES, MAX_FIELDS, StrictFormParser, StrictJSONParser

FORM = "application/x-www-form-urlencoded"


def parse_json(body):
    return StrictJSONParser().parse(io.BytesIO(body))


def parse_form(body):
    return StrictFormParser().parse(io.BytesIO(body))


def test_an_object_is_read():
    assert parse_json(b'{"token": "a"}') == {"token": "a"}


BAD_JSON = {
    "nested beyond the stack": b'{"a":' * 10_000,
    "a list": b"[]",
    "a name twice": b'{"token": "a", "token": "b"}',
    "not a number": b'{"token": NaN}',
    "half a surrogate pair": b'{"token": "\\ud800"}',
    "another encoding": '{"token": "a"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "nothing": b" ",
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON.keys())
@pytest.mark.parametrize("path", ["login/", "refresh/", "logout/", "revoke/", "verify/"])
def test_a_body_that_is_no_json_object_is_a_bad_request(client, db, path, body):
    answer = client.generic("POST", f"/auth/{path}", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_body_nested_100_000_deep_is_too_long_already(client, db):
    deep = b'{"token":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = client.generic("POST", "/auth/verify/", deep, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_body_has_a_largest_size():
    room = MAX_BODY - len(b'{"token": ""}')
    assert parse_json(b'{"token": "' + b"a" * room + b'"}')
    with pytest.raises(ParseError, match="more than"):
        parse_json(b'{"token": "' + b"a" * (room + 1) + b'"}')
    with pytest.raises(ParseError, match="more than"):
        parse_form(b"token=" + b"a" * MAX_BODY)


def test_no_more_of_a_huge_body_is_read_than_is_needed_to_refuse_it():
    stream = io.BytesIO(b"a" * 10 * MAX_BODY)
    with pytest.raises(ParseError):
        StrictJSONParser().parse(stream)
    assert stream.tell() == MAX_BODY + 1


class BrokenStream(io.RawIOBase):
    """A connection that the client closes."""

    def read(self, size=-1):
        raise UnreadablePostError("connection lost")


@pytest.mark.parametrize("parser", [StrictJSONParser, StrictFormParser])
def test_a_request_that_ends_early_is_a_bad_request(parser):
    with pytest.raises(ParseError, match="ended early"):
        parser().parse(BrokenStream())


def test_a_form_is_read():
    assert parse_form(b"token=a&token_type_hint=") == {"token": "a", "token_type_hint": ""}
    assert parse_form(b"token=caf%C3%A9+b") == {"token": "caf\u00e9 b"}
    assert parse_form(b"") == {}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"token=a&token=b", id="a parameter twice"),
        pytest.param(b"token=a&%74oken=b", id="a parameter twice in disguise"),
        pytest.param(b"token=%ff", id="an escape that is no UTF-8"),
        pytest.param(b"token=\xff", id="bytes that are no UTF-8"),
        pytest.param(b"&".join(b"a%d=" % i for i in range(MAX_FIELDS + 1)), id="too many parameters"),
    ],
)
def test_a_form_of_two_readings_is_a_bad_request(client, db, body):
    assert client.generic("POST", "/auth/revoke/", b"token=a", content_type=FORM).status_code == 200
    answer = client.generic("POST", "/auth/revoke/", body, content_type=FORM)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("body", [b"token=%", b"token=%4", b"token=%4g", b"token=" + b"%41" * (MAX_ESCAPES + 1)])
def test_broken_escapes_and_too_many_are_not_decoded(body):
    assert parse_form(b"token=" + b"%41" * MAX_ESCAPES) == {"token": "A" * MAX_ESCAPES}  # the control
    with pytest.raises(ParseError, match="escapes"):
        parse_form(body)


def test_a_form_has_as_many_parameters_as_the_limit():
    assert len(parse_form(b"&".join(b"a%d=" % i for i in range(MAX_FIELDS)))) == MAX_FIELDS


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf-16", "latin-1", "bogus"])
def test_json_is_utf_8_whatever_the_header_says(client, user, charset):
    body = json.dumps({"token": "caf\u00e9"}, ensure_ascii=False).encode()
    kind = f"application/json; charset={charset}"
    assert client.generic("POST", "/auth/revoke/", body, content_type=kind).status_code == 200
    latin = body.decode().encode("latin-1")
    assert client.generic("POST", "/auth/revoke/", latin, content_type=kind).status_code == 400
