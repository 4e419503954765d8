"""Requests with arbitrary content, which must not crash any endpoint."""

import hashlib
import hmac
import json
from contextlib import contextmanager

from django.db import transaction

from jwt_auth.jose.encoding import base64url_decode, base64url_encode
from jwt_auth.keyring.stored import own_keys


@contextmanager
def rolled_back():
    """Undo everything that an example writes or breaks before the next one."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def assert_answered(client, method, url, body=b"", kind="application/json", **headers):
    with rolled_back():
        answer = client.generic(method, url, body, content_type=kind, **headers)
        assert answer.status_code < 500, (answer.status_code, answer.content)
        return answer


def signed(header, payload):
    """Return a token over any bytes with a right signature."""
    text = f"{base64url_encode(header)}.{base64url_encode(payload)}"
    mac = hmac.new(own_keys().signing.signing, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64url_encode(mac)}"


def good_header(**changes):
    return json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": own_keys().signing.kid, **changes}).encode()


def claims_of(pair):
    return json.loads(base64url_decode(pair["access_token"].split(".")[1]))


def show_everywhere(client, raw):
    """Send one token to every entry point that accepts tokens."""
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {raw}"}
    body = json.dumps({"token": raw, "refresh_token": raw}).encode()
    for method, path in (("GET", "me/"), ("GET", "sessions/"), ("DELETE", "sessions/"), ("POST", "logout/all/")):
        assert_answered(client, method, f"/auth/{path}", **bearer)
    assert_answered(client, "POST", "/auth/logout/", b"{}", **bearer)
    assert_answered(client, "GET", "/api/notes/", **bearer)
    for path in ("verify/", "revoke/", "logout/", "refresh/"):
        assert_answered(client, "POST", f"/auth/{path}", body)
