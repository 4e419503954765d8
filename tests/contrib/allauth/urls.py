"""The endpoints of this app and of allauth, allauth's pages, and views of the project."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class SessionView(APIView):
    authentication_classes = [SessionAuthentication]

    def get(self, request: Request) -> Response:
        return Response({"user": str(request.user)})


def plain(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": str(request.user)})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("accounts/", include("allauth.urls")),
    path("session/", SessionView.as_view()),
    path("plain/", plain),
]
