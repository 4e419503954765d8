"""
Who is on the other end of a request, as far as that can be known.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from django.http import HttpRequest
from rest_framework.settings import api_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where a request came from; both parts are for people to read, and prove nothing."""

    ip_address: str | None = None
    user_agent: str = ""


def peer_of(request: HttpRequest) -> Peer:
    """The peer of `request`."""
    agent = request.META.get("HTTP_USER_AGENT", "")
    printable = "".join(character for character in agent if character.isprintable())
    return Peer(ip_address=client_address(request), user_agent=printable[:255])


def client_address(request: HttpRequest) -> str | None:
    """
    The address of the client behind as many proxies as DRF's NUM_PROXIES says that we run.

    Each of ours appends one entry to X-Forwarded-For; what stands before those was written by the client.
    Without NUM_PROXIES the header is not looked at (where DRF would take all of it).
    """
    proxies = api_settings.NUM_PROXIES or 0
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if proxies and forwarded:
        hops = forwarded.split(",")
        candidate = hops[-min(proxies, len(hops))].strip()
    else:
        candidate = request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(candidate))
    except ValueError:
        return None


def address_group(request: HttpRequest) -> str:
    """What counts as one client when requests are counted: an IPv4 address, or an IPv6 /64."""
    address = client_address(request)
    if address is None:
        return "unknown"
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address
