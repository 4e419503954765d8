"""
Tokens in requests and responses: the Authorization header, bodies and cookies.

This module does not decide what a token means.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse

from jwt_auth.conf import get_settings
from jwt_auth.conf.rules import without_prefix
from jwt_auth.exceptions import ConfigurationError, MalformedTokenError
from jwt_auth.jose.mistakes import mistake_in

__all__ = ["access_cookie", "bearer_body", "bearer_token", "clear_cookies", "set_access_cookie", "set_cookies"]

logger = logging.getLogger("jwt_auth")

# Browsers drop a cookie whose name and value have more than 4096 bytes (RFC 6265bis section 5.6), and
# servers in between limit the size of all headers together.
MAX_COOKIE = 3800

# Further values of the same cookie are ignored. A browser has one, or a few with plain names, by path and domain.
MAX_VALUES = 32

SCHEME = "Bearer"

# RFC 9110 section 11.4: the scheme is case-insensitive, and one or more spaces follow it.
# The flag is for the scheme only: for the whole pattern it would make matching a token five times slower.
_CREDENTIALS = re.compile(r"(?i:bearer) +(?P<token>[!-~]+)[ \t]*")


def is_bearer(request: HttpRequest) -> bool:
    """Return whether the request has the scheme Bearer, even if the rest of the header is malformed."""
    return _header(request)[: len(SCHEME) + 1].strip().lower() == SCHEME.lower()


def bearer_token(request: HttpRequest) -> str | None:
    """
    Return the token in the Authorization header (RFC 6750 section 2.1); None for another scheme, or none.

    Raises:
        MalformedTokenError: when the scheme is Bearer and the rest isn't one token.
    """
    match = _CREDENTIALS.fullmatch(_header(request))
    if match is not None:
        return match["token"]
    if is_bearer(request):
        rest = _header(request)[len(SCHEME) :]
        raise MalformedTokenError(f"the Authorization header does not hold one token{mistake_in(rest)}")
    return None


def challenge(*, token_presented: bool, code: str = "") -> str:
    """
    Return the value of WWW-Authenticate (RFC 6750 section 3); without credentials it names no error.

    Args:
        code: an error code to include, for answers whose body may not have it.
    """
    value = f'{SCHEME} realm="{get_settings().REALM}"'
    if token_presented:
        value += ', error="invalid_token"'
    return f'{value}, error_description="{code}"' if code else value


def scope_challenge(scopes: Iterable[str]) -> str:
    """Return the value of WWW-Authenticate for a token that lacks one of `scopes` (RFC 6750 section 3.1)."""
    value = f'{SCHEME} realm="{get_settings().REALM}", error="insufficient_scope"'
    named = " ".join(scopes)
    return f'{value}, scope="{named}"' if named else value


def sign_in_challenge(*, max_age: int | None, acr_values: Iterable[str], amr_values: Iterable[str]) -> str:
    """
    Return the value of WWW-Authenticate for a sign-in that is too old or too weak (RFC 9470 section 3).

    `amr_values` is a parameter of this app: the RFC has none for methods. RFC 6750 section 3 allows others.
    """
    parameters = {
        "max_age": "" if max_age is None else str(max_age),
        "acr_values": " ".join(acr_values),
        "amr_values": " ".join(amr_values),
    }
    named = "".join(f', {name}="{value}"' for name, value in parameters.items() if value)
    return f'{SCHEME} realm="{get_settings().REALM}", error="insufficient_user_authentication"{named}'


def bearer_body(pair: Any) -> Mapping[str, Any]:
    """Return a TokenPair as the body of an answer to login and refresh (RFC 6749 section 5.1)."""
    return {
        "access_token": pair.access_token,
        "token_type": SCHEME,
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
        "refresh_expires_in": pair.refresh_expires_in,
        "session": str(pair.session_id),
    }


# Cookies


def sends_access_cookie() -> bool:
    """Return whether browsers get their access tokens in a cookie; if not, they get them in bodies."""
    return get_settings().BROWSER_ACCESS_TOKEN == "cookie"  # noqa: S105  # the name of a place


def access_cookie(request: HttpRequest) -> str | None:
    """
    Return the access token in its cookie; None if there is no such cookie, or browsers get access tokens in bodies.

    In the latter case no cookie may authenticate: it would be one from before, or one that somebody has planted.
    Browsers add the cookie to forged requests too: use it only for requests that change nothing.

    Raises:
        MalformedTokenError: when there are several that differ: it can't be known which one was planted.
    """
    if not sends_access_cookie():
        return None
    return _only(_cookies(request, get_settings().COOKIE_ACCESS_NAME))


def refresh_cookie(request: HttpRequest) -> str | None:
    """Return the refresh token in its cookie; see access_cookie()."""
    return _only(_cookies(request, get_settings().COOKIE_REFRESH_NAME))


def all_cookies(request: HttpRequest) -> list[str]:
    """Return every token that came in a cookie, refresh tokens first."""
    settings = get_settings()
    return [
        *_cookies(request, settings.COOKIE_REFRESH_NAME),
        *_cookies(request, settings.COOKIE_ACCESS_NAME),
    ]


def set_cookies(request: HttpRequest, response: HttpResponse, pair: Any) -> None:
    """
    Put a TokenPair into cookies; both last as long as the session, or until the browser is closed if the session is not
    persistent.

    If BROWSER_ACCESS_TOKEN is "body", only the refresh token is put into its cookie, and the cookie of an access token
    from before is deleted.

    Browsers thus still send an expired access token: the answer can say that it has expired, and a sign-out can
    find its session.

    A refresh token that the request itself has in its cookie is not sent again: another tab may have got a newer one,
    which this answer would overwrite if it came last.
    """
    settings = get_settings()
    if not _is_development(request) and _is_plain_http(request):
        warn_of_plain_http()
    max_age = _max_age(pair)
    _set_access_cookie(request, response, pair.access_token, max_age)
    if list(_cookies(request, settings.COOKIE_REFRESH_NAME)) != [pair.refresh_token]:
        _set_cookie(request, response, settings.COOKIE_REFRESH_NAME, pair.refresh_token, max_age)


def set_access_cookie(request: HttpRequest, response: HttpResponse, access: Any) -> None:
    """
    Put an AccessToken into the cookie of the access token, which lasts as long as with set_cookies().

    Call it only for a session with cookies; a client with tokens in bodies would have one in a cookie as well. If
    BROWSER_ACCESS_TOKEN is "body", it sets no cookie: put `access.raw` into your answer.
    """
    _set_access_cookie(request, response, access.raw, _max_age(access))


def clear_cookies(request: HttpRequest, response: HttpResponse) -> None:
    """
    Have the browser delete both cookies.

    `delete_cookie()` is not used: it omits HttpOnly, and browsers then keep a cookie named `__Host-Http-`.
    """
    settings = get_settings()
    for name in (settings.COOKIE_ACCESS_NAME, settings.COOKIE_REFRESH_NAME):
        _set_cookie(request, response, name, "", 0)


def cookie_body(pair: Any) -> Mapping[str, Any]:
    """
    Return a TokenPair as the body of an answer to a browser's login and refresh: all that is not in cookies.

    The refresh token is never in it. The access token is, if BROWSER_ACCESS_TOKEN is "body".
    """
    hidden = ("access_token", "token_type", "refresh_token") if sends_access_cookie() else ("refresh_token",)
    return {name: value for name, value in bearer_body(pair).items() if name not in hidden}


def check_cookie_size(access_token: str) -> None:
    """
    Check that a cookie with this access token, if it will be in one, is not too large.

    Raises:
        ConfigurationError: when a browser might silently drop the cookie.
    """
    if not sends_access_cookie():
        return
    size = len(get_settings().COOKIE_ACCESS_NAME) + len(access_token)
    if size > MAX_COOKIE:
        raise ConfigurationError(
            "E043",
            f"The access token's cookie has {size} bytes, more than {MAX_COOKIE}: browsers may drop it.",
            "Have CLAIMS_CALLABLE return less for sessions in cookies.",
        )


def name_of_cookie(request: HttpRequest, name: str) -> str:
    """Return the cookie's name; on plain http under DEBUG without the prefix, which browsers refuse there."""
    return without_prefix(name) if _is_development(request) else name


