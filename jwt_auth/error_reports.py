"""
An exception reporter filter that keeps tokens out of Django's error pages and mails.

Django hides the Cookie header, but lists the cookies separately, except for those with names that it considers
secret.
"""

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from jwt_auth.conf import get_settings
from jwt_auth.conf.rules import without_prefix
from jwt_auth.exceptions import ConfigurationError

__all__ = ["ExceptionReporterFilter"]


class ExceptionReporterFilter(SafeExceptionReporterFilter):
    """Django's filter, which also hides our cookies. For DEFAULT_EXCEPTION_REPORTER_FILTER."""

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, str]:
        """Return the cookies, with the values of ours replaced."""
        cookies: dict[str, str] = super().get_safe_cookies(request)
        return {name: self.cleansed_substitute if _is_ours(name) else value for name, value in cookies.items()}


def _is_ours(name: str) -> bool:
    try:
        settings = get_settings()
    except ConfigurationError:  # may be the reported error itself
        return True
    ours = (settings.COOKIE_ACCESS_NAME, settings.COOKIE_REFRESH_NAME)
    return without_prefix(name) in map(without_prefix, ours)
