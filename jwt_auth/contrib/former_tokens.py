"""
Opaque tokens that another package has issued (former tokens), which a project accepts until a date in FORMER_TOKENS.

They are rows of that package. This app changes them only when an exchange uses a token up, or a sign-out deletes it.
A cutoff refuses all tokens that were created before it: so the revocation of a user, a new password and a global cutoff
refuse them.
"""

from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.authentication.note import note_on
from jwt_auth.conf import get_settings
from jwt_auth.conf.rules import end_of
from jwt_auth.exceptions import ReasonedError, RevokedTokenError, UnavailableError
from jwt_auth.http.logs import log_outage, log_refusal
from jwt_auth.http.plain import plain

# The text of DRF and of knox, for their translations, and for clients that compare it.
INVALID = _("Invalid token.")


def accepted_until(kind: str) -> datetime | None:
    """Return until when the tokens of a package are accepted; None if they never are."""
    end = get_settings().FORMER_TOKENS.get(kind)
    return None if end is None else end_of(end)


class FormerTokenMixin:
    """
    Mixin for the authentication class of a package; it comes before that class.

    A token is refused after the date, if its user is inactive, missing or hidden, and if it may be older than a cutoff.
    This costs one query in addition to those of the package.
    """

    kind: ClassVar[str]

    @sensitive_variables()
    def authenticate(self, request: Any) -> tuple[Any, Any] | None:
        """Return the user and the package's token; None if the request has another credential, or none."""
        note = note_on(request)
        note.varies_on = note.varies_on.union(("Authorization",))
        if _is_of_ours(request):
            return None
        try:
            with outage_is_unavailable():
                found: tuple[Any, Any] | None = super().authenticate(request)  # type: ignore[misc]  # of the package
                return found if found is None else self._unrevoked(*found)
        except ReasonedError as error:
            log_refusal(error, plain(request))
            raise drf.AuthenticationFailed(INVALID) from error
        except UnavailableError as error:
            log_outage(error, plain(request))
            raise as_api_exception(error) from error

    @sensitive_variables()
    def authenticate_credentials(self, key: Any) -> Any:
        text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
        end = accepted_until(self.kind)
        if end is None or timezone.now() >= end:
            raise RevokedTokenError(f"FORMER_TOKENS does not accept tokens of {self.kind} any more")
        if not _is_readable(text):
            raise RevokedTokenError("the token has characters that no token has")
        return super().authenticate_credentials(key)  # type: ignore[misc]  # of the package

    def _unrevoked(self, user: Any, token: Any) -> tuple[Any, Any]:
        # Imported here, because they need the models, and DRF may import this module before.
        from jwt_auth.conf.user_keys import key_of
        from jwt_auth.revocation import cutoff
        from jwt_auth.revocation.verdict import is_from_before, latest
        from jwt_auth.user_model import as_made, visible_rows

        rows = cutoff.with_cutoff(visible_rows()).filter(pk=key_of(user))
        row = rows.annotate(jwt_global_cutoff=cutoff.global_cutoff()).first()
        fresh = None if row is None else as_made(row, shown=True)
        if fresh is None or not fresh.is_active:
            raise RevokedTokenError("the user is missing, hidden or inactive")
        if is_from_before(token.created, latest((cutoff.read(row), row.jwt_global_cutoff))):
            raise RevokedTokenError("the token is older than a cutoff")
        return user, token


def _is_of_ours(request: Any) -> bool:
    """Return whether the header has a JWT, which a package with the scheme Bearer would refuse as an unknown token."""
    return "." in plain(request).META.get("HTTP_AUTHORIZATION", "")


class FormerLogoutMixin(ABC):
    """
    Mixin for a LogoutView of this app: a former token in the header is deleted, and the answer is always 204.

    A refresh token in the body ends its session as well.

    It need not be accepted any more: the date may have passed, its user may be inactive, or revoked.
    """

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        word, _, raw = plain(request).META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if word.lower() != self.keyword().lower() or "." in raw:
            answer: Response = super().post(request, *args, **kwargs)  # type: ignore[misc]  # of this app's view
            return answer
        from jwt_auth import sessions  # needs the models, as the next line does
        from jwt_auth.views.users import UNREADABLE

        if _is_readable(raw):
            self.rows_of(raw.strip()).delete()
        with suppress(*UNREADABLE):
            if (refresh := self.in_body(request)) is not None:  # type: ignore[attr-defined]  # of this app's view
                sessions.end(refresh)
        return Response(status=204)

    @abstractmethod
    def keyword(self) -> str:
        """Return the first word of the header."""

    @abstractmethod
    def rows_of(self, raw: str) -> Any:
        """Return the rows of the token `raw`: one, or none."""


def _is_readable(text: str) -> bool:
    """Return whether a token may have these characters: at others the package, or its database, may raise an error."""
    return text.isascii() and text.isprintable()
