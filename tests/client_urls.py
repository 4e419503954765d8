"""Views for API clients, beside the usual ones."""

from django.urls import path
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth.authentication import ClientJWTAuthentication, JWTAuthentication, UserOrClientJWTAuthentication, client_of
from jwt_auth.permissions import HasScope
from jwt_auth.throttling import ClientThrottle
from tests.urls import urlpatterns as usual_urls


class Who(APIView):
    """Return the client and the user of the request, without a query for the user."""

    authentication_classes = [ClientJWTAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response(
            {
                "user": str(request.user.pk),
                "client_id": request.auth and request.auth.client_id,
                "scopes": sorted(request.auth.scopes) if request.auth else [],
            }
        )

    def post(self, request):
        return Response({**self.get(request).data, "data": request.data})

    put = patch = delete = post


class Client(Who):
    def get(self, request):
        client = client_of(request)
        return Response({"name": client and client.name, "user": str(client.user.pk) if client else None})


BOUND = ClientJWTAuthentication.with_binding()
STRICT = ClientJWTAuthentication.with_revocation("database")

urlpatterns = [
    *usual_urls,
    path("who/", Who.as_view()),
    path("read/", Who.as_view(permission_classes=[HasScope("read")])),
    path("write/", Who.as_view(permission_classes=[HasScope("write")])),
    path("bound/", Who.as_view(authentication_classes=[BOUND])),
    path("strict/", Who.as_view(authentication_classes=[STRICT])),
    path("anyone/", Who.as_view(authentication_classes=[UserOrClientJWTAuthentication])),
    path("users/", Who.as_view(authentication_classes=[JWTAuthentication])),
    path(
        "throttled/",
        Who.as_view(authentication_classes=[UserOrClientJWTAuthentication], throttle_classes=[ClientThrottle]),
    ),
    path("public/", Who.as_view(permission_classes=[AllowAny])),
    path("client/", Client.as_view(authentication_classes=[UserOrClientJWTAuthentication])),
]
