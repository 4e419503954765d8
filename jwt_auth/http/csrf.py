"""
Protection against cross-site request forgery: check that a request comes from a page of ours. Pure.

A browser adds our cookies to every request to us, whichever page caused it. It also says where that page comes
from, in two headers that no script can set. With these headers there is no token to issue, store or compare:

    Sec-Fetch-Site            answer
    -----------------------   -------------------------------------------------------------------------
    same-origin               pass
    none (typed, bookmarked)  pass, unless a cookie authenticates the request
    same-site, cross-site     pass if `Origin` is trusted: a sibling host is another site to us
    missing, or unknown       `Origin` decides: pass if it is ours or trusted; if `Origin` is missing too,
                              the client is no browser: pass, unless a cookie authenticates the request
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from django.utils.http import is_same_domain

from jwt_auth.exceptions import CsrfError

# RFC 9110 section 9.2.1. Where a safe method means fewer checks of the token, see authentication.classes.READ_METHODS.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_KNOWN_SITES = frozenset({"same-origin", "none", "same-site", "cross-site"})

# Any scheme, because the web views of apps have origins such as capacitor://localhost.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9._*-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_PATH = re.compile(r"(?<=[^:/])[/?#].*", re.DOTALL)
_DEFAULT_PORTS = {"http": "80", "https": "443"}

_Origin: TypeAlias = tuple[str, str]  # scheme, and host with its port unless that is the scheme's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """
    The origin of a request, and the origins that it is compared with.

    Args:
        fetch_site: Sec-Fetch-Site, None when it is missing.
        origin: Origin, None when it is missing.
        own_origin: scheme and host that the request was sent to.
        trusted_origins: other origins that may act for a user here, in the form of CSRF_TRUSTED_ORIGINS.
    """

    fetch_site: str | None
    origin: str | None
    own_origin: str
    trusted_origins: tuple[str, ...] = ()


def check(sent: Provenance, *, by_cookie: bool) -> None:
    """
    Check the origin of a request.

    Args:
        by_cookie: whether a cookie authenticates the request.

    Raises:
        CsrfError: when a page that is neither ours nor trusted may have sent it.
    """
    site = sent.fetch_site if sent.fetch_site in _KNOWN_SITES else None
    if site == "same-origin":
        return
    if site == "none" or (site is None and sent.origin is None):
        if by_cookie:
            raise CsrfError(
                f"no Origin says which page sent it {_site_of(sent)}; a client that is no browser sends the token in "
                "the Authorization header, and no cookies"
            )
        return
    allowed = sent.trusted_origins if site else (sent.own_origin, *sent.trusted_origins)
    if not _is_among(sent.origin, allowed):
        raise CsrfError(
            f"it comes from {_cut(sent.origin)!r} {_site_of(sent)}, this site is {_cut(sent.own_origin)!r}, and "
            "CSRF_TRUSTED_ORIGINS does not have that origin"
        )


def _site_of(sent: Provenance) -> str:
    return f"(Sec-Fetch-Site: {_cut(sent.fetch_site)})"


def _cut(header: str | None) -> str | None:
    return header and header[:200]


def can_match(entry: str) -> bool:
    """Return whether there is an origin that `entry` of CSRF_TRUSTED_ORIGINS matches, as browsers write origins."""
    pattern = _parse_entry(entry)
    return pattern is not None and "*" not in pattern[1].removeprefix("*.")


def _is_among(origin: str | None, allowed: Iterable[str]) -> bool:
    return origin is not None and any(_matches(origin, entry) for entry in allowed)


def _matches(origin: str, entry: str) -> bool:
    """
    Match as Django matches CSRF_TRUSTED_ORIGINS: `https://*.example.com` is that host and all hosts below it.

    Unlike there, case and the port of the scheme do not matter, and a wildcard matches only well-formed origins.
    """
    if origin == entry:
        return "://" in entry  # not `null`, the origin of a sandboxed frame in any page
    found, pattern = _parse(origin), _parse_entry(entry)
    if found is None or pattern is None:
        return False
    return found[0] == pattern[0] and is_same_domain(found[1], pattern[1].lstrip("*"))


def _parse_entry(entry: str) -> _Origin | None:
    """Parse a trusted origin. If it has a wildcard, only scheme and host count, as in Django."""
    return _parse(_PATH.sub("", entry) if "*" in entry else entry)


def _parse(text: str) -> _Origin | None:
    """Return the parsed origin; None for anything else: `null`, a path, a list."""
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        return None
    scheme, host, port = match["scheme"], match["host"], match["port"]
    return scheme, host if port in (None, _DEFAULT_PORTS.get(scheme)) else f"{host}:{port}"
