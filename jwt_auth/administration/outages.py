"""
Answer an outage on the admin pages of this app with 503 and Retry-After, as the endpoints do, and not with a crash.

During a failover staff may need these pages: reading works, and an operation that can't be written reports it.
"""

from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils.translation import gettext
from rest_framework.views import set_rollback

from jwt_auth._django.admin_sites import replace_views
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
        response = _try(request, partial(view, request, *args, **kwargs))
        if isinstance(response, SimpleTemplateResponse):
            # Django renders it later, and templates query the database too.
            render = partial(_try, request, response.render)
            response.render = render  # type: ignore[method-assign]  # of this one response
        return response

    return answer


def _try(request: HttpRequest, respond: Callable[[], Any]) -> Any:
    try:
        return respond()
    except Exception as error:
        if not isinstance(error, UnavailableError) and not is_outage(error):
            raise
        log_outage(error, request)
        set_rollback()  # with ATOMIC_REQUESTS, nothing that came before the error counts
        return HttpResponse(
            gettext("The database is unavailable or read-only at the moment. Try again later."),
            status=503,
            headers={"Retry-After": str(UnavailableError.retry_after), "Cache-Control": "no-store"},
            content_type="text/plain; charset=utf-8",
        )
