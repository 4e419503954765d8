"""A real HTTP server in a thread, which sends any bytes that a test needs, and records the requests."""

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

# A function that answers: it gets the socket, and writes to it.
Answer = Callable[[Any], None]


class Endpoint(socketserver.ThreadingTCPServer):
    """A server. `answer` may be changed at any time; `requests` has the requests as text."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/keys.json"

    def received(self, number: int) -> list[str]:
        """
        Return the requests, once `number` have come or ten seconds have passed.

        The thread of a request may read it only after the client has given up.
        """
        for _ in range(1000):
            if len(self.requests) >= number:
                break
            time.sleep(0.01)
        return self.requests


class _Handler(socketserver.BaseRequestHandler):
    server: Endpoint

    def handle(self) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            if not (more := self.request.recv(65536)):
                return
            asked += more
        self.server.requests.append(asked.decode())
        with suppress(OSError):  # the client has closed the connection
            self.server.answer(self.request)


@contextmanager
def serving(answer: Answer) -> Iterator[Endpoint]:
    with Endpoint(answer) as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()


def raw(*parts: bytes, pause: float = 0) -> Answer:
    """Answer with exactly these bytes, with a pause before each part but the first."""

    def answer(wire: Any) -> None:
        for i, part in enumerate(parts):
            if i and pause:
                time.sleep(pause)
            wire.sendall(part)

    return answer


def body(content: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> Answer:
    """Answer with this body, as JSON unless the headers say otherwise."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content) if length is None else length}"]
    if not any(header.lower().startswith("content-type") for header in headers):
        lines.append("Content-Type: application/json")
    return raw("\r\n".join([*lines, *headers, "", ""]).encode() + content)


def document(value: Any, *headers: str) -> Answer:
    """Answer with this value as JSON."""
    return body(json.dumps(value).encode(), *headers)


def silence(wire: Any) -> None:
    """Send nothing until the client closes the connection."""
    wire.settimeout(30)
    wire.recv(1)


class HeldAnswer:
    """
    An answer that waits for the test: `arrived` is set when a request has come, and `go_on` lets the answer through.

    Args:
        then: the answer; by default the connection is closed without one.
        patience: seconds after which the answer goes on by itself, so that a test that failed ends.
    """

    def __init__(self, then: Answer | None = None, *, patience: float = 10) -> None:
        self.arrived, self.go_on = threading.Event(), threading.Event()
        self._then, self._patience = then, patience

    def __call__(self, wire: Any) -> None:
        self.arrived.set()
        self.go_on.wait(self._patience)
        if self._then:
            self._then(wire)


def dripping(content: bytes, seconds: float = 0.02) -> Answer:
    """Send one byte at a time: no single wait is long."""

    def answer(wire: Any) -> None:
        for i in range(len(content)):
            wire.sendall(content[i : i + 1])
            time.sleep(seconds)

    return answer
