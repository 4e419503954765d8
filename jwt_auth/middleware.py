"""
What an authentication class of DRF can't do: say what answers depend on, and know the user of a plain view.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.authentication.note import note_on
from jwt_auth.responses import error_response


class _Middleware:
    """As asynchronous as what it wraps."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.acall(request) if self.is_async else self.answer(request, self.get_response(request))

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        """See __call__()."""
        return self.answer(request, await self.get_response(request))

    def answer(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The answer that goes out for what came from inside."""
        return response


class VaryMiddleware(_Middleware):
    """
    Sets `Vary: Authorization`, and `Cookie`, on answers that an authentication class of this app had a say in.

    Without it a cache between here and the browser, or Django's own, may show one user's answer to another.
    """

    def answer(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if headers := sorted(note_on(request).varies_on):
            patch_vary_headers(cast("Any", response), headers)
        return response

    def process_template_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Before an answer of DRF is rendered, which is when the decorator `cache_page` stores it."""
        return self.answer(request, response)


class JWTUserMiddleware(_Middleware):
    """
    Makes `request.user` whom a token speaks for, in plain Django views, by the rules that hold in DRF's.

    A bad header is 401, a bad cookie changes nothing, a forged request is 403, and in an outage it is 503.
    Without a token the user stays who Django's session says. Views of DRF ask by themselves.
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
        asked = Request(request)
        for authentication_class in self.authentication_classes:
            if found := authentication_class().authenticate(asked):
                _set_user(request, *found)
                return


def _set_user(request: HttpRequest, user: Any, claims: Any) -> None:
    async def auser() -> Any:
        return user

    request.user = user
    request.auser = auser
    request.auth = claims  # type: ignore[attr-defined]  # as DRF calls it


def _as_json(error: APIException) -> JsonResponse:
    answer: Any = error_response(error)
    headers = {name: answer[name] for name in ("WWW-Authenticate", "Retry-After") if name in answer}
    return JsonResponse(answer.data, status=answer.status_code, headers=headers)
