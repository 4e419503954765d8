"""
Holds a request to the rules of `csrf`, in the way that CSRF_MODE says.
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
    Args:
        by_cookie: whether a cookie is what authenticates the request.

    Raises:
        CsrfError: when `request` may change something, and another site's page may have sent it.
    """
    # Set by Django's test client, unless it was made with `enforce_csrf_checks=True`; never by a request.
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
    """What a browser said about the page that sent `request`."""
    return Provenance(
        fetch_site=request.META.get("HTTP_SEC_FETCH_SITE"),
        origin=request.META.get("HTTP_ORIGIN"),
        own_origin=f"{request.scheme}://{request.get_host()}",
        trusted_origins=tuple(django_settings.CSRF_TRUSTED_ORIGINS),
    )


def hand_out_token(request: HttpRequest, *, fresh: bool = False) -> None:
    """
    In mode "django": have CsrfViewMiddleware send the cookie whose value pages then put into a header.

    Args:
        fresh: a new one, as Django's own sign-in makes it.
    """
    if get_settings().CSRF_MODE == "django":
        (rotate_token if fresh else get_token)(request)


class _TokenCheck(CsrfViewMiddleware):
    """Says why it refuses, instead of making a page of it."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        raise CsrfError(reason)


def _check_token(request: HttpRequest) -> None:
    token_check = _TokenCheck(_never_called)
    token_check.process_request(request)
    token_check.process_view(request, _never_called, (), {})


# The check wants to know what it stands in front of; here that is nothing.
_never_called: Any = lambda request: None  # noqa: E731
