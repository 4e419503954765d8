"""OpenAPI: the views and serializers with the names of simplejwt, and those that a project derives from them."""

import pytest
from django.urls import include, path
from drf_spectacular.settings import spectacular_settings
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth.contrib.simplejwt.authentication import JWTAuthentication
from jwt_auth.contrib.simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer
from jwt_auth.contrib.simplejwt.views import TokenObtainPairView, TokenRefreshView
from tests.support.schemas import generate


class SignInSerializer(TokenObtainPairSerializer):
    lang = serializers.CharField(write_only=True)
    role = serializers.CharField(read_only=True)


class SignIn(TokenObtainPairView):
    serializer_class = SignInSerializer


class CookieRefreshSerializer(TokenRefreshSerializer):
    refresh = None


class CookieRefresh(TokenRefreshView):
    serializer_class = CookieRefreshSerializer


class ChoosingRefresh(TokenRefreshView):
    def get_serializer_class(self):
        return CookieRefreshSerializer if self.request.COOKIES else TokenRefreshSerializer


class NoteSerializer(serializers.Serializer):
    text = serializers.CharField()


class Protected(APIView):
    authentication_classes = [JWTAuthentication]
    serializer_class = NoteSerializer

    def get(self, request):
        return Response({})  # pragma: no cover


URLS = [path("", include("jwt_auth.contrib.simplejwt.urls")), path("protected/", Protected.as_view())]


def body_of(schema, url):
    """Return the required and all properties of a request's body, as JSON."""
    content = schema["paths"][url]["post"]["requestBody"]["content"]
    assert content.keys() == {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}
    return _properties(schema, content["application/json"]["schema"], without="readOnly")


def answer_of(schema, url, status="200"):
    answer = schema["paths"][url]["post"]["responses"][status]
    return _properties(schema, answer["content"]["application/json"]["schema"], without="writeOnly")


def _properties(schema, found, without):
    while "$ref" in found:
        found = schema["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return {name for name, each in found.get("properties", {}).items() if not each.get(without)}


@pytest.fixture(scope="module")
def schema():
    return generate(*URLS)


@pytest.mark.parametrize(
    ("url", "body", "answer"),
    [
        ("/token/", {"username", "password"}, {"access", "refresh"}),
        ("/token/refresh/", {"refresh"}, {"access", "refresh"}),
        ("/token/verify/", {"token"}, set()),
        ("/token/blacklist/", {"refresh"}, set()),
    ],
)
def test_requests_and_answers(schema, url, body, answer):
    assert body_of(schema, url) == body
    assert answer_of(schema, url) == answer
    assert answer_of(schema, url, "401") == {"detail", "code"}
    assert schema["paths"][url]["post"].get("security", [{}]) == [{}]


def test_the_components_have_the_names_that_generated_clients_know(schema):
    assert {"TokenObtainPair", "TokenRefresh", "TokenVerify", "TokenBlacklist"} <= schema["components"][
        "schemas"
    ].keys()


def test_serializers_of_the_project():
    schema = generate(path("mine/", SignIn.as_view()), path("cookie/", CookieRefresh.as_view()))
    assert body_of(schema, "/mine/") == {"username", "password", "lang"}
    assert answer_of(schema, "/mine/") == {"access", "refresh", "role"}
    assert body_of(schema, "/cookie/") == set()
    assert answer_of(schema, "/cookie/") == {"access", "refresh"}


def test_components_of_requests_and_of_answers_may_be_two(monkeypatch):
    monkeypatch.setattr(spectacular_settings, "COMPONENT_SPLIT_REQUEST", True)
    schema = generate(path("mine/", SignIn.as_view()))
    assert body_of(schema, "/mine/") == {"username", "password", "lang"}
    assert answer_of(schema, "/mine/") == {"access", "refresh", "role"}


def test_a_view_that_chooses_by_the_request_gets_a_schema():
    schema = generate(path("chosen/", ChoosingRefresh.as_view()))
    assert schema["paths"]["/chosen/"]["post"]["responses"]


@pytest.mark.parametrize(
    ("options", "definition"),
    [
        (None, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}),
        ({"AUTH_HEADER_TYPES": ("JWT",)}, {"type": "apiKey", "in": "header", "name": "Authorization"}),
        ({"AUTH_HEADER_NAME": "HTTP_X_TOKEN"}, {"type": "apiKey", "in": "header", "name": "X-token"}),
    ],
)
def test_the_header(jwt_settings, options, definition):
    jwt_settings(SIMPLEJWT=options)
    schema = generate(*URLS)
    assert schema["paths"]["/protected/"]["get"]["security"] == [{"jwtAuth": []}]
    assert definition.items() <= schema["components"]["securitySchemes"]["jwtAuth"].items()
