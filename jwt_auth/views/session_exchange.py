"""
The exchange of a Django session for tokens: a sign-in without credentials, by a user who is signed in to Django.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY, get_user
from django.utils import timezone
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_auth import sessions, throttling, transports
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import ExchangeRefusedError, InvalidCredentialsError, RevokedTokenError
from jwt_auth.http.csrf_guard import guard
from jwt_auth.models import UserSession
from jwt_auth.sessions import django_sessions
from jwt_auth.sessions.lifecycle import session_id_of
from jwt_auth.views.outcomes import SignIn
from jwt_auth.views.recorded import ALLAUTH, ALLAUTH_USER, DJANGO_OTP, methods_in, time_in
from jwt_auth.views.sign_in import SignInView


class SessionExchangeView(SignInView):
    """
    Exchange the Django session of the request for tokens, if SESSION_EXCHANGE is set.

    The user is that of Django's session, and never `request.user`, which a middleware may have set from a token.

    Django's signals are not sent: the sign-in to Django sent `user_logged_in`, and a request without a session guesses
    no credentials, so it is no failed sign-in.
    """

    throttle_classes = [throttling.LoginThrottle]
    budget = "session"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Django's cookie authenticates the request, whichever way the tokens are sent.
        guard(request._request, by_cookie=True)
        super().initial(request, *args, **kwargs)

    def get_amr(self, request: Request) -> Sequence[str]:
        """Return how the user was authenticated (RFC 8176), as far as allauth or django-otp has recorded it."""
        session = request._request.session
        return methods_in(_records_in(session), session.get(DJANGO_OTP))

    def get_authenticated_at(self, request: Request) -> datetime:
        """
        Return when the user was authenticated: the time of the sign-in to Django, or an earlier one of allauth.

        A time that is not known counts as earlier than all others.
        """
        session = request._request.session
        recorded = time_in(_records_in(session))
        noted = django_sessions.signed_in_at(session)
        if recorded is None:
            return noted
        return recorded if noted == django_sessions.UNKNOWN else min(noted, recorded)

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if get_settings().SESSION_EXCHANGE is None:
            raise NotFound("SESSION_EXCHANGE is not set, so no session is exchanged.")
        try:
            return super().post(request, *args, **kwargs)
        except RevokedTokenError as error:  # of the session that would have been replaced
            raise self._refused(error.reason) from error

    def authenticate(self, request: Request, data: Mapping[str, Any]) -> SignIn:
        """Return the user of Django's session; raise InvalidCredentialsError if there is none."""
        asked = request._request
        if not hasattr(asked, "session"):
            raise InvalidCredentialsError("SessionMiddleware is not in MIDDLEWARE, so there is no Django session")
        user = get_user(asked)  # compares the session's hash with the user's password
        if not user.is_authenticated:
            raise InvalidCredentialsError("nobody is signed in to Django")
        if django_sessions.sign_out_if_ended(asked):
            raise InvalidCredentialsError("a session that the Django session is tied to has ended")
        return SignIn(
            user,
            amr=self.get_amr(request),
            # The clock that noted the time may be ahead, and `sessions.start()` refuses a time in the future.
            authenticated_at=min(self.get_authenticated_at(request), timezone.now()),
            tied_to=self._tie_of_allauth(request) or django_sessions.tie(asked.session),
        )

    def _refused(self, reason: str) -> InvalidCredentialsError:
        return ExchangeRefusedError(f"the Django session can't be exchanged: {reason}")

    def _send_failure(self, request: Request, name: object) -> None:
        """Send nothing: there are no credentials to guess."""

    def _replaces(self, request: Request) -> UUID | None:
        """
        Return the id of the session that allauth's sign-in began in this browser, if both go on with the new one.

        Its cookies are replaced. If no session followed it, its end would also end allauth's session.
        """
        tie = self._tie_of_allauth(request)
        return None if tie is None else django_sessions.sid_tied_to(tie, request._request.session[SESSION_KEY])

    def _tie_of_allauth(self, request: Request) -> str | None:
        """Return the tie that the new session takes over; None if it takes over none."""
        session: Any = getattr(request._request, "session", {})
        if (
            SESSION_KEY not in session
            or self.transport != UserSession.Transport.COOKIE
            or get_settings().SESSION_EXCHANGE == "end"
        ):
            return None
        return django_sessions.tie_of_allauth(session, session[SESSION_KEY])

    def _finish(self, request: Request, user: Any, pair: sessions.TokenPair) -> None:
        """Do to Django's session what SESSION_EXCHANGE says."""
        session = request._request.session
        match get_settings().SESSION_EXCHANGE:
            case "end":
                session.flush()
            case "tie":
                # A sign-out from before the commit did not find the new session; a later one does.
                if not session.exists(str(session.session_key)):
                    session.flush()
                    raise InvalidCredentialsError("the user signed out of Django meanwhile")
                if self.transport == UserSession.Transport.COOKIE:
                    self._untie_replaced(request)

    def _untie_replaced(self, request: Request) -> None:
        """Untie the session whose cookies are replaced: it is about to end, and Django's session goes on."""
        found = [session_id_of(raw) for raw in transports.all_cookies(request._request)]
        django_sessions.untie([sid for sid in found if sid is not None])


def _records_in(session: Any) -> Any:
    """Return allauth's records about the user who is signed in to Django; None if there are none."""
    return session.get(ALLAUTH) if session.get(ALLAUTH_USER) == session.get(SESSION_KEY) else None
