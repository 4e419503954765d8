"""
The reason why no token was found in a request, for the console of a developer.

Nothing here decides about a request. Outside of DEBUG nothing is logged: anybody can send requests without a token.
"""

import re

from django.conf import settings as django_settings
from django.http import HttpRequest

from jwt_auth import transports
from jwt_auth.conf import get_settings
from jwt_auth.http.logs import log_missing_token

_SEND = '"Authorization: Bearer <access token>"'

# Names under which tokens are often sent in a URL, where they would end up in logs and in the browser's history.
_PARAMETER = re.compile(r"(?:^|&)(?:token|access_token|jwt|auth|authorization)=")


def explain_missing_token(request: HttpRequest, *, by_cookie: bool) -> None:
    """
    Under DEBUG, log why no token was found.

    Args:
        by_cookie: whether a class of the view reads cookies.
    """
    if django_settings.DEBUG and not transports.is_bearer(request):
        log_missing_token(_reason(request, by_cookie), request)


def _reason(request: HttpRequest, by_cookie: bool) -> str:
    if request.META.get("HTTP_AUTHORIZATION"):
        # The header is not repeated: it may be the token itself.
        return f"the Authorization header does not begin with Bearer and a space; send {_SEND}"
    # Not in `request.GET`, which answers 400 if there are too many parameters.
    if _PARAMETER.search(request.META.get("QUERY_STRING", "")):
        return f"a token in the URL is not read; send {_SEND}"
    if not transports.sends_access_cookie() and transports.all_cookies(request):
        return (
            'BROWSER_ACCESS_TOKEN is "body", so no cookie authenticates; send the access token that the sign-in or the '
            f"refresh returned: {_SEND}"
        )
    if not by_cookie and transports.all_cookies(request):
        return (
            "the view reads no cookies, and the token came in one; add JWTCookieAuthentication to its "
            "authentication_classes, or to DEFAULT_AUTHENTICATION_CLASSES"
        )
    if by_cookie and transports.sends_access_cookie():
        name = transports.name_of_cookie(request, get_settings().COOKIE_ACCESS_NAME)
        return (
            f"the request has neither the cookie {name} nor an Authorization header; a page of another host or port "
            'sends cookies only with credentials: "include"'
        )
    return f"there is no Authorization header; send {_SEND}"
