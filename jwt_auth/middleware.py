"""
Middleware for the tasks that DRF's authentication classes can't do: set Vary, and authenticate plain Django views.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from weakref import WeakSet

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from jwt_auth._django.lazy_rows import aload_row, before_waiting, load_row
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.authentication.errors import Refused, ServiceUnavailable, as_api_exception
from jwt_auth.authentication.note import note_on
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import InsufficientScopeError, InsufficientUserAuthenticationError, UnavailableError
from jwt_auth.http.checked_user import check_later
from jwt_auth.http.logs import log_outage
from jwt_auth.http.middleware_base import BaseMiddleware
from jwt_auth.process.blocking import about_to_block
from jwt_auth.responses import error_response
from jwt_auth.sessions import django_sessions
from jwt_auth.transports import is_bearer

__all__ = ["JWTUserMiddleware", "TiedSessionMiddleware", "VaryMiddleware"]

# Classes that need no request of DRF's, which takes longer to make than they take. A project's class may read more.
_ANY_REQUEST = frozenset((JWTAuthentication, JWTCookieAuthentication))


class _Middleware(BaseMiddleware):
    """Base class that turns errors of this app into responses."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """
        Answer the error that a lazy user raises if its row is gone or can't be read, and that of `permissions` for a
        sign-in that is too old or too weak.

        DRF answers them in its views, but not in plain ones, nor while a template is rendered, as in the browsable API.
        """
        answered = isinstance(error, Refused | ServiceUnavailable | InsufficientUserAuthenticationError)
        return _as_json(error, request) if answered else None


# The views of this process that have read more than the key of a lazy user on an event loop.
_readers: "WeakSet[Any]" = WeakSet()


class VaryMiddleware(_Middleware):
    """
    Set `Vary: Authorization`, and `Cookie`, on responses that depended on an authentication class of this app.

    Without it a cache between server and browser, or Django's own cache, may show one user's response to another.
    """

    def answer(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if varies_on := note_on(request).varies_on:
            if response.has_header("Vary"):
                patch_vary_headers(cast("Any", response), sorted(varies_on))
            else:  # the usual case: patch_vary_headers() would only search an empty header
                response["Vary"] = ", ".join(sorted(varies_on))
        return response

    def process_template_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Set the header before a response of DRF is rendered, because the decorator `cache_page` stores it then."""
        return self.answer(request, response)


class JWTUserMiddleware(_Middleware):
    """
    Set `request.user` to the user of the token in plain Django views, by the same rules as in DRF's views.

    An invalid token in the header is answered with 401, a forged request with 403, and an outage with 503. An invalid
    cookie is ignored. Without a token the user is that of Django's session. DRF's views authenticate by themselves.

    If REVOCATION is "memory", the user is not loaded, and reading its key costs no query. `await request.auser()` loads
    the user. If an asynchronous view reads more of `request.user` without that, the event loop waits for the query, but
    only once in each process: from then on the process loads the user before it calls the view.

    A token in the header always counts, because no browser sends it by itself. A cookie counts only if Django's session
    has no user: that user has signed in to these views, for example with the admin's form, and can sign out of them.

    A token that is limited to scopes signs nobody in: plain views, and those of the admin, ask only for the user. See
    `accepts()`. In the header it is answered with 403, and in a cookie it is ignored.
    """

    authentication_classes: tuple[type[JWTAuthentication], ...] = (JWTAuthentication, JWTCookieAuthentication)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        if hasattr(view, "cls"):  # set by DRF
            return None
        try:
            self.authenticate(request)
        except APIException as error:
            return _as_json(error)
        return None

    def authenticate(self, request: HttpRequest) -> None:
        """
        Raises:
            APIException: as the authentication classes do.
        """
        for authentication_class in self.authentication_classes:
            authenticator = authentication_class()
            authenticator.load_user = False  # `request.auser()` loads the user
            found = authenticator.authenticate(request if authentication_class in _ANY_REQUEST else Request(request))
            # Not earlier: a forged request is refused whichever of the two cookies counts, and requests without a good
            # cookie of ours read no session.
            if found and issubclass(authentication_class, JWTCookieAuthentication) and _has_user(request):
                return
            if found:
                self._sign_in(request, *found)
                return

    def accepts(self, request: HttpRequest, claims: Claims) -> bool:
        """
        Return whether a valid token signs its user in for this request: only one that has no limits.

        Override it for views that check `request.auth.scopes` themselves. The admin is then to be excluded.
        """
        return not claims.is_limited

    def _sign_in(self, request: HttpRequest, user: Any, claims: Claims) -> None:
        if self.accepts(request, claims):
            sign_in(request, user, claims)
        elif is_bearer(request):
            raise as_api_exception(InsufficientScopeError(()))


