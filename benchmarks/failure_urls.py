"""The URLs of `benchmarks.redis_failures`."""

from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth.authentication import ClientJWTAuthentication


class PlainView(APIView):
    """A view of the project."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"pong": True})


class ChangeView(PlainView):
    """A view at which API clients change something."""

    authentication_classes = [ClientJWTAuthentication]

    def post(self, request: Request) -> Response:
        return Response({"pong": True})


class OpenView(APIView):
    """A view that is there when the server has started."""

    def get(self, request: Request) -> Response:
        return Response({"pong": True})


urlpatterns = [
    path("open/", OpenView.as_view()),
    path("auth/", include("jwt_auth.urls")),
    path("plain/", PlainView.as_view()),
    path("change/", ChangeView.as_view()),
]
