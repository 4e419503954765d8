"""
The endpoints for browsers, with tokens in httpOnly cookies and protection against requests from other sites.

Each of these endpoints accepts cookies, so each is guarded against forged requests. All other endpoints ignore cookies.
"""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_auth import sessions, transports
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import NoTokenError
from jwt_auth.http.csrf_guard import hand_out_token
from jwt_auth.views import base, users
from jwt_auth.views.handshake_tickets import HandshakeTicketView
from jwt_auth.views.reauthentication import ReauthenticateView
from jwt_auth.views.session_exchange import SessionExchangeView
from jwt_auth.views.transport import CookieAnswer, GuardedView, SignedInView

BrowserLoginView = users.LoginView.for_browsers()
BrowserReauthenticateView = ReauthenticateView.for_browsers()
BrowserSessionExchangeView = SessionExchangeView.for_browsers()


class BrowserRefreshView(CookieAnswer, GuardedView, users.RefreshView):
    """
    Refresh with the refresh token from its cookie only.

    If the token is refused, the cookies stay: in the meantime another tab may have signed in, and deleting them
    would delete the new ones.
    """

    @sensitive_variables()
    def presented(self, request: Request) -> str:
        raw = transports.refresh_cookie(request._request)
        if raw is None:
            name = transports.name_of_cookie(request._request, get_settings().COOKIE_REFRESH_NAME)
            raise NoTokenError(f"there is no cookie {name}, and a token in the body is not read here")
        return raw


class BrowserLogoutView(GuardedView, users.LogoutView):
    """End the session of each token in cookies, header or body, and always clear the cookies."""

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        for raw in self.presented(request):
            sessions.end(raw)
        return signed_out(request)

    def presented(self, request: Request) -> list[str]:
        elsewhere = (self.in_header(request), self.in_body(request))
        return list(dict.fromkeys([*transports.all_cookies(request._request), *filter(None, elsewhere)]))

    def in_body(self, request: Request) -> str | None:
        """Return the token in the body, if any. An unreadable body must not prevent the sign-out."""
        with suppress(*users.UNREADABLE):
            return super().in_body(request)
        return None


class BrowserLogoutAllView(SignedInView, users.LogoutAllView):
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        super().post(request)
        return signed_out(request)


class BrowserSessionsView(SignedInView, users.SessionsView): ...


class BrowserSessionView(SignedInView, users.SessionView):
    """End one session. If it is the current session, this signs out."""

    def delete(self, request: Request, session_id: UUID, **kwargs: Any) -> Response:
        response = super().delete(request, session_id)
        return signed_out(request) if session_id.hex == base.own_sid(request) else response


class BrowserOwnClientsView(SignedInView, users.OwnClientsView): ...


class BrowserHandshakeTicketView(SignedInView, HandshakeTicketView): ...


class BrowserMeView(SignedInView, users.MeView):
    """A page's first request. With CSRF_MODE "django" the page gets its CSRF token here, signed in or not."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        hand_out_token(request._request)
        super().initial(request, *args, **kwargs)


def signed_out(request: Request) -> Response:
    """Return a 204 that clears the cookies, and, depending on CLEAR_SITE_DATA, other data of this origin."""
    response = Response(status=204)
    transports.clear_cookies(request._request, response)
    if kinds := get_settings().CLEAR_SITE_DATA:
        response["Clear-Site-Data"] = ", ".join(f'"{kind}"' for kind in kinds)
    return response