class TiedSessionMiddleware(_Middleware):
    """
    End Django's session together with the sessions that it is tied to, if SESSION_EXCHANGE is "tie".

    Before a plain view, and in a DRF view when an authentication class reads the user of Django's session, it checks
    whether a session that is tied to Django's was ended or is refused by a cutoff. If so, the request is anonymous. In
    an outage the answer is 503. Requests with a token alone cost no query.

    After the view, it ends the sessions that were tied to a Django session which is gone. `logout()` ends those that it
    finds, but another request may have started one meanwhile, and a sign-in of another user does not call `logout()`.
    """

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        session = getattr(request, "session", None)
        if get_settings().SESSION_EXCHANGE != "tie" or session is None or session.session_key is None:
            return None
        if hasattr(view, "cls"):  # set by DRF
            check_later(request, _check_tie)
            return None
        try:
            _check_tie(request)
        except ServiceUnavailable as error:
            return _as_json(error)
        return None

    def answer(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        tied = note_on(request).tied
        if tied is not None and django_sessions.tie_of(cast("Any", request).session) != tied[0]:
            try:
                with outage_is_unavailable():
                    django_sessions.end_tied_to(*tied)
            except UnavailableError as error:
                log_outage(error, request)
                return _as_json(as_api_exception(error))
        return response

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        return await sync_to_async(self.answer)(request, response) if note_on(request).tied else response


def _check_tie(request: HttpRequest) -> bool:
    """Sign the user out of Django if the tie says so, and return whether it did; else note the tie."""
    about_to_block()  # the session may be in a cache
    session: Any = request.session
    try:
        if django_sessions.sign_out_if_ended(request):
            return True
    except UnavailableError as error:
        log_outage(error, request)
        raise as_api_exception(error) from error
    if tied_to := django_sessions.tie_of(session):
        note_on(request).tied = (tied_to, session[SESSION_KEY])
    return False


def _has_user(request: HttpRequest) -> bool:
    """Return whether another middleware has signed somebody in: Django's, by the session."""
    user: Any = getattr(request, "user", None)
    if getattr(getattr(request, "session", None), "session_key", None) is not None:
        about_to_block()  # the session is read here, and may be in a cache
    try:
        with outage_is_unavailable():
            return user is not None and bool(user.is_authenticated)
    except UnavailableError as error:
        log_outage(error, request)
        raise as_api_exception(error) from error


def sign_in(request: HttpRequest, user: Any, claims: Claims) -> None:
    """Set the user of a request. Load the user if the view is known to read more than the key on an event loop."""
    view = request.resolver_match and request.resolver_match.func
    if _is_reader(view):
        load_row(user)
    _set_user(request, user, claims)
    before_waiting(user, lambda: _note_reader(view))


def _is_reader(view: Any) -> bool:
    try:
        return view in _readers
    except TypeError:  # an instance without a hash
        return False


def _note_reader(view: Any) -> None:
    with suppress(TypeError):  # the view has no weak references or no hash: each request waits
        _readers.add(view)


def _set_user(request: HttpRequest, user: Any, claims: Any) -> None:
    async def auser() -> Any:
        return await aload_row(user)

    request.user = user
    request.auser = auser
    request.auth = claims  # type: ignore[attr-defined]  # the same name as in DRF


def _as_json(error: Exception, request: HttpRequest | None = None) -> JsonResponse:
    answer: Any = error_response(error, request)
    headers = {name: answer[name] for name in ("WWW-Authenticate", "Retry-After") if name in answer}
    return JsonResponse(answer.data, status=answer.status_code, headers=headers)
