"""The views of `benchmarks.asynchronous`: they answer, and do nothing else."""

from importlib.util import find_spec
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from benchmarks.contenders import CONTENDERS
from benchmarks.urls import PingView
from jwt_auth import verification


async def anyone(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"pong": True})


async def signed_in(request: HttpRequest) -> HttpResponse:
    """Answer users. `request.user` is not loaded in memory mode; its key is known."""
    return JsonResponse({"pong": request.user.pk is not None}, status=200 if request.user.is_authenticated else 401)


async def verified(request: HttpRequest) -> HttpResponse:
    """Verify the token without any middleware or class."""
    found = await verification.averify(request.headers["Authorization"][7:], load_user=False)
    return JsonResponse({"pong": found.user.pk is not None})


def _in_drf(name: str, base: Any = PingView) -> Any:
    return base.as_view(authentication_classes={item.name: item.classes for item in CONTENDERS}[name])


urlpatterns = [
    path("anyone/", anyone),
    path("signed_in/", signed_in),
    path("verified/", verified),
    *(path(f"drf/{item.name}/", _in_drf(item.name)) for item in CONTENDERS),
]

if find_spec("adrf"):
    from adrf.views import APIView
    from rest_framework.response import Response

    class AsyncPingView(APIView):
        async def get(self, request: Any) -> Response:
            return Response({"pong": True})

    urlpatterns += [path(f"adrf/{item.name}/", _in_drf(item.name, AsyncPingView)) for item in CONTENDERS]