def _is_development(request: HttpRequest) -> bool:
    """Return whether cookies are sent over plain http, which only a developer's own server does."""
    return django_settings.DEBUG and not request.is_secure()


def _is_plain_http(request: HttpRequest) -> bool:
    """
    Return whether the browser sent `request` over plain http, so that it drops Secure cookies.

    If a proxy speaks https to the browser and does not say so, two headers show it: browsers send Sec-Fetch-Site only
    to https and to localhost, where they keep Secure cookies, and older ones send the page's origin.
    """
    if request.is_secure() or "HTTP_SEC_FETCH_SITE" in request.META:
        return False
    return not request.META.get("HTTP_ORIGIN", "").startswith("https://")


@cache
def warn_of_plain_http() -> None:
    """Log once per process that browsers drop the cookies."""
    reason = "a request over plain http signed in, and browsers drop its Secure cookies, so nobody is signed in"
    logger.warning(
        "Cookies are lost: %s. Serve the site over https; if a proxy does, set SECURE_PROXY_SSL_HEADER.",
        reason,
        extra={"event": "cookies_lost", "reason": reason},
    )


def _max_age(tokens: Any) -> int | None:
    """Return the Max-Age of cookies with a TokenPair or an AccessToken: the time until the session ends."""
    return tokens.refresh_expires_in if tokens.is_persistent else None


def _set_access_cookie(request: HttpRequest, response: HttpResponse, raw: str, max_age: int | None) -> None:
    name = get_settings().COOKIE_ACCESS_NAME
    if sends_access_cookie():
        _set_cookie(request, response, name, raw, max_age)
    elif _cookies(request, name):
        _set_cookie(request, response, name, "", 0)


def _set_cookie(request: HttpRequest, response: HttpResponse, name: str, value: str, max_age: int | None) -> None:
    response.set_cookie(
        name_of_cookie(request, name),
        value,
        max_age=max_age,
        path="/",
        secure=not _is_development(request),
        httponly=True,
        samesite=get_settings().COOKIE_SAMESITE,  # type: ignore[arg-type]  # conf has checked that it is one of three
    )


def _cookies(request: HttpRequest, name: str) -> list[str]:
    """
    Return the distinct values of the cookies of that name, at most MAX_VALUES.

    `request.COOKIES` is not used: it keeps only the last of several, and strips all white space of Unicode. A script
    may set a cookie named `<no-break space>__Host-...`, which browsers don't treat as prefixed.
    """
    wanted = name_of_cookie(request, name)
    header = request.META.get("HTTP_COOKIE", "")
    # The header may have tens of thousands of parts; only those with the name in them are worth a look.
    parts = (part for part in header.split(";") if wanted in part) if wanted in header else ()
    pairs = (part.strip(" \t").partition("=") for part in parts)
    values = dict.fromkeys(value.strip(" \t") for key, _, value in pairs if key.rstrip(" \t") == wanted)
    return list(values)[:MAX_VALUES]


def _only(values: list[str]) -> str | None:
    if len(values) > 1:
        raise MalformedTokenError("several cookies of one name")
    return values[0] if values else None


def _header(request: HttpRequest) -> str:
    return request.META.get("HTTP_AUTHORIZATION", "")  # type: ignore[no-any-return]
