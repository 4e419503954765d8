"""
The client that sent a request, as far as it can be known.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from django.http import HttpRequest
from rest_framework.settings import api_settings

# More characters of a User-Agent are not looked at; 255 of them are kept.
MAX_AGENT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The origin of a request. Both fields are for people to read, and prove nothing."""

    ip_address: str | None = None
    user_agent: str = ""

    def may_be(self, other: "Peer") -> bool:
        """
        Return whether both may be one client: the same user agent, and addresses of one network.

        An unknown address may be in any network, but a missing user agent is an agent like any other. One network is an
        IPv4 /24 or an IPv6 /64: the addresses of one client change within it, by privacy addresses (RFC 8981) or a pool
        of proxies.
        """
        return self.user_agent == other.user_agent and _share_a_network(self.ip_address, other.ip_address)


def peer_of(request: HttpRequest) -> Peer:
    """Return the peer of `request`."""
    agent = request.META.get("HTTP_USER_AGENT", "")[:MAX_AGENT]
    printable = "".join(character for character in agent if character.isprintable())
    return Peer(ip_address=client_address(request), user_agent=printable[:255])


def client_address(request: HttpRequest) -> str | None:
    """
    Return the address of the client behind our own proxies; DRF's NUM_PROXIES is their number.

    Each of our proxies appends one entry to X-Forwarded-For; the client wrote the entries before those. Without
    NUM_PROXIES the header is ignored (DRF would use all of it).
    """
    proxies = api_settings.NUM_PROXIES or 0
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if proxies and forwarded:
        hops = forwarded.split(",")
        candidate = hops[-min(proxies, len(hops))].strip()
    else:
        candidate = request.META.get("REMOTE_ADDR", "")
    return _normalized(candidate)


def _normalized(candidate: str) -> str | None:
    """Return the canonical form of an address: without port and zone, an IPv4-mapped IPv6 address as IPv4."""
    text = candidate.partition("%")[0]
    if text.startswith("["):  # [2001:db8::1]:4711
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:4711
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _share_a_network(one: str | None, other: str | None) -> bool:
    return one is None or other is None or _network_of(one) == _network_of(other)


def _network_of(address: str) -> str:
    return str(ip_network(f"{address}/{64 if ':' in address else 24}", strict=False))


def address_group(request: HttpRequest) -> str:
    """Return what counts as one client when requests are counted: an IPv4 address, or an IPv6 /64 network."""
    address = client_address(request)
    if address is None:
        return "unknown"
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address
