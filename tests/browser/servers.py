"""
Servers for the browser: the example project over TLS, which cookies with a prefix require, and a foreign one.

Every host name below `.test` leads to this machine (see conftest.py), so `app.site.test` is the site, `evil.site.test`
its sibling, and `evil.test` a stranger.
"""

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connections
from django.test.testcases import LiveServerThread, QuietWSGIRequestHandler

from tests.support.tls import server_context, write_certificate

SITE, SIBLING, STRANGER = "app.site.test", "evil.site.test", "evil.test"


def make_certificate(folder: Path) -> ssl.SSLContext:
    """Return what a server needs to speak TLS with a browser that ignores who signed its certificate."""
    write_certificate(folder, ec.generate_private_key(ec.SECP256R1()), SITE, "*.test")
    return server_context(folder)


def _speak_tls(server: Any, tls: ssl.SSLContext) -> None:
    # The connection's own thread makes the handshake: browsers open connections that they never use.
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


class _TLSServer(ThreadedWSGIServer):
    def setup_environ(self) -> None:
        super().setup_environ()
        self.base_environ["HTTPS"] = "on"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that close the connection."""


class ExampleServer(LiveServerThread):
    """
    The example project over TLS.

    A test that writes while pages may send requests holds `lock`: SQLite in memory has one connection for all threads,
    and requests take turns there. On other databases the lock makes nothing wait.
    """

    lock: AbstractContextManager[Any]
    sent: list[bytearray]
    """The bodies of all answers. The browser forgets those that it has navigated away from."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        shared = {each.alias: each for each in connections.all() if each.vendor == "sqlite" and each.is_in_memory_db()}
        super().__init__("127.0.0.1", _taking_turns(self), connections_override=shared)
        self.sent = []
        self.tls, self.lock, self.daemon = tls, threading.RLock() if shared else nullcontext(), True

    @property
    def url(self) -> str:
        return f"https://{SITE}:{self.port}"

    def _create_server(self, connections_override: Any = None) -> _TLSServer:
        server = _TLSServer((self.host, self.port), QuietWSGIRequestHandler, connections_override=connections_override)
        _speak_tls(server, self.tls)
        return server

    def __enter__(self) -> "ExampleServer":
        for connection in self.connections_override.values():
            connection.inc_thread_sharing()
        self.start()
        self.is_ready.wait()
        if self.error:
            raise self.error
        return self

    def __exit__(self, *args: object) -> None:
        self.terminate()
        for connection in self.connections_override.values():
            connection.dec_thread_sharing()


def _taking_turns(server: ExampleServer) -> Any:
    class Handler(StaticFilesHandler):
        def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            with server.lock:
                return _noted(super().__call__(environ, start_response), server.sent)

    return Handler


def _noted(answer: Any, sent: list[bytearray]) -> Iterator[bytes]:
    """Yield the parts of an answer, and add them to `sent` before the browser can have them."""
    body = bytearray()
    sent.append(body)
    with closing(answer) if hasattr(answer, "close") else nullcontext():
        for part in answer:
            body += part
            yield part


class EvilServer(ThreadingHTTPServer):
    """A server that sends `page` with `headers` to every request, under any of its names."""

    page = ""
    headers: tuple[tuple[str, str], ...] = ()

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _EvilHandler)
        self.daemon_threads = True
        _speak_tls(self, tls)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, host: str) -> str:
        return f"https://{host}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """See _TLSServer."""

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        super().__exit__(*args)


class _EvilHandler(BaseHTTPRequestHandler):
    server: EvilServer

    def do_GET(self) -> None:
        body = self.server.page.encode()
        self.send_response(200)
        for name, value in (*self.server.headers, ("Content-Type", "text/html"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""
