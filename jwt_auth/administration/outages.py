"""
Answer an outage on the admin pages of this app with 503 and Retry-After, as the endpoints do, and not with a crash.

During a failover staff may need these pages: reading works, and an operation that can't be written reports it. A text
that the database can't store is answered with 400.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils.translation import gettext
from rest_framework.views import set_rollback

from jwt_auth._django.admin_sites import replace_views
from jwt_auth._django.driver_errors import is_of_text
from jwt_auth._django.outages import is_outage
from jwt_auth.exceptions import UnavailableError
from jwt_auth.http.logs import log_outage

View = Callable[..., Any]


def answering_outages(urls: Iterable[Any]) -> list[Any]:
    """Return the URL patterns of admin pages, whose views answer outages from now on."""
    return replace_views(urls, _answering)


def _answering(view: View) -> View:
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = answered(request, partial(view, request, *args, **kwargs))
        if isinstance(response, SimpleTemplateResponse):
            # Django renders it later, and templates query the database too.
            render = partial(answered, request, response.render)
            response.render = render  # type: ignore[method-assign]  # of this one response
        return response

    return answer


def answered(request: HttpRequest, respond: Callable[[], Any]) -> Any:
    """Return the response of `respond`; 503 for an outage, and 400 for a text that the database can't store."""
    try:
        return respond()
    except Exception as error:
        if is_of_text(error):
            set_rollback()
            return _plain(gettext("The text has characters that the database can't store."), 400)
        if not isinstance(error, UnavailableError) and not is_outage(error):
            raise
        log_outage(error, request)
        set_rollback()  # with ATOMIC_REQUESTS, nothing that came before the error counts
        text = gettext("The database is unavailable or read-only at the moment. Try again later.")
        return _plain(text, 503, {"Retry-After": str(UnavailableError.retry_after)})


def _plain(text: str, status: int, headers: Mapping[str, str] = MappingProxyType({})) -> HttpResponse:
    headers = {**headers, "Cache-Control": "no-store"}
    return HttpResponse(text, status=status, headers=headers, content_type="text/plain; charset=utf-8")
