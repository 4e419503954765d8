"""Clients' keys, and two servers on this machine that answer with the token they got, or redirect."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest

from jwt_auth.client import Signer
from tests.support.clocks import NOW
from tests.support.signers import GIVEN, SECRET


@pytest.fixture
def make_signer():
    """Make a signer with its own clock: `signer.now.seconds` is its time."""

    def make(**changes):
        now = SimpleNamespace(seconds=NOW.timestamp())
        signer = Signer(**{**GIVEN, "key": SECRET, "clock": lambda: now.seconds, **changes})
        signer.now = now
        return signer

    return make


class _Handler(BaseHTTPRequestHandler):
    """Answer with the request's own Authorization; redirect /to/<url> to <url>."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/to/"):
            self.send_response(307)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        answer = json.dumps({"authorization": self.headers.get("Authorization")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET  # noqa: N815  # as http.server wants it

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@contextmanager
def _serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """The addresses of two servers, which are two origins."""
    with ExitStack() as stack:
        yield stack.enter_context(_serving()), stack.enter_context(_serving())
