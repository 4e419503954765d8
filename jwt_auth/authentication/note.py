"""
The notes of this app on a request while it is handled: the attribute `request.jwt_auth`.
"""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from rest_framework.request import Request

from jwt_auth.claims import Claims
from jwt_auth.exceptions import TokenError
from jwt_auth.http.plain import plain

if TYPE_CHECKING:
    from jwt_auth.authentication.remembered import Verdict
    from jwt_auth.models import RegisteredClient


class Note:
    """
    Facts about one request, for code that handles it later.

    The defaults are attributes of the class, because most requests set few of them, and setting all would take time.
    `repr()` shows none, because some contain tokens.

    Attributes:
        varies_on: the names of the headers that its authentication depends on, for the `Vary` of the response.
        refusal: the reason why its cookie did not authenticate it.
        user: the user of its token; see `claims_for()`.
        claims: the claims of that token.
        client: the API client that signed its token.
        client_assertion: the token in its body (RFC 7523 section 2.2).
        login_name: the login name in its body, in the form that all its spellings share; see `throttling`.
        limit: the setting with the rate that it exceeds.
        tied: the id that ties sessions to the Django session that the request began with, and its user's key.
        allauth: the progress of a sign-in with allauth; see `contrib.allauth`.
        verdict: the last verdict on a token of the request; see `remembered`.
        used_up: the single-use tokens that it has used up, each with whether a view that only revokes did so.
    """

    varies_on: frozenset[str] = frozenset()
    refusal: TokenError | None = None
    user: Any = None
    claims: Claims | None = None
    client: "RegisteredClient | None" = None
    client_assertion: str | None = None
    login_name: str | None = None
    limit: str = ""
    tied: tuple[str, Any] | None = None
    allauth: Any = None
    verdict: "Verdict | None" = None
    used_up: frozenset[tuple[str, bool]] = frozenset()

    def claims_for(self, user: Any) -> Claims | None:
        """
        Return the claims of the token whose user is `user`; None if there is no such token.

        `request.user` may be somebody else: a class of this app verified the token, but other code decided who the
        user is. If it is the same user, it does not matter who decided: the token's limits count.
        """
        return self.claims if self.claims is not None and self.user == user else None


def note_on(request: HttpRequest | Request) -> Note:
    """Return the note on `request`; make a new one if there is none."""
    noted = plain(request)
    note: Note | None = getattr(noted, "jwt_auth", None)
    if note is None:
        note = noted.jwt_auth = Note()  # type: ignore[attr-defined]
    return note
