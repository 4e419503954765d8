"""Request bodies that are not the JSON objects that an endpoint reads: a 4xx, never a 500."""

import json

import pytest

from jwt_auth.views.parsers import MAX_BODY
from tests.support.clients import PASSWORD, Client

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

BODIES = {
    "a list": b"[]",
    "a string": b'"text"',
    "null": b"null",
    "a number": b"1",
    "not JSON": b"not json",
    "cut short": b'{"token": "x"',
    "two objects": b"{}{}",
    "bad UTF-8": b'{"token": "\xff"}',
    "byte order mark": b'\xef\xbb\xbf{"token": "x"}',
    "UTF-16": '{"token": "x"}'.encode("utf-16"),
    "UTF-32": '{"token": "x"}'.encode("utf-32"),
    "NaN": b'{"token": NaN}',
    "Infinity": b'{"token": -Infinity}',
    "name twice": b'{"token": "x", "token": "y"}',
    "half a surrogate pair": b'{"token": "\\ud800"}',
    "surrogate in UTF-8": b'{"token": "\xed\xa0\x80"}',
    "10,000 digits": b'{"token": ' + b"9" * 10_000 + b"}",
    "lists 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "lists 30,000 deep": b"[" * 30_000 + b"]" * 30_000,
    "objects 10,000 deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "opened 60,000 times": b"[" * 60_000,
    "a member 10,000 deep": b'{"token": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "a member 33 deep": b'{"token": ' + b"[" * 33 + b"]" * 33 + b"}",
    "larger than the limit": b'{"token": "' + b"x" * MAX_BODY + b'"}',
    "NUL": b"\0",
}

READERS = ["login/", "refresh/", "logout/", "revoke/", "verify/", "revoke/user/"]
BLIND = [("post", "logout/all/"), ("delete", "sessions/"), ("get", "sessions/"), ("get", "me/")]


@pytest.fixture
def admin(client, staff, clock):
    return client.bearer(client.tokens(staff)["access_token"])


def post(client, path, body, content_type=JSON):
    if path == "logout/":
        client = Client()  # a bearer token would sign out whatever the body is: tests/views/test_sign_out.py
    return client.post(f"/auth/{path}", body, content_type=content_type)


def assert_bad_request(response):
    assert response.status_code == 400, response.content[:200]
    assert response.json()["code"] == "invalid_request"
    assert len(response.content) < 1_000  # the answer does not repeat the request


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", READERS)
@pytest.mark.sampled
def test_a_body_that_is_no_json_object_is_a_bad_request(admin, path, body):
    assert_bad_request(post(admin, path, body))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(("method", "path"), BLIND)
@pytest.mark.sampled
def test_an_endpoint_that_reads_no_body_is_not_disturbed_by_one(admin, method, path, body):
    response = getattr(admin, method)(f"/auth/{path}")
    assert response.status_code in {200, 204}
    again = admin.generic(method.upper(), f"/auth/{path}", body, content_type=JSON)
    assert again.status_code == (401 if path == "logout/all/" else response.status_code)


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}, ["x"], {"x": 1}, "", "x\0"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("refresh/", "refresh_token"),
        ("logout/", "refresh_token"),
        ("revoke/", "token"),
        ("verify/", "token"),
    ],
)
def test_a_token_that_is_no_text_is_a_bad_request(client, db, path, field, value):
    assert_bad_request(client.send(path, {field: value}))


@pytest.mark.parametrize("field", ["user", "username"])
@pytest.mark.parametrize("value", ["abc", "\uff11", "-1", "9" * 255, "None", "%"])
def test_revoke_user_finds_nobody_by_what_is_nobodys(admin, field, value):
    assert admin.send("revoke/user/", {field: value}).status_code == 404


@pytest.mark.parametrize("value", [0, 10**200])
def test_revoke_user_finds_nobody_by_a_number_that_is_no_key(admin, value):
    assert admin.send("revoke/user/", {"user": value}).status_code == 404


@pytest.mark.parametrize(("field", "value"), [("user", 1.5), ("username", 0), ("username", 1.5), ("username", 10**200)])
def test_revoke_user_takes_no_other_numbers(admin, field, value):
    assert_bad_request(admin.send("revoke/user/", {field: value}))


@pytest.mark.parametrize("form", [" {}", "{} ", "0{}", "+{}", "{}.0", "{}e0", "{{{}}}", "{}\n"])
def test_revoke_user_knows_a_user_by_the_exact_key_only(admin, user, form):
    assert admin.send("revoke/user/", {"user": form.format(user.pk)}).status_code in {400, 404}
    assert admin.send("revoke/user/", {"user": str(user.pk)}).status_code == 200


@pytest.mark.parametrize("field", ["user", "username"])
@pytest.mark.parametrize("value", [None, True, [], {}, "", "1\0", "x" * 2_000])
def test_revoke_user_refuses_what_is_no_name_of_a_user(admin, field, value):
    assert_bad_request(admin.send("revoke/user/", {field: value}))


def test_revoke_user_finds_the_user_that_the_requests_above_did_not(admin, user):
    for _ in range(2):
        assert admin.send("revoke/user/", {"user": str(user.pk)}).status_code == 200
        assert admin.send("revoke/user/", {"username": user.get_username()}).status_code == 200


@pytest.mark.parametrize("session_id", ["abc", "1", "0" * 32, "\0", "%00", "00000000-0000-0000-0000-000000000000", "é"])
def test_a_session_that_is_none_is_not_found(admin, session_id):
    assert admin.delete(f"/auth/sessions/{session_id}/").status_code == 404


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "garbage", "a/b;=", "\xff"]
)
@pytest.mark.parametrize("path", READERS)
@pytest.mark.sampled
def test_another_kind_of_body_is_refused(admin, path, content_type):
    assert post(admin, path, b'{"token": "x"}', content_type).status_code == 415


@pytest.mark.parametrize("path", [path for path in READERS if path != "revoke/"])
def test_a_form_is_refused_where_json_is_asked_for(admin, path):
    """A page of another site can send a form without a preflight."""
    assert post(admin, path, b"token=x", FORM).status_code == 415


@pytest.mark.parametrize(
    "body", [b"token=%ff", b"token=\xff", b"token=x&token=y", b"token=", b"", b"&" * 200, b"a=1&" * 200, b"=" * 70_000]
)
def test_a_form_that_is_none_is_a_bad_request_at_revoke(client, db, body):
    assert_bad_request(post(client, "revoke/", body, FORM))


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "nonsense", '"', "utf-8"])
def test_a_named_charset_changes_nothing(client, user, charset):
    """RFC 8259 section 8.1: JSON is UTF-8, and its media type has no charset."""
    body = json.dumps({user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}).encode()
    assert post(client, "login/", body, f"{JSON}; charset={charset}").status_code == 200


@pytest.mark.parametrize("path", READERS)
def test_an_empty_body_is_a_bad_request(client, admin, path):
    sender = admin if path == "revoke/user/" else client
    assert_bad_request(post(sender, path, b""))
    assert_bad_request(post(sender, path, b"{}"))


def test_a_body_just_under_the_limits_is_read(client, db):
    deep = {"token": "x", "extra": json.loads("[" * 31 + "]" * 31), "digits": 10**4_000}
    assert client.send("verify/", deep).status_code == 401
    assert client.send("verify/", {"token": "x" * (MAX_BODY - 100)}).status_code == 401


def test_members_that_no_endpoint_knows_are_passed_over(client, user):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD, "is_superuser": True, "__proto__": {}}
    assert client.send("login/", body).status_code == 200
    user.refresh_from_db()
    assert not user.is_superuser
