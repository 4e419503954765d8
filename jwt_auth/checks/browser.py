"""
System checks of the settings that cookies depend on, besides our own.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core import checks
from django.middleware.cache import UpdateCacheMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.checks.middleware import middleware_classes
from jwt_auth.checks.urlconf import routed_views
from jwt_auth.checks.views import authenticating_views, default_classes, lists_of_classes
from jwt_auth.conf import get_settings
from jwt_auth.conf.rules import COOKIE_PREFIXES, without_prefix
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.error_reports import ExceptionReporterFilter
from jwt_auth.http.csrf import can_match
from jwt_auth.middleware import JWTUserMiddleware, VaryMiddleware
from jwt_auth.transports import sends_access_cookie
from jwt_auth.views import SignInView
from jwt_auth.views.transport import CookieAnswer


def check_browser_settings(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check cookies, CSRF, CORS and middleware, if our own settings are valid; else `checks.settings` reports them."""
    if not settings_are_valid():
        return []
    reading = _check_reading() if sends_access_cookie() else _check_reading_of_header()
    return [*_check_names(), *_check_csrf(), *_check_other_sites(), *_check_middleware(), *reading]


def check_error_reports(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check that Django's error mails hide the tokens in cookies. For `--deploy`: development sends no mails."""
    if not settings_are_valid() or not _acts_by_cookie():
        return []
    if issubclass(import_string(django_settings.DEFAULT_EXCEPTION_REPORTER_FILTER), ExceptionReporterFilter):
        return []
    return [
        checks.Warning(
            "Cookies have the tokens of browsers, and Django's error mails list the cookies.",
            hint='Set DEFAULT_EXCEPTION_REPORTER_FILTER = "jwt_auth.error_reports.ExceptionReporterFilter".',
            id="jwt_auth.W045",
        )
    ]


def _check_names() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    for setting in ("COOKIE_ACCESS_NAME", "COOKIE_REFRESH_NAME"):
        name = getattr(settings, setting)
        for other in ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME"):
            if getattr(django_settings, other) in (name, without_prefix(name)):
                yield checks.Error(
                    f"{setting} and {other} are the same: one cookie would overwrite the other.",
                    hint=f"Change one of them; under DEBUG on plain http, {name} is {without_prefix(name)}.",
                    id="jwt_auth.E044",
                )
    for name in settings.COOKIE_NAMES_WITHOUT_PREFIX:
        yield checks.Warning(
            f"The cookie {name} has no prefix: another host of the domain, or anybody on plain http, can plant one of "
            "that name, and so sign your visitors in to another account, or out.",
            hint=f'As soon as no client reads {name} any more, name the cookie "{COOKIE_PREFIXES[0]}{name}", and '
            "remove the name from COOKIE_NAMES_WITHOUT_PREFIX.",
            id="jwt_auth.W056",
        )


def _check_csrf() -> Iterator[checks.CheckMessage]:
    mode = get_settings().CSRF_MODE
    if mode == "django" and not any(middleware_classes(CsrfViewMiddleware)):
        yield checks.Error(
            'CSRF_MODE is "django", but nothing sets the CSRF cookie.',
            hint="Add django.middleware.csrf.CsrfViewMiddleware to MIDDLEWARE.",
            id="jwt_auth.E045",
        )
    if mode == "django" and (django_settings.CSRF_USE_SESSIONS or django_settings.CSRF_COOKIE_HTTPONLY):
        yield checks.Warning(
            'CSRF_MODE is "django", but scripts can\'t read the CSRF token.',
            hint="Set CSRF_USE_SESSIONS and CSRF_COOKIE_HTTPONLY to False, or write the token into your pages.",
            id="jwt_auth.W043",
        )
    if mode == "django" and get_settings().COOKIE_SAMESITE == "None" and django_settings.CSRF_COOKIE_SAMESITE != "None":
        yield checks.Warning(
            f'COOKIE_SAMESITE is "None" and CSRF_MODE is "django", but CSRF_COOKIE_SAMESITE is '
            f"{django_settings.CSRF_COOKIE_SAMESITE!r}: requests of other sites' pages lack the CSRF cookie, and are "
            "refused.",
            hint='Set CSRF_MODE to "fetch_metadata", or CSRF_COOKIE_SAMESITE to "None" and CSRF_COOKIE_SECURE to True.',
            id="jwt_auth.W047",
        )
    if mode == "log_only":
        yield checks.Warning(
            'CSRF_MODE is "log_only": requests forged by other sites are logged, but not refused.',
            hint='Read the log, then set CSRF_MODE to "fetch_metadata".',
            id="jwt_auth.W040",
        )


def _check_other_sites() -> Iterator[checks.CheckMessage]:
    trusted = django_settings.CSRF_TRUSTED_ORIGINS
    if get_settings().COOKIE_SAMESITE == "None" and not trusted:
        yield checks.Warning(
            'COOKIE_SAMESITE is "None", but no other site is trusted: pages of other sites can\'t change anything.',
            hint="Add their origins to CSRF_TRUSTED_ORIGINS (and for CORS), or leave COOKIE_SAMESITE at Strict.",
            id="jwt_auth.W041",
        )
    # Django reports those without a scheme.
    for origin in (origin for origin in trusted if "://" in origin and not can_match(origin)):
        yield checks.Warning(
            f"CSRF_TRUSTED_ORIGINS has {origin!r}, which is not the origin of any page.",
            hint='Write scheme and host, and the port if it is not the default, in ASCII: "https://spa.example.org" '
            '(without a slash at the end), "https://*.example.org" or "capacitor://localhost".',
            id="jwt_auth.W046",
        )
    if _acts_by_cookie() and getattr(django_settings, "CORS_ALLOW_CREDENTIALS", False):
        yield from _check_cors()


# An origin of nobody: a pattern that matches it allows every origin.
_ANYBODY = "https://anybody.invalid"


def _check_cors() -> Iterator[checks.CheckMessage]:
    """Check the settings of django-cors-headers. If all origins are allowed, it echoes the request's origin."""
    patterns = _cors("CORS_ALLOWED_ORIGIN_REGEXES", "CORS_ORIGIN_REGEX_WHITELIST", ())
    if _cors("CORS_ALLOW_ALL_ORIGINS", "CORS_ORIGIN_ALLOW_ALL", False):
        allowing = "CORS_ALLOW_ALL_ORIGINS"
    elif any(re.match(pattern, _ANYBODY) for pattern in patterns):
        allowing = "CORS_ALLOWED_ORIGIN_REGEXES"
    else:
        return
    yield checks.Error(
        f"{allowing} allows every origin, and CORS_ALLOW_CREDENTIALS is on: any page can read what a signed-in user "
        "can.",
        hint="List the origins in CORS_ALLOWED_ORIGINS.",
        id="jwt_auth.E046",
    )


def _cors(name: str, former_name: str, default: Any) -> Any:
    return getattr(django_settings, name, getattr(django_settings, former_name, default))


def _check_middleware() -> Iterator[checks.CheckMessage]:
    if _authenticates_by_cookie() and not any(middleware_classes(VaryMiddleware)):
        yield checks.Warning(
            "Cookies authenticate requests, but responses lack the Vary header: a cache may show them to other users.",
            hint="Add jwt_auth.middleware.VaryMiddleware to MIDDLEWARE.",
            id="jwt_auth.W042",
        )
    if _authenticates_by_cookie() and _comes_after(UpdateCacheMiddleware, VaryMiddleware):
        yield checks.Warning(
            "UpdateCacheMiddleware comes after VaryMiddleware: it stores responses before they say which cookie they"
            " are for, and shows them to other users.",
            hint="Put VaryMiddleware after UpdateCacheMiddleware.",
            id="jwt_auth.W048",
        )
    if _comes_after(JWTUserMiddleware, LoginRequiredMiddleware):
        yield checks.Warning(
            "LoginRequiredMiddleware comes before JWTUserMiddleware: it turns away users who have only a token.",
            hint="Put JWTUserMiddleware between AuthenticationMiddleware and LoginRequiredMiddleware.",
            id="jwt_auth.W044",
        )


def _check_reading() -> Iterator[checks.CheckMessage]:
    """Warn if browsers get tokens in cookies, and there are views that authenticate requests, but none reads them."""
    views = authenticating_views()
    lists = [default_classes(), *(classes for _, classes in views)]
    if get_settings().REVOCATION == "none" or not views or _has_cookie_class(lists):
        return
    for routed in routed_views():
        if issubclass(routed.view, SignInView) and routed.view.transport == CookieAnswer.transport:
            yield checks.Warning(
                f"/{routed.route} gives browsers their tokens in cookies, and no view reads these: for example, "
                f"{views[0][0].__name__} treats users who are signed in as anonymous.",
                hint='Add "jwt_auth.authentication.JWTCookieAuthentication" to DEFAULT_AUTHENTICATION_CLASSES of '
                "REST_FRAMEWORK, or to authentication_classes of the views. Silence this if your own classes read the "
                "cookies.",
                id="jwt_auth.W049",
            )
            return


def _check_reading_of_header() -> Iterator[checks.CheckMessage]:
    """Warn if a view reads access tokens in cookies alone, and browsers get them in bodies."""
    for name, classes in lists_of_classes():
        readers = [found for found in classes if issubclass(found, JWTAuthentication)]
        if readers and all(issubclass(found, JWTCookieAuthentication) for found in readers):
            yield checks.Warning(
                f'BROWSER_ACCESS_TOKEN is "body", and {name} has JWTCookieAuthentication without JWTAuthentication: '
                "nobody can sign in there, because no access token is in a cookie.",
                hint='Put "jwt_auth.authentication.JWTAuthentication" in its place, which reads the header.',
                id="jwt_auth.W057",
            )


def _comes_after(one: type, other: type) -> bool:
    """Return whether MIDDLEWARE has both, and `one` is further inside."""
    order = [found for found in middleware_classes(object) if issubclass(found, (one, other))]
    return len(order) > 1 and issubclass(order[-1], one) and issubclass(order[0], other)


def _acts_by_cookie() -> bool:
    """Return whether a cookie authenticates requests, or, with its refresh token, returns an access token."""
    return not sends_access_cookie() or _authenticates_by_cookie()


def _authenticates_by_cookie() -> bool:
    """Return whether cookies authenticate requests, in any view of the project."""
    return sends_access_cookie() and _has_cookie_class(classes for _, classes in lists_of_classes())


def _has_cookie_class(lists: Iterable[list[Any]]) -> bool:
    """Return whether cookies authenticate requests in one of the `lists` of classes, or in plain views."""
    found = [*chain(*lists), *chain(*(found.authentication_classes for found in middleware_classes(JWTUserMiddleware)))]
    return any(issubclass(item, JWTCookieAuthentication) for item in found)
