"""
The middleware for allauth: cookies for browsers, and the ends of Django's sessions.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth import logout
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_variables

from jwt_auth import sessions
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication.note import note_on
from jwt_auth.contrib.allauth.sign_ins import (
    Progress,
    begin,
    end_former,
    has_ended,
    is_of_app,
    progress_of,
    remember,
    started,
)
from jwt_auth.contrib.allauth.strategy import unauthorized
from jwt_auth.exceptions import JWTAuthError, UnavailableError
from jwt_auth.http.checked_user import check_later
from jwt_auth.http.csrf import SAFE_METHODS
from jwt_auth.http.middleware_base import BaseMiddleware
from jwt_auth.process.blocking import about_to_block, on_loop
from jwt_auth.responses import error_response
from jwt_auth.revocation import revoke_session
from jwt_auth.sessions import CredentialsChangedError
from jwt_auth.sessions.django_sessions import sign_out
from jwt_auth.transports import all_cookies, clear_cookies, set_cookies
from jwt_auth.views import SessionExchangeView

__all__ = ["AllauthMiddleware"]

# Where allauth's view is that exchanges refresh tokens.
_REFRESH = "allauth.headless.tokens.views"


class AllauthMiddleware(BaseMiddleware):
    """
    Give browsers that sign in with allauth the tokens of this app in cookies, and end both sessions together.

    Before a view of allauth checks credentials, it notes the time: a user who is revoked later is not signed in.

    If the session of the user's tokens has ended, the request is anonymous, and Django's session ends as well. DRF's
    views ask only if an authentication class reads Django's session.

    It stands behind Django's AuthenticationMiddleware. An outage is answered with 503. On an event loop, it uses a
    thread only for requests that have one of Django's sessions, or that may check credentials at a view of allauth.
    """

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        try:
            if _may_check_credentials(request, view):
                begin(request)
            if request.session.session_key is not None:
                if _may_wait(view):
                    check_later(request, _sign_out_if_ended)
                else:
                    _sign_out_if_ended(request)
        except UnavailableError as error:
            return _as_json(error, request)
        return None

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        response = await self.get_response(request)
        answer: HttpResponseBase = await on_loop(lambda: self.answer(request, response))
        return answer

    @sensitive_variables()
    def answer(self, request: HttpRequest, response: Any) -> Any:
        progress = note_on(request).allauth
        if progress is None:
            return response
        try:
            end_former(request)
            if response.status_code >= 400:
                _refuse(request, progress)
            elif progress.is_complete and _has_signed_in(request):
                return _signed_in(request, response)
        except UnavailableError as error:
            return _as_json(error, request)
        if progress.has_signed_out and not is_of_app(request):
            clear_cookies(request, response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        return _as_json(error, request) if isinstance(error, UnavailableError) else None


def _may_check_credentials(request: HttpRequest, view: Callable[..., Any]) -> bool:
    """
    Return whether a view of allauth may check credentials; those of providers do when the browser comes back.

    A refresh token says itself which session it is for.
    """
    bases: Iterable[type] = getattr(view, "view_class", object).__mro__  # a project may derive views of its own
    modules = [name for name in (view.__module__, *(base.__module__ for base in bases)) if name.startswith("allauth.")]
    if not modules or _REFRESH in modules:
        return False
    return request.method not in SAFE_METHODS or any(".providers." in name for name in modules)


def _may_wait(view: Callable[..., Any]) -> bool:
    """Return whether `view` asks for `request.user`, as DRF's views do; an exchange reads Django's session itself."""
    kind = getattr(view, "cls", None)  # set by DRF
    return kind is not None and not issubclass(kind, SessionExchangeView)


def _sign_out_if_ended(request: HttpRequest) -> bool:
    """Sign the user out of Django if the session of the tokens has ended, and return whether that is so."""
    about_to_block()  # the session may be in a cache
    with outage_is_unavailable():
        is_over = has_ended(request.session)
        if is_over:
            sign_out(request)
            # The cookies may be those of a later sign-in, without allauth.
            progress_of(request).has_signed_out = False
        else:
            remember(request, request.session)
    return is_over


def _refuse(request: HttpRequest, progress: Progress) -> None:
    """
    Undo a sign-in that ended in an error, as by a receiver of the project.

    The tokens, if there are any already, were not sent. A re-authentication in a browser leaves the session as it was.
    """
    if progress.pair is not None:
        about_to_block()
        revoke_session(progress.pair.session_id, reason="sign-in refused")
    # The session of the request is no longer the app's, which is tied to none, so that its session token is unknown.
    elif progress.is_complete and not is_of_app(request):
        about_to_block()
        if has_ended(request.session, must_be_tied=True):
            with outage_is_unavailable():
                logout(request)


def _has_signed_in(request: HttpRequest) -> bool:
    about_to_block()  # before the user is read, and before a session starts
    return request.user.is_authenticated and not is_of_app(request)


@sensitive_variables()
def _signed_in(request: HttpRequest, response: Any) -> Any:
    """Return the response with the cookies of a new session, and end the one whose cookies are replaced."""
    pair = started(request)
    if pair is None and hasattr(request.allauth, "headless"):  # type: ignore[attr-defined]  # of allauth's middleware
        return unauthorized(request)
    if pair is None:
        return _as_json(CredentialsChangedError("see the record before"), request)
    set_cookies(request, response, pair)
    add_never_cache_headers(response)
    for raw in all_cookies(request):
        sessions.end(raw, reason="signed in again")
    return response


def _as_json(error: JWTAuthError, request: HttpRequest) -> JsonResponse:
    answer: Any = error_response(error, request)
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Type"}
    return JsonResponse(answer.data, status=answer.status_code, headers=headers)
