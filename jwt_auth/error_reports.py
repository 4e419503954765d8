"""
What Django's error pages and mails show of a request: no token.

Django hides the header with the cookies, and lists the cookies beside it, except for those whose names
sound secret to it.
"""

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from jwt_auth.conf import get_settings
from jwt_auth.conf.rules import without_prefix
from jwt_auth.exceptions import ConfigurationError


class ExceptionReporterFilter(SafeExceptionReporterFilter):
    """Django's own, and our cookies are hidden as well. For DEFAULT_EXCEPTION_REPORTER_FILTER."""

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, str]:
        """The cookies, ours without what is in them."""
        cookies: dict[str, str] = super().get_safe_cookies(request)
        return {name: self.cleansed_substitute if _is_ours(name) else value for name, value in cookies.items()}


def _is_ours(name: str) -> bool:
    try:
        settings = get_settings()
    except ConfigurationError:  # maybe what is reported
        return True
    ours = (settings.COOKIE_ACCESS_NAME, settings.COOKIE_REFRESH_NAME)
    return without_prefix(name) in map(without_prefix, ours)
