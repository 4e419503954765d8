"""A sign-out by the token in the header happens whatever the body is."""

import json

import pytest
from django.db import connection

from jwt_auth.models import UserSession
from jwt_auth.views.parsers import MAX_BODY
from tests.support.answers import assert_error
from tests.support.browser import Browser

JSON = "application/json"

UNREADABLE = {
    "cut short": (b'{"refresh_token": "x"', JSON, 400, "invalid_request"),
    "a list": (b"[]", JSON, 400, "invalid_request"),
    "nested 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, JSON, 400, "invalid_request"),
    "too large": (b'{"refresh_token": "' + b"x" * MAX_BODY + b'"}', JSON, 400, "invalid_request"),
    "not UTF-8": (b'{"refresh_token": "\xff"}', JSON, 400, "invalid_request"),
    "a number for a token": (b'{"refresh_token": 5}', JSON, 400, "invalid_request"),
    "null for a token": (b'{"refresh_token": null}', JSON, 400, "invalid_request"),
    "an empty token": (b'{"refresh_token": ""}', JSON, 400, "invalid_request"),
    "a NUL in the token": (b'{"refresh_token": "\\u0000"}', JSON, 400, "invalid_request"),
    "a form": (b"refresh_token=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    "files": (b"x", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
    "no type at all": (b"x", "garbage", 415, "unsupported_media_type"),
}

unreadable = pytest.mark.parametrize(
    ("body", "content_type", "status", "code"), UNREADABLE.values(), ids=list(UNREADABLE)
)


def sign_out(client, body, content_type):
    return client.generic("POST", "/auth/logout/", body, content_type=content_type)


@unreadable
def test_the_session_of_a_good_bearer_token_ends_whatever_the_body_is(client, pair, body, content_type, status, code):
    bearer = client.bearer(pair["access_token"])
    for _ in range(2):  # and the request can be repeated
        assert sign_out(bearer, body, content_type).status_code == 204
    assert client.is_dead(pair)


@unreadable
def test_without_a_bearer_token_nothing_was_ended_and_the_answer_says_why(
    client, pair, body, content_type, status, code
):
    """The control."""
    assert_error(sign_out(client, body, content_type), status, code)
    assert not client.is_dead(pair)


@pytest.mark.parametrize("raw", ["x", "two tokens", "a.b.c"])
def test_with_a_bearer_token_of_no_session_too(client, pair, raw):
    assert_error(sign_out(client.bearer(raw), b"{", JSON), 400, "invalid_request")
    assert sign_out(client.bearer(raw), b"", JSON).status_code == 204


def test_an_expired_bearer_token_signs_out_as_well(client, pair, clock):
    clock.shift(3600)
    assert sign_out(client.bearer(pair["access_token"]), b"{", JSON).status_code == 204
    assert UserSession.objects.get().revoked_at


def test_a_readable_body_is_still_read(client, user, pair):
    """The control: both sessions end, not only that of the header."""
    other = client.tokens(user)
    body = json.dumps({"refresh_token": other["refresh_token"]}).encode()
    assert sign_out(client.bearer(pair["access_token"]), body, JSON).status_code == 204
    assert client.is_dead(pair)
    assert client.is_dead(other)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["logout/", "browser/logout/"])
def test_with_atomic_requests_the_end_is_committed_too(client, user, monkeypatch, path):
    pair = client.tokens(user)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    bearer = client.bearer(pair["access_token"])
    assert bearer.generic("POST", f"/auth/{path}", b"{", content_type=JSON).status_code == 204
    assert client.is_dead(pair)


@unreadable
def test_a_browser_signs_out_and_loses_its_cookies_whatever_the_body_is(user, body, content_type, status, code):
    signed_in = Browser().sign_in(user)
    answer = signed_in.generic("POST", "/auth/browser/logout/", body, content_type=content_type)
    assert (answer.status_code, set(answer.cookies)) == (204, {Browser.access_name, Browser.refresh_name})
    assert UserSession.objects.get().revoked_at


# The other revocations


@unreadable
@pytest.mark.parametrize(("method", "path"), [("POST", "logout/all/"), ("DELETE", "sessions/"), ("DELETE", "session")])
def test_a_revocation_that_needs_no_body_reads_none(client, user, pair, method, path, body, content_type, status, code):
    other = client.tokens(user)
    path = f"sessions/{other['session']}/" if path == "session" else path
    answer = client.bearer(pair["access_token"]).generic(method, f"/auth/{path}", body, content_type=content_type)
    assert answer.status_code == 204
    assert client.is_dead(other)


@pytest.mark.parametrize("hint", [None, 5, True, [], {}, "", "nonsense", "x" * 10_000, "\0"])
def test_a_hint_that_can_not_be_used_keeps_no_token_from_being_revoked(client, pair, hint):
    """RFC 7009 section 2.1: the hint may be ignored."""
    body = {"token": pair["refresh_token"], "token_type_hint": hint}
    assert client.send("revoke/", body).status_code == 200
    assert client.is_dead(pair)


@pytest.mark.parametrize("hint", ["", "nonsense", "x" * 10_000, "%00"])
def test_nor_does_it_in_a_form(client, pair, hint):
    form = f"token={pair['refresh_token']}&token_type_hint={hint}".encode()
    answer = client.post("/auth/revoke/", form, content_type="application/x-www-form-urlencoded; charset=nonsense")
    assert answer.status_code == 200
    assert client.is_dead(pair)


@pytest.mark.parametrize(
    ("path", "method"), [("logout/", "post"), ("logout/all/", "post"), ("sessions/", "delete"), ("revoke/", "post")]
)
@pytest.mark.parametrize("accept", ["text/html", "nonsense", "application/json; q=0", "\xff"])
def test_no_revocation_depends_on_what_the_client_would_like_to_read(client, user, pair, path, method, accept):
    other = client.tokens(user)
    caller = client.bearer((pair if path == "sessions/" else other)["access_token"])
    answer = caller.send(path, {"token": other["refresh_token"]}, method, HTTP_ACCEPT=accept)
    assert answer.status_code in {200, 204}
    assert client.is_dead(other)
