"""The check of Django's token, also by a Django that refuses in another way."""

import pytest

from jwt_auth._django import csrf_token
from jwt_auth._django.csrf_token import is_exempt, refusal

TOKEN = "a" * 32


@pytest.fixture
def send(rf):
    """`send(token)` returns the reason to refuse a POST with the cookie and this token; None if it is not refused."""

    def ask(token):
        rf.cookies["csrftoken"] = TOKEN
        return refusal(rf.post("/", headers={"X-CSRFToken": token}))

    return ask


def test_a_request_without_the_mark_of_django_s_test_client_is_not_exempt(rf):
    assert is_exempt(rf.post("/", _dont_enforce_csrf_checks=True)) is False
    request = rf.post("/")
    request._dont_enforce_csrf_checks = True
    assert is_exempt(request)  # the control


def test_the_reason_is_told(send):
    assert send(TOKEN) is None
    assert "incorrect" in send("b" * 32)


def test_a_django_that_refuses_by_another_method_refuses(send, monkeypatch):
    monkeypatch.delattr(csrf_token._Check, "_reject")
    assert send(TOKEN) is None
    assert send("b" * 32) == "CsrfViewMiddleware refuses it"
