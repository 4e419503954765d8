"""
The page at / for users who sign in with allauth.
"""

from typing import Any

from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie

from example_project.browser.views import PageView


@method_decorator(ensure_csrf_cookie, name="dispatch")
class AllauthPageView(PageView):
    """The same page with another way to sign in. allauth's browser client requires Django's CSRF token."""

    template_name = "with_allauth/page.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        allauth_base = reverse("headless:browser:config").removesuffix("config")
        return super().get_context_data(allauth_base=allauth_base, **kwargs)
