"""
Apply the CSRF checks to a request, in the mode that CSRF_MODE names.
"""

from typing import Any

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware, get_token, rotate_token

from jwt_auth.conf import get_settings
from jwt_auth.exceptions import CsrfError
from jwt_auth.http.csrf import SAFE_METHODS, Provenance, check
from jwt_auth.http.logs import log_let_through


def guard(request: HttpRequest, *, by_cookie: bool) -> None:
    """
    Refuse a request of another site's page, as far as CSRF_MODE says so.

    Args:
        by_cookie: whether a cookie authenticates the request.

    Raises:
        CsrfError: when `request` may change something, and another site's page may have sent it.
    """
    # Set by Django's test client, unless it was created with `enforce_csrf_checks=True`; never by a request.
    if request.method in SAFE_METHODS or getattr(request, "_dont_enforce_csrf_checks", False):
        return
    mode = get_settings().CSRF_MODE
    if mode == "django":
        _check_token(request)
        return
    try:
        check(provenance_of(request), by_cookie=by_cookie)
    except CsrfError as error:
        if mode != "log_only":
            raise
        log_let_through(error, request)


def provenance_of(request: HttpRequest) -> Provenance:
    """Return what the browser said about the page that sent `request`."""
    return Provenance(
        fetch_site=request.META.get("HTTP_SEC_FETCH_SITE"),
        origin=request.META.get("HTTP_ORIGIN"),
        own_origin=f"{request.scheme}://{request.get_host()}",
        trusted_origins=tuple(django_settings.CSRF_TRUSTED_ORIGINS),
    )


def hand_out_token(request: HttpRequest, *, fresh: bool = False) -> None:
    """
    Have CsrfViewMiddleware send its cookie, if CSRF_MODE is "django". Pages send the value back in a header.

    Args:
        fresh: whether to make a new token, as Django's own sign-in does.
    """
    if get_settings().CSRF_MODE == "django":
        (rotate_token if fresh else get_token)(request)


class _TokenCheck(CsrfViewMiddleware):
    """Raises CsrfError with the reason, instead of rendering an error page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        raise CsrfError(reason)


def _check_token(request: HttpRequest) -> None:
    token_check = _TokenCheck(_never_called)
    token_check.process_request(request)
    token_check.process_view(request, _never_called, (), {})


# CsrfViewMiddleware requires the view that it protects; here there is none.
_never_called: Any = lambda request: None  # noqa: E731
