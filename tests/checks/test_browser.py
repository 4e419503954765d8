"""System checks of the settings that cookies depend on."""

import re

import pytest
from django.core import checks
from django.core.management import call_command
from django.urls import include, path
from rest_framework.views import APIView

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.checks import browser
from jwt_auth.middleware import JWTUserMiddleware, VaryMiddleware
from jwt_auth.views import LoginView, Reauthentication
from tests.support.checks import found, ids

DJANGOS = "django.middleware.csrf.CsrfViewMiddleware"
OURS = "jwt_auth.middleware.VaryMiddleware"
HEADER_ALONE = "jwt_auth.authentication.JWTAuthentication"

StrictAuthentication = JWTCookieAuthentication.with_revocation("database")


class OwnVaryMiddleware(VaryMiddleware):
    """A subclass that a project may have written."""


class HeaderMiddleware(JWTUserMiddleware):
    """The middleware of docs/how-to/without-drf.md for projects without cookies."""

    authentication_classes = (JWTAuthentication,)


def function_middleware(get_response):
    """Middleware that is a function."""
    return get_response


@pytest.fixture
def authenticate_with(settings):
    """`authenticate_with(path)` makes this the only default class, of a project without views of its own."""

    def change(path):
        settings.ROOT_URLCONF = "jwt_auth.browser_urls"
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": [path]}

    return change


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"COOKIE_DOMAIN": ".example.com"}, "E040"),
        ({"COOKIE_SECURE": True}, "E040"),
        ({"COOKIE_HTTPONLY": False}, "E040"),
        ({"COOKIE_PATH": "/api"}, "E040"),
        ({"COOKIE_ACCESS_NAME": "__Secure-access"}, "E004"),
        ({"COOKIE_ACCESS_NAME": "access"}, "E047"),
        ({"COOKIE_NAMES_WITHOUT_PREFIX": ["access"]}, "E048"),
        ({"COOKIE_ACCESS_NAME": "__Host-a", "COOKIE_REFRESH_NAME": "__Host-Http-a"}, "E041"),
        ({"COOKIE_SAMESITE": "None", "CSRF_MODE": "log_only"}, "E042"),
        ({"CLEAR_SITE_DATA": ["cookies"]}, "E004"),
    ],
)
def test_each_fault_of_our_settings_is_named_alone(jwt_settings, changes, fault):
    jwt_settings(**changes)
    (message,) = found()
    assert (message.id, message.level) == (f"jwt_auth.{fault}", checks.ERROR)
    assert message.hint


def test_the_hint_says_why_a_domain_can_not_be_set(jwt_settings):
    jwt_settings(COOKIE_DOMAIN=".example.com")
    (message,) = found()
    assert message.msg == 'JWT_AUTH["COOKIE_DOMAIN"] can\'t be set.'
    assert message.hint == "With a Domain, each host below it would get the tokens and could plant others. Remove it."


def test_a_name_without_a_prefix_is_w056_for_as_long_as_it_is_in_use(jwt_settings):
    names = {"COOKIE_ACCESS_NAME": "access_token", "COOKIE_REFRESH_NAME": "refresh_token"}
    jwt_settings(**names, COOKIE_NAMES_WITHOUT_PREFIX=list(names.values()))
    assert ids() == ["W056", "W056"]
    access, refresh = found()
    assert (access.level, "access_token" in access.msg) == (checks.WARNING, True)
    assert '"__Host-Http-refresh_token"' in refresh.hint
    call_command("check")
    jwt_settings(**{name: f"__Host-Http-{value}" for name, value in names.items()}, COOKIE_NAMES_WITHOUT_PREFIX=[])
    assert ids() == []


def test_the_error_says_how_to_state_the_exception(jwt_settings):
    jwt_settings(COOKIE_REFRESH_NAME="refresh_token")
    (message,) = found()
    assert "plant" in message.msg
    assert '"__Host-Http-refresh_token"' in message.hint
    assert "COOKIE_NAMES_WITHOUT_PREFIX" in message.hint


@pytest.mark.parametrize("name", ["sessionid", "csrftoken"])
def test_a_name_without_a_prefix_that_django_uses_is_e044(jwt_settings, name):
    jwt_settings(COOKIE_REFRESH_NAME=name, COOKIE_NAMES_WITHOUT_PREFIX=[name])
    assert ids() == ["E044", "W056"]


@pytest.mark.parametrize("other", ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME"])
@pytest.mark.parametrize("name", ["access", "__Host-Http-access", "refresh", "__Host-Http-refresh"])
def test_a_name_that_django_uses_is_e044(settings, other, name):
    setattr(settings, other, name)
    (message,) = found()
    assert (message.id, other in message.msg, bool(message.hint)) == ("jwt_auth.E044", True, True)


def test_djangos_token_needs_djangos_middleware(settings, jwt_settings):
    jwt_settings(CSRF_MODE="django")
    assert ids() == []
    settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if item != DJANGOS]
    assert ids() == ["E045"]
    jwt_settings(CSRF_MODE="fetch_metadata")
    assert ids() == []


