"""
The origin (RFC 6454) to which tokens may be sent: one https origin, or one on this machine.

Anyone who gets a token can use it until it expires. HTTP libraries drop the token if they follow a redirect to
another origin; this module also refuses to send it to another origin by mistake.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"https": 443, "http": 80}


class ForeignOriginError(Exception):
    """Raised instead of sending a token to another origin than the API's."""


def api_origin(url: str) -> str:
    """
    Return the origin of an API.

    Raises:
        ValueError: if it is neither https nor on this machine, because others on the network could read the token.
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
    """Return scheme, host and port in normalized form."""
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
