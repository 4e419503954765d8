"""The example project's page at /live/, as `manage.py demo --serve` serves it: a WebSocket and an event stream."""

import json
import re
from urllib.request import Request, urlopen

import pytest

from tests.browser.actions import activate
from tests.browser.app import DESKTOP, PHONE
from tests.support.example_project import FAST, SERVES, demo, passwords_of, port_of, write_settings

LOOKS = [
    pytest.param({"viewport": DESKTOP, "color_scheme": "light"}, id="wide-light"),
    pytest.param({"viewport": DESKTOP, "color_scheme": "dark"}, id="wide-dark", marks=pytest.mark.thorough),
    pytest.param({"viewport": PHONE, "color_scheme": "light"}, id="narrow-light", marks=pytest.mark.thorough),
    pytest.param({"viewport": PHONE, "color_scheme": "dark"}, id="narrow-dark"),
]

ENDED = "your session has ended, because you signed out or somebody revoked it"
SIGNED_OUT = "You are signed out, so this has stopped. Sign in to go on."


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of the running demo, and the passwords of its users."""
    folder = tmp_path_factory.mktemp("live")
    module = write_settings(folder, f'{FAST}JWT_AUTH = {{"LOGIN_THROTTLE": "1000/min"}}')
    with demo(folder, module, "--serve", until=SERVES) as (_, output):
        yield f"http://localhost:{port_of(output)}", passwords_of(output)


def post(url, body, token=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=20) as answer:
        return json.load(answer)


def revoke_alice(site, passwords):
    admin = post(f"{site}/auth/login/", {"username": "admin", "password": passwords["admin"]})
    post(f"{site}/auth/revoke/user/", {"username": "alice"}, admin["access_token"])


class LivePage:
    """One tab with the page, in which alice is signed in. Each expectation waits until it is fulfilled."""

    def __init__(self, page, site, password):
        from playwright.sync_api import expect  # optional, see conftest.py

        expect.set_options(timeout=20_000)
        self.page, self.site, self.expect = page, site, expect
        page.goto(f"{site}/")
        page.locator("#field-username").fill("alice")
        page.locator("#field-password").fill(password)
        activate(page.get_by_role("button", name="Sign in"))
        self.expect(page.locator("#username")).to_have_text("alice")

    def open(self):
        self.page.goto(f"{self.site}/live/")
        return self

    def is_open(self):
        self.shows("socket", "Open. What you write comes back from the server.")
        self.shows("events", "Open. The server sends its time each second.")
        self.logs("events", "the server’s time is")
        return self

    def shows(self, half, text):
        self.expect(self.page.locator(f"#{half}-state")).to_have_text(text)

    def logs(self, half, text):
        self.expect(self.page.locator(f"#{half}-log li", has_text=text).first).to_be_visible()

    def writes(self, text):
        self.page.get_by_label("A message").fill(text)
        activate(self.page.get_by_role("button", name="Send"))
        self.logs("socket", f"alice: {text}")

    def has_ended(self):
        for half in ("socket", "events"):
            self.shows(half, SIGNED_OUT)
            self.logs(half, ENDED)
        self.logs("socket", "The server closed the socket with 4401")
        self.expect(self.page.get_by_role("link", name="Sign in")).to_be_visible()
        self.expect(self.page.get_by_role("button", name="Send")).to_be_disabled()


@pytest.fixture
def open_live(new_context, served):
    """`open_live(**options)` signs alice in, and returns the page before it is opened."""

    def make(**options):
        site, passwords = served
        return LivePage(new_context(**options).new_page(), site, passwords["alice"])

    return make


@pytest.mark.parametrize("options", LOOKS)
def test_both_halves_show_messages_and_say_in_words_that_the_session_was_revoked(open_live, served, look, options):
    live = open_live(**options).open().is_open()
    live.writes("hello")
    activate(live.page.get_by_role("button", name="Renew the token"))
    live.logs("socket", "a new ticket was sent through the open socket")
    live.writes("still here")
    look(live.page, "live-open")
    revoke_alice(*served)
    live.has_ended()
    look(live.page, "live-ended")
    assert live.page.evaluate("document.documentElement.scrollWidth") <= options["viewport"]["width"]


def test_the_sign_out_ends_both_halves(open_live):
    live = open_live().open().is_open()
    activate(live.page.get_by_role("button", name="Sign out"))
    live.has_ended()


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        (4503, "revocation_unavailable", "The server closed the socket with 4503: it can’t check at the moment"),
        (4401, "token_expired", "The server closed the socket with 4401: its token has expired. The page asks for a"),
        (1012, "", "There is no connection. The page tries again in"),
    ],
    ids=["outage", "expired", "restart"],
)
def test_a_socket_that_ends_for_another_reason_is_opened_again(open_live, code, reason, says):
    live, opened = open_live(), []

    def handle(socket):
        opened.append(socket)
        if len(opened) == 1:
            socket.close(code=code, reason=reason)
        else:
            socket.connect_to_server()

    live.page.route_web_socket(re.compile("/live/socket/"), handle)
    refreshed = []
    live.page.on("request", lambda request: request.url.endswith("/refresh/") and refreshed.append(request))
    live.open().is_open()
    live.logs("socket", says)
    live.writes("hello again")
    assert len(opened) == 2
    assert len(refreshed) == (code == 4401)  # after 4401 the token is a fresh one


@pytest.mark.parametrize(("code", "sockets"), [("unavailable", 1), ("invalid_token", 2)], ids=["outage", "refused"])
def test_a_renewal_that_fails_in_an_outage_leaves_the_socket_open(open_live, code, sockets):
    live, opened = open_live(), []

    def handle(socket):
        opened.append(socket)

        def answer(message):
            said = json.loads(message)
            is_renewal = said.get("type") == "jwt_auth.renew"
            socket.send(
                json.dumps({"type": "jwt_auth.refused", "code": code} if is_renewal else {"from": "alice", **said})
            )

        socket.on_message(answer)

    live.page.route_web_socket(re.compile("/live/socket/"), handle)
    live.open().is_open()
    activate(live.page.get_by_role("button", name="Renew the token"))
    live.logs("socket", "a new ticket was sent through the open socket")
    if sockets > 1:
        live.logs("socket", "There is no connection. The page tries again in")
        live.is_open()
    live.writes("hello")
    assert len(opened) == sockets


def test_a_stream_that_is_refused_is_opened_again_with_a_fresh_token(open_live):
    live, refused = open_live(), []

    def refuse_once(route):
        if refused:
            return route.fallback()
        refused.append(route)
        return route.fulfill(status=401, json={"code": "token_expired"})

    live.page.route("**/live/events/", refuse_once)
    with live.page.expect_request("**/refresh/"):
        live.open()
    live.is_open()
    live.logs("events", "The server refused the stream, or can’t be reached.")
    assert refused


def test_under_wsgi_the_page_says_what_to_do(site, page, look):
    page.goto(f"{site.url}/live/")
    assert page.get_by_role("heading", name="This page needs an ASGI server").is_visible()
    assert page.get_by_text("manage.py demo --serve").is_visible()
    look(page, "live-wsgi")
