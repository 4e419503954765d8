"""
The authorization server metadata of this server (RFC 8414), limited to what the server supports.
"""

from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse

from jwt_auth.conf import get_settings
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.keyring.stored import own_keys

# RFC 8693 section 2.1.
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  # a name


def has_address(issuer: str) -> bool:
    """Return whether `issuer` is a URL that leads to metadata: https, without query and fragment (section 2)."""
    parts = urlsplit(issuer)
    return parts.scheme == "https" and bool(parts.netloc) and not parts.query and not parts.fragment


def describe(namespace: str) -> dict[str, Any]:
    """Return the metadata. `has_address` must hold for ISSUER; `namespace` is the URL namespace of the endpoints."""
    return {
        "issuer": get_settings().ISSUER,
        "jwks_uri": _url(namespace, "jwks"),
        # The member is required, but there is no authorization endpoint.
        "response_types_supported": [],
        "revocation_endpoint": _url(namespace, "revoke"),
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint": _url(namespace, "introspect"),
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
        "global_token_revocation_endpoint": _url(namespace, "revoke-global"),
        **_of_exchange(namespace),
        **_of_signatures(namespace),
    }


def _of_exchange(namespace: str) -> dict[str, Any]:
    if not get_settings().SERVICE_AUDIENCES:
        return {}
    return {
        "token_endpoint": _url(namespace, "exchange"),
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt", "client_secret_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": [TOKEN_EXCHANGE],
    }


def _of_signatures(namespace: str) -> dict[str, Any]:
    key = own_keys().signing
    if key.is_secret:
        return {}
    return {
        "introspection_signing_alg_values_supported": [key.algorithm],
        "revocations_uri": _url(namespace, "revocations"),
    }


def _url(namespace: str, name: str) -> str:
    # The host is that of ISSUER, not that of the request: a cache would keep a forged Host header for everybody.
    parts = urlsplit(get_settings().ISSUER)
    return f"{parts.scheme}://{parts.netloc}{reverse(f'{namespace}:{name}')}"
