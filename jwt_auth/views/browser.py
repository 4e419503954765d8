"""
The endpoints for browsers: the tokens travel in httpOnly cookies, and other sites' pages are kept out.

Each of them takes cookies, and so each is guarded against forged requests; those of `views` look at none.
"""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.utils.cache import patch_vary_headers
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
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
    """Base of all of them; caches must not mix up whose answer it is."""

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(response, JWTCookieAuthentication.headers)
        return response


class GuardedView(BrowserView):
    """
    Looks at no credential but the one that it is about, and asks first which page it comes from: a
    foreign one must not even use up the visitor's throttle.
    """

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        guard(request._request, by_cookie=self.is_by_cookie(request))
        super().initial(request, *args, **kwargs)

    def is_by_cookie(self, request: Request) -> bool:
        """Whether a cookie is what `request` acts by."""
        return bool(transports.all_cookies(request._request))


class SignedInView(BrowserView):
    """For whoever is signed in; JWTCookieAuthentication is the guard."""

    authentication_classes = [JWTAuthentication, JWTCookieAuthentication]


class CookieAnswer:
    """Tokens go out in cookies, and are in no body."""

    transport = UserSession.Transport.COOKIE

    def answer(self, request: Request, pair: sessions.TokenPair) -> Response:
        response = Response(transports.cookie_body(pair))
        transports.set_cookies(request._request, response, pair)
        return response


class LoginView(CookieAnswer, GuardedView, users.LoginView):
    """The session whose cookies are replaced ends: nobody could go on with it but who copied them."""

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        response = super().post(request)
        for raw in transports.all_cookies(request._request):
            sessions.end(raw, reason="signed in again")
        hand_out_token(request._request, fresh=True)
        return response

    def is_by_cookie(self, request: Request) -> bool:
        """The password is what signs in; cookies left over from earlier don't stand in its way."""
        return False


class RefreshView(CookieAnswer, GuardedView, users.RefreshView):
    """
    Takes the refresh token from its cookie alone.

    A refused one is left where it is: in the meantime another tab may have signed in, and an answer that
    deletes would delete the new ones.
    """

    @sensitive_variables()
    def presented(self, request: Request) -> str:
        raw = transports.refresh_cookie(request._request)
        if raw is None:
            raise NoTokenError("there is no refresh cookie")
        return raw


class LogoutView(GuardedView, users.LogoutView):
    """Ends the session of whichever token comes, in a cookie, the header or the body, and clears always."""

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        for raw in self.presented(request):
            sessions.end(raw)
        return signed_out(request)

    def presented(self, request: Request) -> list[str]:
        return list(dict.fromkeys([*transports.all_cookies(request._request), *super().presented(request)]))

    def in_body(self, request: Request) -> str | None:
        """A body that can't be read has no token; that is no reason to stay signed in."""
        with suppress(drf.ParseError, drf.ValidationError, drf.UnsupportedMediaType):
            return super().in_body(request)
        return None


class LogoutAllView(SignedInView, users.LogoutAllView):
    def post(self, request: Request) -> Response:
        super().post(request)
        return signed_out(request)


class SessionsView(SignedInView, users.SessionsView): ...


class SessionView(SignedInView, users.SessionView):
    """Ending the session that one is in is signing out."""

    def delete(self, request: Request, session_id: UUID) -> Response:
        response = super().delete(request, session_id)
        return signed_out(request) if session_id.hex == base.claims_of(request).sid else response


class MeView(SignedInView, users.MeView):
    """What a page asks first. With CSRF_MODE "django" it gets its token here, signed in or not."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        hand_out_token(request._request)
        super().initial(request, *args, **kwargs)


def signed_out(request: Request) -> Response:
    """204 after which the browser has forgotten the tokens, and what the pages of this origin had kept."""
    response = Response(status=204)
    transports.clear_cookies(request._request, response)
    if kinds := get_settings().CLEAR_SITE_DATA:
        response["Clear-Site-Data"] = ", ".join(f'"{kind}"' for kind in kinds)
    return response
