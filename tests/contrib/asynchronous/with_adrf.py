"""Views of adrf, with the authentication classes that views of DRF have."""

from adrf.decorators import api_view
from adrf.views import APIView
from adrf.viewsets import ViewSet
from django.urls import path
from rest_framework.decorators import permission_classes
from rest_framework.response import Response

from jwt_auth.permissions import HasScope, SignedInWithin


class Key(APIView):
    async def get(self, request):
        return Response({"user": str(request.user.pk)})

    post = get


class Name(APIView):
    async def get(self, request):
        return Response({"user": request.user.get_username(), "same": True, "sid": request.auth.sid})


class NameOfViewSet(ViewSet):
    async def list(self, request):
        return Response({"user": request.user.get_username()})


class Recent(APIView):
    permission_classes = [SignedInWithin(minutes=5)]

    async def get(self, request):
        return Response({"user": str(request.user.pk)})


@api_view(["GET"])
@permission_classes([HasScope("invoices.read")])
async def invoices(request):
    return Response({"user": str(request.user.pk)})


class Synchronous(APIView):
    def get(self, request):
        return Response({"user": request.user.get_username()})


urlpatterns = [
    path("akey/", Key.as_view()),
    path("aname/", Name.as_view()),
    path("unawaited/", NameOfViewSet.as_view({"get": "list"})),
    path("recent/", Recent.as_view()),
    path("invoices/", invoices),
    path("name/", Synchronous.as_view()),
]
