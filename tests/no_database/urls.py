"""The endpoints of the app, most of which have no use here, and views of the project."""

from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from rest_framework.permissions import IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.permissions import HasScope


class OpenView(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"user": str(request.user), "pk": request.user.pk, "scopes": sorted(request.auth.scopes)})


class ScopedView(OpenView):
    permission_classes = [HasScope("read")]


class AdminView(OpenView):
    permission_classes = [IsAdminUser]


class StrictView(OpenView):
    authentication_classes = [JWTAuthentication.with_revocation("database")]


class TwicePerDay(UserRateThrottle):
    rate = "2/day"


class ThrottledView(OpenView):
    throttle_classes = [TwicePerDay]


def plain(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": str(request.user)})


urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("open/", OpenView.as_view()),
    path("scoped/", ScopedView.as_view()),
    path("admin-only/", AdminView.as_view()),
    path("strict/", StrictView.as_view()),
    path("throttled/", ThrottledView.as_view()),
    path("plain/", plain),
]
