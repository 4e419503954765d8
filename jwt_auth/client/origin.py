"""
Where a token may go: to one origin (RFC 6454), which is https, or this machine.

Whoever gets a token can use it until it expires. Libraries drop it when they follow a redirect to another
origin; this also keeps it from one to which a session is sent by mistake.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"https": 443, "http": 80}


class ForeignOriginError(Exception):
    """Raised instead of sending a token to an origin that it is not for."""


def api_origin(url: str) -> str:
    """
    The origin of an API.

    Raises:
        ValueError: when it is neither https nor on this machine: whoever listens would have the token.
    """
    scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
    if not host or (scheme != "https" and not (scheme == "http" and _is_loopback(host))):
        raise ValueError("an API must have an https:// address, or http:// on this machine")
    return origin(url)


def check(url: str, allowed: str) -> None:
    """Raise ForeignOriginError unless the origin of `url` is `allowed`."""
    if origin(url) != allowed:
        raise ForeignOriginError(f"a token for {allowed} is not sent to {origin(url)}")


def origin(url: str) -> str:
    """Scheme, host and port, in one spelling."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    default = parts.port in (None, _DEFAULT_PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" if default else f"{parts.scheme}://{host}:{parts.port}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
