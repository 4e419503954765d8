"""The endpoints of this app and of allauth, allauth's pages, and views of the project."""

from typing import Any

from allauth.account.utils import perform_login
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import browser_urls, urls


def without_login(module: Any) -> Any:
    """Return the endpoints of a module but the one that asks for the password alone."""
    return include(([pattern for pattern in module.urlpatterns if pattern.name != "login"], module.app_name))


class SessionView(APIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        return Response({"user": str(request.user)})


def plain(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": str(request.user)})


async def asynchronous(request: HttpRequest) -> JsonResponse:
    """A view that does not ask for the user, unless it is told to."""
    return JsonResponse({"user": str(await request.auser())} if "user" in request.GET else {})


@csrf_exempt
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """A sign-in of the project's own, without a step that allauth records."""
    return perform_login(request, get_user_model()._default_manager.get(), email_verification="none")


with override_settings(MFA_TRUST_ENABLED=True):  # allauth has URLs for it only if it is on when they are made
    of_allauth = [
        path("_allauth/", include("allauth.headless.urls")),
        path("accounts/", include("allauth.urls")),
    ]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("auth/", without_login(urls)),
    path("auth/browser/", without_login(browser_urls)),
    *of_allauth,
    path("session/", SessionView.as_view()),
    path("plain/", plain),
    path("asynchronous/", asynchronous),
    path("sign-in/", sign_in),
]