@pytest.mark.parametrize(("same_site", "expected"), [("Lax", ["W047"]), (None, ["W047"]), ("None", [])])
def test_djangos_token_that_no_other_site_can_send_is_w047(settings, jwt_settings, same_site, expected):
    settings.CSRF_TRUSTED_ORIGINS = ["https://spa.example.org"]
    settings.CSRF_COOKIE_SAMESITE = same_site
    jwt_settings(CSRF_MODE="django", COOKIE_SAMESITE="None")
    assert ids() == expected
    jwt_settings(CSRF_MODE="fetch_metadata")
    assert ids() == []


@pytest.mark.parametrize("name", ["CSRF_USE_SESSIONS", "CSRF_COOKIE_HTTPONLY"])
def test_djangos_token_where_no_script_can_read_it_is_w043(settings, jwt_settings, name):
    setattr(settings, name, True)
    assert ids() == []
    jwt_settings(CSRF_MODE="django")
    assert ids() == ["W043"]


def test_log_only_is_warned_of_by_each_check(jwt_settings):
    jwt_settings(CSRF_MODE="log_only")
    (message,) = found()
    assert (message.id, message.level) == ("jwt_auth.W040", checks.WARNING)
    call_command("check")


def test_cookies_for_all_sites_without_a_trusted_one_are_w041(settings, jwt_settings):
    jwt_settings(COOKIE_SAMESITE="None")
    assert ids() == ["W041"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://spa.example.org"]
    assert ids() == []


@pytest.mark.parametrize(("every_origin", "expected"), [(True, ["E046"]), (False, [])])
def test_credentials_for_every_origin_are_e046(settings, authenticate_with, every_origin, expected):
    settings.CORS_ALLOW_ALL_ORIGINS, settings.CORS_ALLOW_CREDENTIALS = every_origin, True
    assert ids() == expected
    settings.CORS_ALLOW_CREDENTIALS = False
    assert ids() == []
    settings.CORS_ALLOW_CREDENTIALS = True
    authenticate_with(HEADER_ALONE)
    assert ids() == [], "no cookie, no credentials"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"CORS_ORIGIN_ALLOW_ALL": True}, ["E046"]),  # its former name
        ({"CORS_ORIGIN_ALLOW_ALL": True, "CORS_ALLOW_ALL_ORIGINS": False}, []),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [".*"]}, ["E046"]),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [re.compile(r"^https://")]}, ["E046"]),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://\w+\.example\.com$"]}, []),
        ({"CORS_ALLOWED_ORIGINS": ["https://spa.example.org"]}, []),
    ],
)
def test_each_way_to_allow_every_origin_is_e046(settings, changes, expected):
    settings.CORS_ALLOW_CREDENTIALS = True
    for name, value in changes.items():
        setattr(settings, name, value)
    assert ids() == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://spa.example.org/", ["W046"]),
        ("https://*", ["W046"]),
        ("https://spa.example.org", []),
        ("https://*.example.org:8443", []),
        ("capacitor://localhost", []),
        ("spa.example.org", []),  # 4_0.E001 of Django
    ],
)
def test_a_trusted_origin_that_no_page_has_is_w046(settings, origin, expected):
    settings.CSRF_TRUSTED_ORIGINS = [origin]
    assert ids() == expected


def test_cookies_without_vary_are_w042(settings, authenticate_with):
    others = [item for item in settings.MIDDLEWARE if item != OURS]
    settings.MIDDLEWARE = [*others, "tests.checks.test_browser.function_middleware"]
    assert ids() == ["W042"]
    authenticate_with(HEADER_ALONE)
    assert ids() == []
    authenticate_with("tests.checks.test_browser.StrictAuthentication")
    assert ids() == ["W042"]
    settings.MIDDLEWARE = [*others, "tests.checks.test_browser.OwnVaryMiddleware"]
    assert ids() == []


USERS = "jwt_auth.middleware.JWTUserMiddleware"


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [(USERS, ["W042"]), ("tests.checks.test_browser.HeaderMiddleware", [])],
)
def test_cookies_of_plain_views_without_vary_are_w042(settings, authenticate_with, middleware, expected):
    authenticate_with(HEADER_ALONE)
    others = [item for item in settings.MIDDLEWARE if item not in (OURS, USERS)]
    settings.MIDDLEWARE = [*others, middleware]
    assert ids() == expected
    settings.MIDDLEWARE = [*others, OURS, middleware]
    assert ids() == []


