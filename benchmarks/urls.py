"""One view per compared package. The views only differ in their authentication classes."""

from typing import Any

from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.contenders import CONTENDERS, Contender


class PingView(APIView):
    """A minimal view: it answers and does nothing else."""

    def get(self, request: Request) -> Response:
        return Response({"pong": True})


def _view(contender: Contender) -> Any:
    permissions = [IsAuthenticated] if contender.authentication else []
    return PingView.as_view(authentication_classes=contender.classes, permission_classes=permissions)


urlpatterns = [
    *(path(f"ping/{contender.name}/", _view(contender)) for contender in CONTENDERS),
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
]
