"""Views of adrf, with the authentication classes that views of DRF have."""

from adrf.decorators import api_view
from adrf.permissions import AsyncBasePermission
from adrf.views import APIView
from adrf.viewsets import ViewSet
from asgiref.sync import sync_to_async
from django.urls import path
from rest_framework.decorators import permission_classes
from rest_framework.response import Response

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.permissions import HasScope, SignedInWithin


class Key(APIView):
    async def get(self, request):
        return Response({"user": str(request.user.pk)})

    post = get


class KeyAuthentication(JWTAuthentication):
    load_user = False


class OnlyKey(APIView):
    authentication_classes = [KeyAuthentication]

    async def get(self, request):
        return Response({"user": str(request.user.pk)})


class Name(APIView):
    async def get(self, request):
        return Response({"user": request.user.get_username(), "same": True, "sid": request.auth.sid})


class NameOfViewSet(ViewSet):
    async def list(self, request):
        return Response({"user": request.user.get_username()})


class Recent(APIView):
    permission_classes = [SignedInWithin(minutes=4)]

    async def get(self, request):
        return Response({"user": str(request.user.pk)})


@api_view(["GET"])
@permission_classes([HasScope("invoices.read")])
async def invoices(request):
    return Response({"user": str(request.user.pk)})


class Refuses(AsyncBasePermission):
    async def has_permission(self, request, view):
        return False

    async def has_object_permission(self, request, view, obj):
        return False


class Checked(APIView):
    async def get(self, request):
        await sync_to_async(self.check_object_permissions)(request, None)
        return Response({})


IS_RECENT = SignedInWithin(minutes=4)
COMBINED = {
    "recent-and-no": IS_RECENT & Refuses,
    "no-and-recent": Refuses & IS_RECENT,
    "no-or-old": Refuses | ~IS_RECENT,
    "old-or-no": ~IS_RECENT | Refuses,
    "recent-or-no": IS_RECENT | Refuses,
    "recent-and-not-no": IS_RECENT & ~Refuses,
}


class Synchronous(APIView):
    def get(self, request):
        return Response({"user": request.user.get_username()})


urlpatterns = [
    *(path(f"{name}/", Checked.as_view(permission_classes=[item])) for name, item in COMBINED.items()),
    path("akey/", Key.as_view()),
    path("only-key/", OnlyKey.as_view()),
    path("aname/", Name.as_view()),
    path("unawaited/", NameOfViewSet.as_view({"get": "list"})),
    path("recent/", Recent.as_view()),
    path("invoices/", invoices),
    path("name/", Synchronous.as_view()),
]
