"""drf-yasg, where it is installed: it finds the serializers of the views with the names of simplejwt."""

import pytest
from django.urls import include, path

from jwt_auth.contrib.simplejwt.serializers import TokenObtainPairSerializer
from jwt_auth.contrib.simplejwt.views import TokenObtainPairView

pytest.importorskip("drf_yasg", reason="drf-yasg is not installed")


class RoleSerializer(TokenObtainPairSerializer):
    pass


class RoleView(TokenObtainPairView):
    serializer_class = RoleSerializer


def test_the_views_are_described():
    from drf_yasg import openapi
    from drf_yasg.generators import OpenAPISchemaGenerator

    patterns = [path("", include("jwt_auth.contrib.simplejwt.urls")), path("mine/", RoleView.as_view())]
    info = openapi.Info(title="An API", default_version="v1")
    schema = OpenAPISchemaGenerator(info, patterns=patterns).get_schema(request=None, public=True)
    bodies = {
        url: operations["post"]["parameters"][0]["schema"]["$ref"].rpartition("/")[2]
        for url, operations in schema["paths"].items()
    }
    assert bodies == {
        "/token/": "TokenObtainPair",
        "/token/refresh/": "TokenRefresh",
        "/token/verify/": "TokenVerify",
        "/token/blacklist/": "TokenBlacklist",
        "/mine/": "Role",
    }
    assert {"username", "password"} <= schema["definitions"]["TokenObtainPair"]["properties"].keys()
