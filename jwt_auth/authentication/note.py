"""
The notes of this app on a request while it is handled: the attribute `request.jwt_auth`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.request import Request

from jwt_auth.claims import Claims
from jwt_auth.exceptions import TokenError
from jwt_auth.http.plain import plain

if TYPE_CHECKING:
    from jwt_auth.models import RegisteredClient


@dataclass(slots=True, kw_only=True)
class Note:
    """
    Facts about one request, for code that handles it later.

    Args:
        varies_on: the names of the headers that its authentication depends on, for the `Vary` of the response.
        refusal: the reason why its cookie did not authenticate it.
        claims: the claims of the token by which JWTUserMiddleware has signed a user in.
        client: the API client that signed its token.
        client_assertion: the token in its body (RFC 7523 section 2.2).
        login_name: the login name in its body, in the form that all its spellings share; see `throttling`.
    """

    varies_on: frozenset[str] = frozenset()
    refusal: TokenError | None = None
    claims: Claims | None = None
    client: "RegisteredClient | None" = None
    client_assertion: str | None = None
    login_name: str | None = None


def note_on(request: HttpRequest | Request) -> Note:
    """Return the note on `request`; make a new one if there is none."""
    noted = plain(request)
    note: Note | None = getattr(noted, "jwt_auth", None)
    if note is None:
        note = noted.jwt_auth = Note()  # type: ignore[attr-defined]
    return note
