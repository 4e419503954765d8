"""The URLs of both packages: the same paths under two prefixes."""

from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt import authentication as before, views

from jwt_auth.contrib.simplejwt import authentication as now


class Protected(APIView):
    """A view of the project: it reads the token as code for simplejwt does."""

    permission_classes = [IsAuthenticated]

    def get(self, request):
        token = request.auth
        return Response(
            {
                "user": str(request.user.pk),
                "name": request.user.get_username(),
                "claims": [token["user_id"], token.get("token_type"), "jti" in token, token.get("plan", "none")],
                "payload": token.payload["user_id"],
            }
        )


urlpatterns = [
    path("before/token/", views.token_obtain_pair),
    path("before/token/refresh/", views.token_refresh),
    path("before/token/verify/", views.token_verify),
    path("before/token/blacklist/", views.token_blacklist),
    path("before/protected/", Protected.as_view(authentication_classes=[before.JWTAuthentication])),
    path("now/", include("jwt_auth.contrib.simplejwt.urls")),
    path("now/protected/", Protected.as_view(authentication_classes=[now.JWTAuthentication])),
]
