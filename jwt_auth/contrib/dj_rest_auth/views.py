"""
The views of dj-rest-auth that issue, renew and revoke tokens. `for_browsers()` of each is its variant with cookies.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_auth import sessions
from jwt_auth.contrib.dj_rest_auth.answers import DjRestAuthMixin, expirations
from jwt_auth.contrib.dj_rest_auth.sign_in import PasswordSignIn
from jwt_auth.contrib.simplejwt.presented import exchange
from jwt_auth.contrib.simplejwt.serializers import TokenRefreshSerializer
from jwt_auth.contrib.simplejwt.views import TokenRefreshView
from jwt_auth.http.plain import plain
from jwt_auth.views import browser, users

__all__ = ["LoginView", "LogoutView", "RefreshView"]


class LoginView(PasswordSignIn, users.LoginView):
    """
    Sign in as LOGIN_SERIALIZER says, or the view's `serializer_class`, and answer with `access`, `refresh` and `user`.

    SESSION_LOGIN has no effect: it would begin a Django session, which a revocation of tokens does not end.
    """


class LogoutView(DjRestAuthMixin, users.LogoutView):
    """
    End the session of the tokens in the header and of `refresh` in the body.

    The answer is 200 for any token, so that the request can be repeated, and 401 without one.
    """

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        presented = [raw for raw in (self.in_header(request), self.in_body(request)) if raw is not None]
        if not presented:
            raise drf.AuthenticationFailed(_("Refresh token was not included in request data."))
        for raw in presented:
            sessions.end(raw)
        return Response(_signed_out())

    def in_body(self, request: Request) -> str | None:
        return _refresh_token_in(request)

    @classmethod
    def for_browsers(cls) -> Any:
        """Return this view for browsers: it ends the session of the cookies, and deletes them."""
        return type(f"Browser{cls.__name__}", (_BrowserLogout, cls), {"__module__": cls.__module__})


class _BrowserLogout(browser.BrowserLogoutView):
    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = browser.BrowserLogoutView.post(self, request)
        response.status_code, response.data = 200, _signed_out()
        return response


class RefreshSerializer(TokenRefreshSerializer):
    """Exchange a refresh token for new tokens, with the times when they expire."""

    @sensitive_variables()
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        request = plain(self.context["request"])
        pair = exchange(attrs["refresh"], request, self.error_messages["no_active_account"])
        return {"access": pair.access_token, "refresh": pair.refresh_token, **expirations(pair)}


class RefreshView(TokenRefreshView):
    """
    Exchange the refresh token in the body. The answer has the new one, also with JWT_AUTH_HTTPONLY, because the former
    one is used up.
    """

    serializer_class = RefreshSerializer

    @classmethod
    def for_browsers(cls) -> Any:
        """Return the view for browsers: it exchanges the refresh token in its cookie, and sends cookies."""
        return _BrowserRefresh


class _BrowserRefresh(DjRestAuthMixin, browser.BrowserRefreshView):
    def answer(self, request: Request, pair: sessions.TokenPair) -> Response:
        response = super().answer(request, pair)
        response.data = {"access": "", "access_expiration": expirations(pair)["access_expiration"]}
        return response


def _refresh_token_in(request: Request) -> str | None:
    data: Any = request.data
    raw = data.get("refresh") if hasattr(data, "get") else None
    return raw if isinstance(raw, str) else None


def _signed_out() -> dict[str, Any]:
    return {"detail": _("Successfully logged out.")}
