"""
Client authentication at the token endpoint: with a token in the header, as everywhere, or in the body (RFC 7523).
"""

from typing import Any

from django.http import HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from jwt_auth import transports
from jwt_auth.authentication.classes import ClientJWTAuthentication
from jwt_auth.authentication.note import note_on
from jwt_auth.claims import Claims
from jwt_auth.http.plain import plain

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientAssertionAuthentication(ClientJWTAuthentication):
    """
    Authenticates a token that a client has signed: `client_assertion` in the body, or a bearer token in the header.

    Libraries for OAuth clients support the former, as `private_key_jwt` or `client_secret_jwt`.
    """

    # Only for views of DRF, which parse the body.
    def authenticate(self, request: Request) -> tuple[Any, Claims] | None:  # type: ignore[override]
        # With a header, the token is checked before the body is parsed: it may be bound to the body's bytes.
        if not transports.is_bearer(plain(request)):
            note_on(request).client_assertion = assertion_in(request)
        return super().authenticate(request)

    def raw_token(self, request: HttpRequest) -> str | None:
        return note_on(request).client_assertion or super().raw_token(request)


def assertion_in(request: Request) -> str | None:
    """Return the `client_assertion` in the body, None if there is none; raise ParseError if it is malformed."""
    data: Any = request.data
    assertion, kind = data.get("client_assertion") or None, data.get("client_assertion_type") or None
    if assertion is None and kind is None:
        return None
    if not isinstance(assertion, str) or kind != JWT_BEARER:
        raise ParseError("client_assertion must be a string, with the client_assertion_type of RFC 7523.")
    return assertion
