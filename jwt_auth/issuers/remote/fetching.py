"""
Fetch documents of other servers over HTTP. Only this module opens connections to them.

The URL is always one from the settings, never one from a token. No redirect is followed, no proxy is used, and the size
and the time have limits. Each address that a name resolves to is judged, because a host name that was public when it
was configured may point elsewhere now; `addresses` has the rules. The address that is checked is the address that is
connected to.
"""

import io
import socket
import ssl
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jwt_auth.conf.rules import is_this_machine
from jwt_auth.exceptions import JWTAuthError
from jwt_auth.issuers.remote.addresses import may_be_asked

TIMEOUT = 5.0  # seconds for all together: connecting, sending the request, reading the response


class FetchError(JWTAuthError):
    """
    Raised when a document can't be fetched, whatever the cause.

    Args:
        status: that of the response, if there was a complete one.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    A document of another server.

    Args:
        url: its URL.
        types: the media types that it may have; "+json" stands for all types with this ending.
        max_length: its maximum size, in bytes.
        private_network: whether the host may have an address in a private network.
    """

    url: str
    types: Collection[str]
    max_length: int
    private_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """
    A document as it was received.

    Args:
        body: None if the server says that it is still the one whose ETag was sent (304).
    """

    body: bytes | None = field(repr=False)
    etag: str | None
    cache_control: str


def fetch(source: Source, *, etag: str | None = None, query: str = "") -> Fetched:
    """
    Request a document, once.

    Args:
        etag: the ETag of the version that is already known.
        query: parameters to add to the URL.

    Raises:
        FetchError: if the response is neither the document nor "unchanged" (304).
    """
    parts = urlsplit(source.url)
    headers = {"Accept": ", ".join(source.types), "Accept-Encoding": "identity", "User-Agent": "jwt_auth"}
    if etag is not None:
        headers["If-None-Match"] = etag
    try:
        with _connected(parts, source, monotonic() + TIMEOUT) as connection:
            connection.request("GET", _target(parts, query), headers=headers)
            return _read(connection.getresponse(), source, conditional=etag is not None)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a host that IDNA can't encode
        raise FetchError(f"{source.url}: {error!r}") from error


def _target(parts: SplitResult, query: str) -> str:
    both = "&".join(filter(None, (parts.query, query)))
    return (parts.path or "/") + (f"?{both}" if both else "")


def _read(response: HTTPResponse, source: Source, *, conditional: bool) -> Fetched:
    etag, cache_control = response.getheader("ETag"), response.getheader("Cache-Control", "")
    if response.status == 304 and conditional:
        return Fetched(body=None, etag=etag, cache_control=cache_control)
    if response.status != 200:
        raise FetchError(f"{source.url}: answered with {response.status}", response.status)
    media_type = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    if not any(media_type == kind or (kind[0] == "+" and media_type.endswith(kind)) for kind in source.types):
        raise FetchError(f"{source.url}: is {media_type!r}")
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise FetchError(f"{source.url}: is compressed")
    body = response.read(source.max_length + 1)
    if len(body) > source.max_length:
        raise FetchError(f"{source.url}: has more than {source.max_length} bytes")
    if response.length:
        raise FetchError(f"{source.url}: was cut short")
    return Fetched(body=body, etag=etag, cache_control=cache_control)


# Connecting


@contextmanager
def _connected(parts: SplitResult, source: Source, deadline: float) -> Iterator[HTTPConnection]:
    host = str(parts.hostname)
    secure = parts.scheme == "https"
    connection = HTTPSConnection(host, parts.port, context=_tls()) if secure else HTTPConnection(host, parts.port)
    wire = _connect(host, connection.port, source, deadline)
    try:
        if secure:
            wire.settimeout(_left(deadline))
            wire = _tls().wrap_socket(wire, server_hostname=host)
        connection.sock = _Timed(wire, deadline)  # http.client asks it for nothing else
        yield connection
    finally:
        wire.close()


def _connect(host: str, port: int, source: Source, deadline: float) -> socket.socket:
    """Return a connection to the first address of `host` that is allowed and answers."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    rules = {"on_this_machine": is_this_machine(host), "private_network": source.private_network}
    allowed = [address for address in addresses if may_be_asked(address, **rules)]
    if not allowed:
        raise FetchError(f"{source.url}: {', '.join(addresses)} is in a private network")
    for address in allowed[:-1]:
        # If it fails, as IPv6 does in some networks, the next address may answer. Half of the time is left for that.
        with suppress(OSError):
            return socket.create_connection((address, port), timeout=_left(deadline) / 2)
    return socket.create_connection((allowed[-1], port), timeout=_left(deadline))


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Timed:
    """
    A socket with a deadline for everything together, however slowly the bytes come.

    The timeout of a socket itself starts again with each byte.
    """

    def __init__(self, wire: socket.socket, deadline: float) -> None:
        self._wire, self._deadline = wire, deadline

    def sendall(self, data: bytes) -> None:
        self._wire.settimeout(_left(self._deadline))
        self._wire.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._receive))

    def close(self) -> None:
        """Do nothing: `http.client` calls this before the body is read. `_connected` closes the socket."""

    def _receive(self, buffer: Any) -> int:
        self._wire.settimeout(_left(self._deadline))
        return self._wire.recv_into(buffer)


class _Incoming(io.RawIOBase):
    """A raw file over the bytes that `receive` gets."""

    def __init__(self, receive: Callable[[Any], int]) -> None:
        self._receive = receive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._receive(buffer)
