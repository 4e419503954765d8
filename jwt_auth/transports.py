"""
How a token travels. What it means is not decided here.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from jwt_auth.conf import get_settings
from jwt_auth.exceptions import MalformedTokenError

SCHEME = "Bearer"

# RFC 9110 section 11.4: the scheme is case-insensitive, and one or more spaces follow it.
_CREDENTIALS = re.compile(r"bearer(?: +(?P<token>[!-~]+))?[ \t]*", re.IGNORECASE)


def is_bearer(request: HttpRequest) -> bool:
    """Whether the request means to authenticate with a bearer token, well or badly."""
    return _header(request)[: len(SCHEME) + 1].strip().lower() == SCHEME.lower()


def bearer_token(request: HttpRequest) -> str | None:
    """
    The token in the Authorization header (RFC 6750 section 2.1), None when there is another or no scheme.

    Raises:
        MalformedTokenError: when the scheme is ours and the rest isn't one token.
    """
    if not is_bearer(request):
        return None
    match = _CREDENTIALS.fullmatch(_header(request))
    if match is None or match["token"] is None:
        raise MalformedTokenError("the Authorization header does not hold one token")
    return match["token"]


def challenge(*, token_presented: bool) -> str:
    """The value of WWW-Authenticate (RFC 6750 section 3); without credentials it names no error."""
    value = f'{SCHEME} realm="{get_settings().REALM}"'
    return f'{value}, error="invalid_token"' if token_presented else value


def bearer_body(pair: Any) -> Mapping[str, Any]:
    """A TokenPair as the answer to login and refresh (RFC 6749 section 5.1)."""
    return {
        "access_token": pair.access_token,
        "token_type": SCHEME,
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
        "refresh_expires_in": pair.refresh_expires_in,
        "session": str(pair.session_id),
    }


def _header(request: HttpRequest) -> str:
    return request.META.get("HTTP_AUTHORIZATION", "")  # type: ignore[no-any-return]
