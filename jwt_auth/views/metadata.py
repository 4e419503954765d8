"""
The authorization server metadata of this server (RFC 8414), limited to what the server supports.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from django.urls import NoReverseMatch, ResolverMatch, URLPattern, URLResolver, get_resolver, get_urlconf, reverse

from jwt_auth.conf import get_settings
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.keyring.stored import own_keys

# RFC 8693 section 2.1.
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  # a name

_APP = "jwt_auth"

# The path of an endpoint, by its name.
_Paths: TypeAlias = Callable[[str], str]


def has_address(issuer: str) -> bool:
    """Return whether `issuer` is a URL that leads to metadata: https, without query and fragment (section 2)."""
    try:
        parts = urlsplit(issuer)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.netloc) and not parts.query and not parts.fragment


def find_endpoints(match: ResolverMatch) -> _Paths | None:
    """
    Return the paths of the endpoints for the metadata at `match`; None if the URLconf does not include `jwt_auth.urls`.

    The view may be alone at the host's root (RFC 8414 section 3.1), and the endpoints in any namespace. If they are
    included several times, the nearest namespace counts, then the one that Django calls the default.
    """
    known = dict.fromkeys(namespaces_in(get_resolver(get_urlconf()).url_patterns))
    for namespace in sorted(known, key=lambda name: (-_shared_levels(name, match), name != _APP)):
        # Their path may have parameters, such as a version of the API, which the path of this request has too.
        for parameters in ({"kwargs": match.kwargs}, {"args": match.args}):
            with suppress(NoReverseMatch):
                return _paths_in(namespace, parameters)
    return None


def _paths_in(namespace: str, parameters: dict[str, Any]) -> _Paths:
    def path_of(name: str) -> str:
        return reverse(f"{namespace}:{name}", **parameters)

    path_of("jwks")
    return path_of


def _shared_levels(namespace: str, match: ResolverMatch) -> int:
    pairs = zip(namespace.split(":"), match.namespaces, strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def namespaces_in(patterns: Sequence[URLPattern | URLResolver], outer: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield each namespace that `jwt_auth.urls` is included in."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            levels = (*outer, pattern.namespace) if pattern.namespace else outer
            if pattern.app_name == _APP:
                yield ":".join(levels)
            yield from namespaces_in(pattern.url_patterns, levels)


def describe(path_of: _Paths) -> dict[str, Any]:
    """Return the metadata. `has_address` must hold for ISSUER; `path_of` is from `find_endpoints`."""
    return {
        "issuer": get_settings().ISSUER,
        "jwks_uri": _url(path_of("jwks")),
        # The member is required, but there is no authorization endpoint.
        "response_types_supported": [],
        "revocation_endpoint": _url(path_of("revoke")),
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint": _url(path_of("introspect")),
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
        "global_token_revocation_endpoint": _url(path_of("revoke-global")),
        **_of_exchange(path_of),
        **_of_signatures(path_of),
    }


def _of_exchange(path_of: _Paths) -> dict[str, Any]:
    if not get_settings().SERVICE_AUDIENCES:
        return {}
    return {
        "token_endpoint": _url(path_of("exchange")),
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt", "client_secret_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": [TOKEN_EXCHANGE],
    }


def _of_signatures(path_of: _Paths) -> dict[str, Any]:
    key = own_keys().signing
    if key.is_secret:
        return {}
    return {
        "introspection_signing_alg_values_supported": [key.algorithm],
        "revocations_uri": _url(path_of("revocations")),
    }


def _url(path: str) -> str:
    # The host is that of ISSUER, not that of the request: a cache would keep a forged Host header for everybody.
    parts = urlsplit(get_settings().ISSUER)
    return f"{parts.scheme}://{parts.netloc}{path}"
