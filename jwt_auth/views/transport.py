"""
The two transports of the endpoints: tokens in the body and the Authorization header, or in httpOnly cookies.

If BROWSER_ACCESS_TOKEN is "body", browsers get the refresh token in its cookie, and the access token in the body.

Each endpoint that accepts cookies is guarded against requests from other sites. All others ignore cookies.
"""

from typing import Any

from django.utils.cache import patch_vary_headers
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_auth import sessions, transports
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.http.csrf_guard import guard
from jwt_auth.models import UserSession
from jwt_auth.views.base import TokenView


class BearerAnswer:
    """Send tokens in the body; clients send them back in the Authorization header."""

    transport = UserSession.Transport.BEARER

    def answer(self, request: Request, pair: sessions.TokenPair) -> Response:
        return Response(transports.bearer_body(pair))


class CookieAnswer:
    """Send tokens in cookies: both of them, or the refresh token alone. The refresh token is never in a body."""

    transport = UserSession.Transport.COOKIE

    def answer(self, request: Request, pair: sessions.TokenPair) -> Response:
        response = Response(transports.cookie_body(pair))
        transports.set_cookies(request._request, response, pair)
        return response


class BrowserView(TokenView):
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
