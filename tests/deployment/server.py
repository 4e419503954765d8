"""The URLs of the servers: the endpoints, and a view that reads nothing and names the worker that answered."""

import os

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

application = get_wsgi_application()


class Plain(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return HttpResponse("welcome")


def named(view):
    """Return `view` with a header that names the process that answered."""

    def answer(request):
        response = view(request)
        response["X-Worker"] = str(os.getpid())
        return response

    return answer


urlpatterns = [path("auth/", include("jwt_auth.urls")), path("plain/", named(Plain.as_view()))]
