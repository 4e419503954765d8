"""The two clients of allauth's headless API, and the factors of a user."""

import base64
import hmac
import re
from time import time
from typing import Any

from django.core import mail
from django.test import Client

from tests.support.clients import PASSWORD

# The key in RFC 6238, appendix B.
TOTP_SECRET = base64.b32encode(b"12345678901234567890").decode()


class AllauthClient(Client):
    """A client that speaks JSON with allauth."""

    kind = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(raise_request_exception=False, **options)

    def send(self, path: str, body: Any = None, method: str = "post", **options: Any) -> Any:
        """Send `body` to an endpoint of allauth and return the response."""
        url = f"/_allauth/{self.kind}/v1/{path}"
        return getattr(self, method)(url, body or {}, content_type="application/json", **options)

    def login(self, user: Any, password: str = PASSWORD) -> Any:  # type: ignore[override]
        return self.send("auth/login", {user.USERNAME_FIELD: user.get_username(), "password": password})

    def reauthenticate(self) -> Any:
        return self.send("auth/reauthenticate", {"password": PASSWORD})

    def logout(self) -> Any:  # type: ignore[override]
        return self.send("auth/session", method="delete")

    def status(self) -> int:
        """Return the status of the session at allauth: 200 if somebody is signed in."""
        return self.get(f"/_allauth/{self.kind}/v1/auth/session").status_code


class App(AllauthClient):
    """An app, which sends its session token with each request, and keeps the newest tokens that it got."""

    kind = "app"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.session_token: str | None = None
        self.tokens: dict[str, Any] = {}

    def request(self, **request: Any) -> Any:
        if self.session_token is not None:
            request.setdefault("HTTP_X_SESSION_TOKEN", self.session_token)
        response = super().request(**request)
        self.cookies.clear()  # an app has none
        meta = response.json().get("meta", {}) if response.get("Content-Type") == "application/json" else {}
        self.session_token = meta.get("session_token", self.session_token)
        if "access_token" in meta:
            self.tokens = meta
        return response


class Browser(AllauthClient):
    """A page of ours in a browser, which sends the CSRF token of Django's cookie."""

    kind = "browser"

    def __init__(self, **options: Any) -> None:
        super().__init__(enforce_csrf_checks=True, **options)
        self.get("/_allauth/browser/v1/config")

    def request(self, **request: Any) -> Any:
        if "csrftoken" in self.cookies:
            request.setdefault("HTTP_X_CSRFTOKEN", self.cookies["csrftoken"].value)
        return super().request(**{"HTTP_SEC_FETCH_SITE": "same-origin", **request})

    @property
    def tokens(self) -> dict[str, str]:
        """The tokens in the cookies, without those that were deleted."""
        names = {"access_token": "__Host-Http-access", "refresh_token": "__Host-Http-refresh"}
        found = {key: self.cookies[name].value for key, name in names.items() if name in self.cookies}
        return {key: value for key, value in found.items() if value}


def code_in_mail() -> str:
    """Return the code in the newest mail."""
    found = re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})?)\s*$", mail.outbox[-1].body, re.MULTILINE)
    assert found is not None, mail.outbox[-1].body
    return found[1]


def totp(secret: str = TOTP_SECRET) -> str:
    """Return the present code of a secret in base32 (RFC 6238)."""
    digest = hmac.digest(base64.b32decode(secret), (int(time()) // 30).to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}"
