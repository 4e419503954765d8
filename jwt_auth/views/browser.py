"""
The endpoints for browsers, with tokens in httpOnly cookies and protection against requests from other sites.

Each of these endpoints accepts cookies, so each is guarded against forged requests. All other endpoints ignore cookies.
"""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.utils.cache import patch_vary_headers
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_auth import sessions, transports
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import NoTokenError
from jwt_auth.http.csrf_guard import guard, hand_out_token
from jwt_auth.models import UserSession
from jwt_auth.views import base, users


class BrowserView(base.TokenView):
    """Base of all endpoints for browsers. It sets Vary, so that caches don't mix up the responses of users."""

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(response, JWTCookieAuthentication.headers)
        return response


class GuardedView(BrowserView):
    """
    Base of endpoints that only read the credential that they are about. They check the origin of the request first.

    The check comes before the throttles, so that a page of another site can't use up the visitor's budget.
    """

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        guard(request._request, by_cookie=self.is_by_cookie(request))
        super().initial(request, *args, **kwargs)

    def is_by_cookie(self, request: Request) -> bool:
        """Return whether `request` acts by a cookie."""
        return bool(transports.all_cookies(request._request))


class SignedInView(BrowserView):
    """Base of endpoints for signed-in users; JWTCookieAuthentication guards against forged requests."""

    authentication_classes = [JWTAuthentication, JWTCookieAuthentication]


class CookieAnswer:
    """Send tokens in cookies, and never in a body."""

    transport = UserSession.Transport.COOKIE

    def answer(self, request: Request, pair: sessions.TokenPair) -> Response:
        response = Response(transports.cookie_body(pair))
        transports.set_cookies(request._request, response, pair)
        return response


class BrowserLoginView(CookieAnswer, GuardedView, users.LoginView):
    """
    Sign in, and end the session whose cookies are replaced.

    Afterwards only a person with a copy of these cookies could have used that session.
    """

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().post(request)
        for raw in transports.all_cookies(request._request):
            sessions.end(raw, reason="signed in again")
        hand_out_token(request._request, fresh=True)
        return response

    def is_by_cookie(self, request: Request) -> bool:
        """Return False: the password authenticates the request, and cookies from earlier don't matter."""
        return False


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
