"""Django's mails about crashes: they contain no token of the request's cookies."""

import django
import pytest
from django.urls import path
from django.views.debug import get_default_exception_reporter_filter

from jwt_auth.error_reports import ExceptionReporterFilter
from tests.support.browser import Browser
from tests.urls import urlpatterns as usual_urls

ACCESS = "__Host-Http-access"


def crash(request):
    raise RuntimeError("a bug")


urlpatterns = [*usual_urls, path("crash/", crash)]


@pytest.fixture
def mailed(clock, user, settings, mailoutbox):
    """`mailed()` returns the mail about a crash of a signed-in browser's request, and the browser's tokens."""
    settings.ROOT_URLCONF = __name__
    settings.ADMINS = ["admin@example.com"] if django.VERSION >= (6,) else [("Admin", "admin@example.com")]
    browser = Browser().sign_in(user)
    browser.cookies["language"] = "eo"
    browser.raise_request_exception = False

    def report():
        get_default_exception_reporter_filter.cache_clear()
        assert browser.get("/crash/").status_code == 500
        [mail] = mailoutbox
        return mail.body, list(browser.pair.values())

    yield report
    get_default_exception_reporter_filter.cache_clear()


def test_no_cookie_of_ours_is_in_it_and_others_are(mailed):
    """The example project uses the filter."""
    text, tokens = mailed()
    assert not [token for token in tokens if token in text]
    assert ACCESS in text
    assert "language = 'eo'" in text


def test_by_djangos_own_filter_it_has_them(mailed, settings):
    """The control: Django's own filter shows them."""
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "django.views.debug.SafeExceptionReporterFilter"
    text, tokens = mailed()
    assert all(token in text for token in tokens)


@pytest.mark.parametrize("name", [ACCESS, "access", "__Host-Http-refresh", "refresh"])
def test_names_without_their_prefix_are_hidden_too(rf, name):
    rf.cookies[name] = "secret"
    assert "secret" not in ExceptionReporterFilter().get_safe_cookies(rf.get("/")).values()


def test_when_our_settings_are_what_is_wrong_all_are_hidden(rf, jwt_settings):
    rf.cookies["language"] = "eo"
    jwt_settings(COOKIE_ACCESS_NAME=3)
    assert "eo" not in ExceptionReporterFilter().get_safe_cookies(rf.get("/")).values()


def test_a_name_that_has_no_prefix_is_hidden(rf, jwt_settings):
    rf.cookies["renewal"] = "secret"  # Django itself hides names such as refresh_token
    assert "secret" in ExceptionReporterFilter().get_safe_cookies(rf.get("/")).values()
    jwt_settings(COOKIE_REFRESH_NAME="renewal", COOKIE_NAMES_WITHOUT_PREFIX=["renewal"])
    assert "secret" not in ExceptionReporterFilter().get_safe_cookies(rf.get("/")).values()
