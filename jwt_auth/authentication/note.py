"""
The notes of this app on a request while it is handled: the attribute `request.jwt_auth`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest

from jwt_auth.exceptions import TokenError

if TYPE_CHECKING:
    from jwt_auth.models import RegisteredClient


@dataclass(slots=True, kw_only=True)
class Note:
    """
    Facts about one request, for code that handles it later.

    Args:
        varies_on: the names of the headers that its authentication depends on, for the `Vary` of the response.
        refusal: the reason why its cookie did not authenticate it.
        client: the API client that signed its token.
        client_assertion: the token in its body (RFC 7523 section 2.2).
        login_name: the login name in its body, in the form that all its spellings share; see `throttling`.
    """

    varies_on: frozenset[str] = frozenset()
    refusal: TokenError | None = None
    client: "RegisteredClient | None" = None
    client_assertion: str | None = None
    login_name: str | None = None


def note_on(request: HttpRequest) -> Note:
    """Return the note on `request`; make a new one if there is none."""
    note: Note | None = getattr(request, "jwt_auth", None)
    if note is None:
        note = request.jwt_auth = Note()  # type: ignore[attr-defined]
    return note
