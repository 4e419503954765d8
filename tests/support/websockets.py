"""WebSockets by hand: the server's side of ASGI, and a small application."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

HOST = "testserver"
ORIGIN = "http://testserver"
_PATIENCE = 5.0


def scope_of(
    headers: Iterable[tuple[str, str]] = (), subprotocols: Iterable[str] = (), *, denial: bool = True, **others: Any
) -> dict[str, Any]:
    """Return the scope of a handshake, as servers make it: the subprotocols are in a header, too."""
    offered = list(subprotocols)
    all_headers = [("host", HOST), *headers]
    if offered:
        all_headers.append(("sec-websocket-protocol", ", ".join(offered)))
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/ws/",
        "raw_path": b"/ws/",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "extensions": {"websocket.http.response": {}} if denial else {},
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in all_headers],
        "subprotocols": offered,
        **others,
    }


class ServedSocket:
    """One socket at a server: what the client does, and what it gets."""

    def __init__(self, application: Any, scope: dict[str, Any]) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task = asyncio.ensure_future(application(scope, self._to_app.get, self._from_app.put))
        self._to_app.put_nowait({"type": "websocket.connect"})

    async def got(self) -> dict[str, Any]:
        """Return the next message of the application; an error of it is raised."""
        waiting = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait([waiting, self.task], timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await asyncio.sleep(0)  # what was sent last may not have woken this up
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        self.task.result()
        raise AssertionError("the application returned, and sent nothing")

    def nothing_more(self) -> bool:
        return self._from_app.empty()

    async def accepted(self) -> dict[str, Any]:
        message = await self.got()
        assert message["type"] == "websocket.accept", message
        return message

    async def refused(self) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Return status, body and headers of the refusal; the application has returned then."""
        start, body = await self.got(), await self.got()
        assert start["type"] == "websocket.http.response.start", start
        await self.returned()
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], json.loads(body["body"]), headers

    async def closed(self) -> tuple[int, str]:
        """Return code and reason; the application has returned then."""
        message = await self.got()
        assert message["type"] == "websocket.close", message
        await self.returned()
        assert self.nothing_more()
        return message["code"], message["reason"]

    def send(self, message: Any) -> None:
        """Send a text, or an object as JSON."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._to_app.put_nowait({"type": "websocket.receive", "text": text})

    def send_bytes(self, message: bytes) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "bytes": message})

    async def said(self) -> Any:
        """Return the object, or the text, that the client gets next."""
        message = await self.got()
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"]) if message["text"].startswith("{") else message["text"]

    async def asked(self, message: Any) -> Any:
        """Send a message, and return the answer."""
        self.send(message)
        return await self.said()

    def leave(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def returned(self) -> None:
        """Wait until the application returns; raise its error."""
        await asyncio.wait_for(asyncio.shield(self.task), _PATIENCE)


class Echo:
    """A plain ASGI application that accepts, says what it gets, and keeps what it saw."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.heard: list[Any] = []
        self.disconnected: list[tuple[int, str]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            content = message.get("text") or message.get("bytes")
            self.heard.append(content)
            await send({"type": "websocket.send", "text": f"echo: {content!r}"})
        self.disconnected.append((message["code"], message.get("reason", "")))

    @property
    def scope(self) -> dict[str, Any]:
        return self.scopes[-1]
