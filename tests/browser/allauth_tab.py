"""The example project's page with allauth, and allauth's own pages, as a person uses them."""

import base64
import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fido2.utils import websafe_decode

from tests.browser.actions import follow
from tests.browser.app import App
from tests.support.allauth_clients import totp
from tests.support.passkeys import Passkey

# Chromium's virtual authenticator: it always finds its user present, and verifies them.
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass(frozen=True)
class Person:
    name: str
    password: str

    def get_username(self) -> str:
        return self.name


def somebody() -> Person:
    return Person(f"user-{uuid4().hex[:8]}", "correct horse battery staple")


def make_passkey(url: str) -> tuple[Person, Passkey]:
    """Return a new account, and its passkey: an app makes both, in less time than a person at the pages."""
    person, passkey = somebody(), Passkey("localhost", url)
    said: dict[str, Any] = {"meta": {}}

    def ask(method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json", "X-Session-Token": said["meta"].get("session_token", "")}
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
            connection.request(method, f"/_allauth/app/v1/{path}", json.dumps(body) if body else None, headers)
            answer = json.loads(connection.getresponse().read())
        assert answer["status"] == 200, answer
        said["meta"].update(answer.get("meta", {}))
        return answer["data"]

    ask("POST", "auth/signup", {"username": person.name, "password": person.password})
    ask("POST", "auth/reauthenticate", {"password": person.password})
    options = ask("GET", "account/authenticators/webauthn?passwordless")["creation_options"]
    ask("POST", "account/authenticators/webauthn", {"name": "laptop", "credential": passkey.register(options)})
    return person, passkey


def known_to_devtools(passkey: Passkey) -> dict[str, Any]:
    """Return the passkey as Chromium's virtual authenticator reads it."""
    key = passkey.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    values = {"credentialId": passkey.credential_id, "privateKey": key}
    values["userHandle"] = websafe_decode(passkey.user_handle)
    encoded = {name: base64.b64encode(value).decode() for name, value in values.items()}
    return {**encoded, "rpId": passkey.host, "isResidentCredential": True, "signCount": 0}


class Tab(App):
    """A tab of somebody who signs in with allauth."""

    def fill_in(self, user: Any, password: str = "", label: str = "") -> None:
        self.page.get_by_label("Username").fill(user.name)
        self.page.get_by_label("Password", exact=True).fill(password or user.password)
        self.press("Sign in")

    def sign_up(self) -> Person:
        """Make an account with allauth's form; return its owner, who is signed in."""
        person = somebody()
        follow(self.page, "text=Create one")
        self.submit(username=person.name, password1=person.password, password2=person.password)
        self.is_signed_in(person)
        return person

    def submit(self, button: str = "main [type=submit]", **fields: str) -> None:
        """Fill in a form of allauth, and send it."""
        for name, value in fields.items():
            self.page.fill(f"main [name={name}]", value)
        follow(self.page, button)

    def leave(self) -> "Tab":
        """Sign out."""
        self.press("Sign out").is_signed_out()
        return self

    def follow_to(self, link: str, password: str) -> None:
        """Follow a link of the page to one of allauth's, which asks for the password first."""
        follow(self.page, f"#signed-in a:text-is('{link}')")
        self.submit(password=password)

    def add_totp(self, person: Person) -> str:
        """Set up an authenticator app; return the secret that is shown."""
        self.follow_to("an authenticator app", person.password)
        secret = self.page.get_by_label("Authenticator secret").input_value()
        self.submit(code=totp(secret))
        return secret

    def add_passkey(self, person: Person) -> None:
        self.follow_to("a passkey", person.password)
        self.page.check("input[name=passwordless]")
        self.submit("main [type=button]", name="laptop")

    def back(self) -> "Tab":
        follow(self.page, "text=Back to the page")
        return self

    def stop_the_clock(self) -> None:
        """Stop the page's timers, so that its heartbeat does not make the next request."""
        self.page.clock.pause_at(self.page.evaluate("Date.now() / 1000 + 1"))

    def is_asked_for_a_code(self) -> "Tab":
        self.expect(self.page.get_by_role("heading", name="One more step")).to_be_visible()
        self.expect(self.page.get_by_label("Code", exact=True)).to_be_focused()
        return self

    def send_code(self, code: str) -> "Tab":
        self.page.get_by_label("Code", exact=True).fill(code)
        self.press("Continue")
        return self

    def offers(self, *buttons: str) -> "Tab":
        """Expect these buttons in the dialog for a fresh sign-in."""
        shown = self.page.get_by_role("dialog").get_by_role("button").filter(visible=True)
        self.expect(shown).to_have_text(list(buttons))
        return self

    def signed_in_by(self, *methods: str) -> "Tab":
        """Expect these methods in the access token, and on the page."""
        self.expect(self.page.locator("#methods")).to_have_text(" ".join(methods) or "none")
        payload = self.tokens["access"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        assert tuple(claims.get("amr", ())) == methods
        return self

    @property
    def tokens(self) -> dict[str, str]:
        """The tokens in the cookies, which no script can read."""
        cookies = self.page.context.cookies()
        return {each["name"]: each["value"] for each in cookies if each["name"] in {"access", "refresh"}}

    def status(self, path: str) -> int:
        """Return the status of a request with the cookies of this browser."""
        return self.page.context.request.get(f"{self.url}{path}", max_redirects=0).status
