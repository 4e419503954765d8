"""
The check of Django's CSRF token, outside of its middleware.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware


class _Check(CsrfViewMiddleware):
    reason = "CsrfViewMiddleware refuses it"  # if a Django that differs does not say why

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        self.reason = reason
        return HttpResponseForbidden()


def is_exempt(request: HttpRequest) -> bool:
    """Return whether Django's test client made `request`, without `enforce_csrf_checks=True`; no real request is."""
    return getattr(request, "_dont_enforce_csrf_checks", False)


def refusal(request: HttpRequest) -> str | None:
    """Return the reason why CsrfViewMiddleware would refuse `request`; None if it would not."""
    # The middleware requires a view that it protects, and never calls it.
    check = _Check(HttpResponse)
    check.process_request(request)
    return None if check.process_view(request, HttpResponse, (), {}) is None else check.reason
