"""
Apply the CSRF checks to a request, in the mode that CSRF_MODE names.
"""

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.middleware.csrf import get_token, rotate_token

from jwt_auth._django.csrf_token import is_exempt, refusal
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import CsrfError
from jwt_auth.http.csrf import SAFE_METHODS, Provenance, check
from jwt_auth.http.logs import log_let_through
from jwt_auth.process.blocking import about_to_block


def guard(request: HttpRequest, *, by_cookie: bool) -> None:
    """
    Refuse a request of another site's page, as far as CSRF_MODE says so.

    Args:
        by_cookie: whether a cookie authenticates the request.

    Raises:
        CsrfError: when `request` may change something, and another site's page may have sent it.
    """
    if request.method in SAFE_METHODS or is_exempt(request):
        return
    mode = get_settings().CSRF_MODE
    if mode == "django":
        about_to_block()  # a form is parsed, with its uploads, and the token may be in a session in a cache
        if (reason := refusal(request)) is not None:
            raise CsrfError(reason)
        return
    try:
        check(provenance_of(request), by_cookie=by_cookie)
    except CsrfError as error:
        if mode != "log_only":
            raise
        about_to_block()  # what follows may have to wait, and the request would be logged twice
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
