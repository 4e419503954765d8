"""
The page at / for users who sign in with allauth, and what their access tokens say of it.
"""

from typing import Any

from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from example_project.browser.views import PageView
from jwt_auth.authentication import claims_of


@method_decorator(ensure_csrf_cookie, name="dispatch")
class AllauthPageView(PageView):
    """The same page with another way to sign in. allauth's browser client requires Django's CSRF token."""

    template_name = "with_allauth/page.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        allauth_base = reverse("headless:browser:config").removesuffix("config")
        return super().get_context_data(allauth_base=allauth_base, methods_url=reverse("methods"), **kwargs)


class MethodsView(APIView):
    """The claim `amr` of the access token, which no script of the page can read."""

    def get(self, request: Request) -> Response:
        claims = claims_of(request)
        return Response({"amr": claims.amr if claims else ()})
