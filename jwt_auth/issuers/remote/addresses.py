"""
The addresses that documents of other servers may be fetched from. Pure.

    an address                              may be connected to
    ------------------------------------    ------------------------------------------------------------------------
    is this machine's, is link-local, or    never; only loopback is allowed, and alone, for a URL on this machine
    gives a machine its secrets in a        under DEBUG
    cloud
    is in a private network                 if the issuer has PRIVATE_NETWORK
    is public                               always
    stands for an IPv4 address, or          if the IPv4 address may be: a gateway, or the machine itself, passes the
    contains one                            packets on to it

A network may also have a prefix of its own for IPv4 addresses (RFC 6052 section 2.2), which looks like any other.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

_Address: TypeAlias = IPv4Address | IPv6Address

# Addresses at which clouds give a machine its secrets, besides 169.254.0.0/16: AWS and Google over IPv6, Alibaba,
# Oracle, Azure.
_SECRETS = frozenset(
    map(ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"))
)
_THIS_NETWORK = ip_network("0.0.0.0/8")

# Ranges that are not public, but that some versions of Python's `ipaddress` call public: site-local addresses
# (RFC 3879), relays of 6to4 (RFC 7526), assignments for protocols (RFC 6890), examples (RFC 9637).
_NOT_PUBLIC = tuple(map(ip_network, ("fec0::/10", "192.88.99.0/24", "192.0.0.0/24", "3fff::/20")))

_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052 section 2.1, as DNS64 writes it
_NAT64_INSIDE = ip_network("64:ff9b:1::/48")  # RFC 8215: for the gateways of a network, which choose the form

# The first half of the interface identifier of an ISATAP address (RFC 5214 section 6.1), without its "universal" bit.
_ISATAP = 0x00005EFE
_UNIVERSAL = 0x02000000


def may_be_asked(address: str, *, on_this_machine: bool, private_network: bool) -> bool:
    """
    Return whether a connection to `address` may be made.

    Args:
        address: as getaddrinfo() returns it, perhaps with a zone.
        on_this_machine: whether the URL says so, and may say so; see rules.is_this_machine().
        private_network: see fetching.Source.
    """
    # Without the zone, because an address with one equals no other.
    judged = list(_judged(ip_address(address.partition("%")[0])))
    if on_this_machine:
        return all(ip.is_loopback for ip in judged)
    return all(not _is_never_asked(ip) and (private_network or _is_public(ip)) for ip in judged)


def _is_never_asked(ip: _Address) -> bool:
    if ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return True
    return ip in _SECRETS or ip in _THIS_NETWORK


def _is_public(ip: _Address) -> bool:
    return ip.is_global and not any(ip in network for network in _NOT_PUBLIC)


def _judged(ip: _Address) -> Iterator[_Address]:
    """Yield the addresses that all have to be allowed: those inside of `ip`, or else `ip` itself."""
    if isinstance(ip, IPv4Address):
        yield ip
    elif whole := ip.ipv4_mapped or ip.sixtofour:  # RFC 4291 section 2.5.5.2, RFC 3056
        yield whole
    elif ip.teredo:  # RFC 4380: the server, and the client
        yield from ip.teredo
    elif ip in _NAT64:
        yield _four(int(ip), 0)
    elif ip in _NAT64_INSIDE:
        yield from _translated(ip) or (ip,)
    else:
        yield ip
        if (int(ip) >> 32 & 0xFFFFFFFF) & ~_UNIVERSAL == _ISATAP:
            yield _four(int(ip), 0)


def _translated(ip: IPv6Address) -> tuple[IPv4Address, ...]:
    """
    Return the IPv4 addresses at the places where RFC 6052 section 2.2 may put one behind a prefix of 48 bits or more.

    Only the gateway knows the place. Zeros are no address: they belong to the prefix or the suffix.
    """
    bits = int(ip)
    without_octet = (bits >> 64 << 56) | (bits & (1 << 56) - 1)  # bits 64 to 71 are never part of the address
    places = [_four(bits, 0), *(_four(without_octet, shift) for shift in (40, 32, 24))]
    return tuple(four for four in places if four not in _THIS_NETWORK)


def _four(bits: int, shift: int) -> IPv4Address:
    return IPv4Address(bits >> shift & 0xFFFFFFFF)
