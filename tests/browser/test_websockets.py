"""Cross-site WebSocket hijacking in a real browser, against a real ASGI server; and the pages of two guides."""

import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from example_project.demo.server import free_port
from tests.browser.servers import SIBLING, SITE, STRANGER
from tests.support.clients import PASSWORD
from tests.support.docs import BLOCKS
from tests.support.projects import Project
from tests.support.tls import write_certificate

SETTINGS = f"""
INSTALLED_APPS += ["rest_framework", "jwt_auth"]
ALLOWED_HOSTS = [{SITE!r}, {SIBLING!r}]
DEBUG = False
JWT_AUTH = {{"COOKIE_SAMESITE": "None"}}
"""

URLS = '''
from pathlib import Path

from django.http import HttpResponse
from django.urls import include, path

from mysite.streams import price_events


def page(request):
    return HttpResponse("""<script type="module">
        import { connect } from "/static/socket.js";
        window.connect = connect;
    </script>""")


def script(request, name):
    return HttpResponse(Path(name).read_text(), content_type="text/javascript")


urlpatterns = [
    path("", page),
    path("static/<str:name>", script),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("prices/", price_events),
]
'''

PRICES = """
import asyncio

async def prices(user_pk):
    yield {"gold": 1}
    await asyncio.sleep(60)
"""

USER = f"""
from django.contrib.auth import get_user_model
get_user_model().objects.create_user("alice", password={PASSWORD!r})
"""

REVOKE = """
from django.contrib.auth import get_user_model
from jwt_auth.revocation import revoke_user
revoke_user(get_user_model().objects.get())
"""

SIGN_IN = """([username, password]) => fetch("/auth/browser/login/", {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({username, password}),
}).then((answer) => answer.status)"""

# Resolves to what the socket said, or to how it ended.
ATTACK = """(url) => new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onopen = () => socket.send('{"text": "hello"}');
    socket.onmessage = ({data}) => resolve(data);
    socket.onclose = ({code}) => resolve(code);
})"""

FOLLOW_THE_GUIDE = """() => {
    window.got = [];
    window.chat = connect("/ws/chat/", {
        onMessage: (message) => got.push(message),
        onSignedOut: () => got.push("signed out"),
    });
}"""


SAY_HI = """() => {
    try { chat.send({text: "hi"}); } catch { return false; }
    return got.length;
}"""


def code(step, guide="websockets"):
    (found,) = [block.code for block in BLOCKS if block.step_in(guide) == step]
    return found


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    """The project of the guides at uvicorn, over TLS, for alice."""
    project = Project(tmp_path_factory.mktemp("chat") / "mysite")
    project.append("mysite/settings.py", SETTINGS)
    (project.root / "mysite" / "urls.py").write_text(URLS)
    (project.root / "mysite" / "asgi.py").write_text(code("mysite/asgi.py"))
    project.append("chat/consumers.py", code("chat/consumers.py"))
    (project.root / "socket.js").write_text(code("page"))
    (project.root / "events.js").write_text(code("events.js", "long-lived"))
    project.append("mysite/streams.py", code("mysite/streams.py", "long-lived"))
    project.append("mysite/prices.py", PRICES)
    project.manage("migrate", "-v", "0")
    project.script(USER)
    write_certificate(project.root, ec.generate_private_key(ec.SECP256R1()), SITE, "*.test")
    with serving(project) as host:
        yield project, host


@contextmanager
def serving(project):
    """Run uvicorn in the block; the value is its host and port."""
    port, files = free_port(), ["--ssl-certfile", "both.pem", "--ssl-keyfile", "both.pem"]
    command = [sys.executable, "-m", "uvicorn", "mysite.asgi:application", "--port", str(port), *files]
    with project.console.open("a") as log:
        server = subprocess.Popen(command, cwd=project.root, env=project.environment(), stdout=log, stderr=log)
        try:
            while "Uvicorn running" not in project.console.read_text():
                assert server.poll() is None, project.console.read_text()
                time.sleep(0.05)
            yield f"{SITE}:{port}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def signed_in(page, chat):
    _, host = chat
    page.goto(f"https://{host}/")
    assert page.evaluate(SIGN_IN, ["alice", PASSWORD]) == 200
    return page


def test_no_page_of_another_origin_opens_a_socket_with_the_cookie(signed_in, chat, evil):
    project, host = chat
    url = f"wss://{host}/ws/chat/"
    before = len(project.console.read_text())
    assert json.loads(signed_in.evaluate(ATTACK, url)) == {"from": "alice", "text": "hello"}  # the control
    evil.page = "<p>evil</p>"
    for attacker in (SITE, SIBLING, STRANGER):  # another port, a sibling host, and a stranger
        page = signed_in.context.new_page()
        page.goto(evil.url(attacker))
        assert page.evaluate(ATTACK, url) == 1006, attacker
        page.close()
    # The browser adds the cookie for another port and a sibling host, and blocks a stranger's as a third party's.
    answers = re.findall(r'"WebSocket /ws/chat/" (\[accepted\]|\d+)', project.console.read_text()[before:])
    assert answers == ["[accepted]", "403", "403", "401"]


def test_the_page_of_the_guide_chats_renews_and_notices_the_revocation(signed_in, chat):
    project, _ = chat
    signed_in.evaluate(FOLLOW_THE_GUIDE)
    # The socket is open when it answers.
    signed_in.wait_for_function(SAY_HI)
    assert signed_in.evaluate("got[0]") == {"from": "alice", "text": "hi"}
    signed_in.evaluate("chat.renew()")
    signed_in.evaluate("""() => chat.send({text: "still"})""")
    signed_in.wait_for_function("""() => got.some((message) => message.text === "still")""")
    project.script(REVOKE)
    signed_in.wait_for_function("""() => got.includes("signed out")""")


def test_the_use_of_the_page_says_hello_and_is_closed(signed_in):
    with signed_in.expect_console_message(lambda message: message.text == "alice: hello"):
        signed_in.add_script_tag(content=code("use") + "window.chat = chat;", type="module")
    signed_in.evaluate("""() => {
        window.opened = 0;
        window.WebSocket = class { constructor() { opened += 1; } };
        chat.close();
    }""")
    signed_in.wait_for_timeout(2_000)
    assert signed_in.evaluate("opened") == 0  # it does not connect again


def test_the_stream_of_the_guide_shows_its_items_and_stops_when_the_user_is_revoked(signed_in, chat):
    project, _ = chat
    said = []
    signed_in.on("console", lambda message: said.append(message.text))
    with signed_in.expect_console_message(lambda message: "gold" in message.text):
        signed_in.add_script_tag(content=code("use", "long-lived"), type="module")
    with signed_in.expect_console_message(lambda message: message.text == "signed out"):
        project.script(REVOKE)
    assert [text for text in said if text.startswith("ended by token_revoked, connecting again in ")]