def test_every_origin_may_not_read_a_view_that_knows_cookies(settings, authenticate_with):
    authenticate_with(HEADER_ALONE)
    settings.CORS_ALLOW_ALL_ORIGINS = settings.CORS_ALLOW_CREDENTIALS = True
    assert ids() == []
    view = type("Shop", (APIView,), {"authentication_classes": [JWTCookieAuthentication]}).as_view()
    settings.ROOT_URLCONF = type(
        "Project", (), {"urlpatterns": [path("shop/", view), path("auth/", include("jwt_auth.urls"))]}
    )
    assert ids() == ["E046"]


def test_every_origin_may_not_read_plain_views_that_know_cookies(settings, authenticate_with):
    authenticate_with(HEADER_ALONE)
    settings.CORS_ALLOW_ALL_ORIGINS = settings.CORS_ALLOW_CREDENTIALS = True
    assert ids() == []
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, USERS]
    assert ids() == ["E046"]


def test_a_token_that_is_looked_at_too_late_for_logins_is_w044(settings):
    login_required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, login_required, USERS]
    assert ids() == ["W044"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:-2], USERS, login_required]
    assert ids() == []
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:-2], login_required]
    assert ids() == [], "views of DRF are for DRF to guard"


def test_a_cache_that_stores_responses_before_they_have_vary_is_w048(settings, authenticate_with):
    cache = "django.middleware.cache.UpdateCacheMiddleware"
    others = [item for item in settings.MIDDLEWARE if item != OURS]
    settings.MIDDLEWARE = [OURS, *others, cache]
    assert ids() == ["W048"]
    settings.MIDDLEWARE = [cache, OURS, *others]
    assert ids() == []
    settings.MIDDLEWARE = [OURS, *others, cache]
    authenticate_with(HEADER_ALONE)
    assert ids() == [], "Django adds Vary for the header itself"


@pytest.mark.parametrize(
    ("endpoints", "classes", "expected"),
    [
        (path("auth/browser/", include("jwt_auth.browser_urls")), [JWTAuthentication], ["W049"]),
        (path("in/", LoginView.for_browsers().as_view()), [JWTAuthentication], ["W049"]),
        (path("again/", type("Again", (Reauthentication, LoginView), {}).for_browsers().as_view()), [], []),
        (path("auth/browser/", include("jwt_auth.browser_urls")), [StrictAuthentication], []),
        # Browsers get no cookies, or no view of the project authenticates anybody.
        (path("auth/", include("jwt_auth.urls")), [JWTAuthentication], []),
        (path("auth/browser/", include("jwt_auth.browser_urls")), [], []),
    ],
)
def test_cookies_that_no_view_reads_are_w049(settings, authenticate_with, jwt_settings, endpoints, classes, expected):
    authenticate_with(HEADER_ALONE)
    shop = type("Shop", (APIView,), {"authentication_classes": classes}).as_view()
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": [endpoints, path("shop/", shop)]})
    assert ids() == expected
    jwt_settings(REVOCATION="none")
    assert ids() == [], "nobody signs in here"


@pytest.mark.parametrize("reader", ["default", "middleware"])
def test_what_reads_cookies_outside_of_the_views_counts(settings, authenticate_with, reader):
    authenticate_with(HEADER_ALONE)
    shop = type("Shop", (APIView,), {"authentication_classes": [JWTAuthentication]}).as_view()
    # The re-authentication reads cookies as well, but for itself alone.
    own = [path("again/", type("Again", (Reauthentication, LoginView), {}).for_browsers().as_view())]
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": [*own, path("shop/", shop)]})
    assert ids() == ["W049"]
    if reader == "default":
        settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [f"{__name__}.StrictAuthentication"]}
    else:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "jwt_auth.middleware.JWTUserMiddleware"]
    assert "W049" not in ids()


def test_middleware_that_can_not_be_imported_does_not_end_the_check(settings, jwt_settings):
    settings.MIDDLEWARE = ["no_such_package.Middleware", *settings.MIDDLEWARE]
    jwt_settings(CSRF_MODE="django")
    assert ids() == []


def test_while_our_settings_can_not_be_read_the_rest_is_not_looked_at(settings, jwt_settings):
    settings.MIDDLEWARE = []
    jwt_settings(CSRF_MODE="of")
    assert ids() == ["E004"]


def deployment_ids():
    return [message.id for message in browser.check_error_reports()]


def test_error_mails_that_show_cookies_are_w045(settings, authenticate_with, jwt_settings):
    assert deployment_ids() == []
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "django.views.debug.SafeExceptionReporterFilter"
    assert deployment_ids() == ["jwt_auth.W045"]
    assert ids() == [], "only asked for with --deploy"
    assert "jwt_auth.W045" in [message.id for message in checks.run_checks(include_deployment_checks=True)]
    authenticate_with(HEADER_ALONE)
    assert deployment_ids() == []


def test_error_mails_are_not_looked_at_while_the_settings_are_wrong(settings, jwt_settings):
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "django.views.debug.SafeExceptionReporterFilter"
    jwt_settings(LEEWAY=5)
    assert deployment_ids() == []
