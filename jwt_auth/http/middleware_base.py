"""
The base class of this app's middleware.
"""

from collections.abc import Awaitable, Callable
from types import MethodType
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jwt_auth.process.blocking import on_loop


class BaseMiddleware:
    """Middleware that is asynchronous if `get_response` is."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
            for name in ("process_view", "process_template_response"):
                if method := getattr(type(self), name, None):
                    setattr(self, name, MethodType(_on_loop(method), self))

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.acall(request) if self.is_async else self.answer(request, self.get_response(request))

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        """Handle a request asynchronously; see __call__()."""
        return self.answer(request, await self.get_response(request))

    def answer(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response to send, given the response of the wrapped layers."""
        return response


def _on_loop(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return an asynchronous variant of `method`: Django would call `method` in a thread, which it rarely needs."""

    async def call(*args: Any, **kwargs: Any) -> Any:
        return await on_loop(lambda: method(*args, **kwargs))

    return call
