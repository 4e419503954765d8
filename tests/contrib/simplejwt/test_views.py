"""Refresh, verify and sign out by the views and serializers of simplejwt, as projects use and override them."""

from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import DataError, connections
from django.urls import include, path, reverse
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from jwt_auth import sessions
from jwt_auth.contrib.simplejwt import views
from jwt_auth.contrib.simplejwt.exceptions import InvalidToken, TokenError
from jwt_auth.contrib.simplejwt.serializers import (
    TokenBlacklistSerializer,
    TokenRefreshSerializer,
    TokenVerifySerializer,
)
from jwt_auth.exceptions import InactivePrincipalError, RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.sessions.extensions import Extension
from tests.support.outages import outage

INVALID = {"detail": "Token is invalid", "code": "token_not_valid"}
EXPIRED = {"detail": "Token is expired", "code": "token_not_valid"}
REVOKED = {"detail": "Token is blacklisted", "code": "token_not_valid"}


class AddingSerializer(TokenRefreshSerializer):
    def validate(self, attrs):
        former = attrs["refresh"]
        data = super().validate(attrs)
        return {**data, "is_new": data["refresh"] != former}


class CookieSerializer(TokenRefreshSerializer):
    refresh = None

    def validate(self, attrs):
        attrs["refresh"] = self.context["request"].COOKIES.get("refresh")
        return super().validate(attrs)


class CookieView(views.TokenRefreshView):
    serializer_class = CookieSerializer

    def post(self, request, *args, **kwargs):
        try:
            answer = super().post(request, *args, **kwargs)
        except InvalidToken:
            return Response({"signed_in": False}, status=401)
        response = Response({"access": answer.data["access"]})
        response.set_cookie("refresh", answer.data["refresh"])
        return response


class OwnView(APIView):
    """A view of the project that calls the serializer itself."""

    authentication_classes = permission_classes = []

    def post(self, request):
        serializer = TokenRefreshSerializer(data=request.data, context={"request": request})
        try:
            serializer.is_valid(raise_exception=True)
        except TokenError as error:
            raise InvalidToken(error.args[0]) from error
        return Response(serializer.validated_data)


class Never(BaseThrottle):
    def allow_request(self, request, view):
        return False

    def wait(self):
        return 7


class FailingSerializer(serializers.Serializer):
    """It fails as the database does for a text that it can't store."""

    def validate(self, attrs):
        raise DataError("unsupported Unicode escape sequence")


urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("api/", include("jwt_auth.contrib.simplejwt.urls")),
    path("adding/", views.TokenRefreshView.as_view(serializer_class=AddingSerializer)),
    path("cookie/", CookieView.as_view()),
    path("own/", OwnView.as_view()),
    path("named/", views.TokenRefreshView.as_view(_serializer_class=f"{__name__}.AddingSerializer")),
    path("never/", views.TokenVerifyView.as_view(throttle_classes=[Never])),
    path("failing/", views.TokenVerifyView.as_view(serializer_class=FailingSerializer)),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def _speaks_simplejwt(jwt_settings, settings):
    jwt_settings(SIMPLEJWT={})
    settings.REST_FRAMEWORK = {}


@pytest.fixture
def tokens(user, clock):
    pair = sessions.start(user)
    return {"access": pair.access_token, "refresh": pair.refresh_token}


@pytest.fixture
def post(client):
    def send(name, url=None, **body):
        return client.post(url or f"/api/token/{name}/", body, format="json", **headers)

    headers = {}
    return send


def answered(answer, status, body):
    assert (answer.status_code, answer.json()) == (status, body)
    assert answer["Cache-Control"] == "no-store"


def test_the_names_of_the_urls():
    names = ("token_obtain_pair", "token_refresh", "token_verify", "token_blacklist")
    assert [reverse(name) for name in names] == [
        "/api/token/",
        "/api/token/refresh/",
        "/api/token/verify/",
        "/api/token/blacklist/",
    ]


def test_refresh_verify_and_sign_out(client, post, tokens):
    new = post("refresh", refresh=tokens["refresh"]).json()
    assert new.keys() == {"access", "refresh"}
    for token in new.values():
        answered(post("verify", token=token), 200, {})
    answered(post("blacklist", refresh=new["refresh"]), 200, {})
    answered(post("blacklist", refresh=new["refresh"]), 401, REVOKED)
    answered(post("refresh", refresh=new["refresh"]), 401, REVOKED)
    answered(post("verify", token=new["refresh"]), 400, {"non_field_errors": ["Token is blacklisted"]})
    answered(post("verify", token=new["access"]), 401, REVOKED)
    assert client.is_dead({"access_token": new["access"], "refresh_token": new["refresh"]})


def test_the_number_of_queries(post, tokens, count):
    assert count(post, "verify", token=tokens["access"])[0] == 1
    assert count(post, "verify", token=tokens["refresh"])[0] == 1
    refreshing, answer = count(post, "refresh", refresh=tokens["refresh"])
    assert refreshing <= 3
    assert count(post, "blacklist", refresh=answer.json()["refresh"])[0] <= 5


def test_a_used_token_signs_out_too(client, post, tokens, clock):
    """Its holder has, or had, the session. The answer is that of simplejwt."""
    new = post("refresh", refresh=tokens["refresh"]).json()
    clock.shift(200)
    answered(post("verify", token=tokens["refresh"]), 400, {"non_field_errors": ["Token is blacklisted"]})
    assert client.refresh(new["refresh"]).status_code == 200
    answered(post("blacklist", refresh=tokens["refresh"]), 401, REVOKED)
    answered(post("refresh", refresh=new["refresh"]), 401, REVOKED)


def test_expired_tokens(post, tokens, clock):
    clock.shift(400)
    answered(post("verify", token=tokens["access"]), 401, EXPIRED)
    answered(post("refresh", refresh=tokens["access"]), 401, EXPIRED)
    answered(post("blacklist", refresh=tokens["access"]), 401, EXPIRED)
    answered(post("verify", token=tokens["refresh"]), 200, {})
    clock.shift(40 * 86400)
    answered(post("verify", token=tokens["refresh"]), 401, EXPIRED)
    answered(post("refresh", refresh=tokens["refresh"]), 401, EXPIRED)
    answered(post("blacklist", refresh=tokens["refresh"]), 401, EXPIRED)


def test_an_access_token_does_not_sign_out(client, post, tokens, clock):
    post("blacklist", refresh=tokens["access"])
    clock.shift(400)
    post("blacklist", refresh=tokens["access"])
    assert client.refresh(tokens["refresh"]).status_code == 200


def test_an_access_token_in_place_of_a_refresh_token(client, post, tokens):
    body = {"detail": "Token has wrong type", "code": "token_not_valid"}
    answered(post("refresh", refresh=tokens["access"]), 401, body)
    answered(post("blacklist", refresh=tokens["access"]), 401, body)
    assert client.refresh(tokens["refresh"]).status_code == 200


@pytest.mark.parametrize("raw", ["x", "a.b.c", f"{'0' * 32}.1.{'A' * 43}", "e" * 9000])
def test_garbage(post, tokens, raw):
    for name, field in (("refresh", "refresh"), ("verify", "token"), ("blacklist", "refresh")):
        answered(post(name, **{field: raw}), 401, INVALID)


@pytest.mark.parametrize("change", ["saved", "unnoticed"])
def test_an_inactive_user_can_sign_out_and_nothing_else(post, user, tokens, change):
    if change == "saved":
        user.is_active = False
        user.save()
    else:
        get_user_model()._default_manager.filter(pk=user.pk).update(is_active=False)
    detail = "No active account found for the given token."
    answered(post("refresh", refresh=tokens["refresh"]), 401, {"detail": detail})
    answered(post("verify", token=tokens["refresh"]), 401, REVOKED)
    answered(post("blacklist", refresh=tokens["refresh"]), 200, {})


def test_a_deleted_user_can_sign_out(post, user, tokens):
    user.delete()
    answered(post("refresh", refresh=tokens["refresh"]), 401, REVOKED)
    answered(post("blacklist", refresh=tokens["refresh"]), 200, {})


def refuse_everybody(user):
    return user is None


@pytest.mark.parametrize("rule", [refuse_everybody, f"{__name__}.refuse_everybody"])
def test_the_rule_of_the_project_refuses_a_refresh(post, tokens, jwt_settings, rule):
    jwt_settings(SIMPLEJWT={"USER_AUTHENTICATION_RULE": rule})
    detail = {"detail": "No active account found for the given token."}
    answered(post("refresh", refresh=tokens["refresh"]), 401, detail)
    answered(post("refresh", refresh="x"), 401, INVALID)
    jwt_settings(SIMPLEJWT={"USER_AUTHENTICATION_RULE": lambda user: user.is_active})
    assert post("refresh", refresh=tokens["refresh"]).status_code == 200
    UserSession.objects.all().delete()
    answered(post("refresh", refresh=tokens["refresh"]), 401, REVOKED)


@pytest.mark.parametrize("url", ["/adding/", "/named/"])
def test_a_serializer_adds_to_the_answer(post, tokens, url):
    answer = post("", url, refresh=tokens["refresh"]).json()
    assert answer.keys() == {"access", "refresh", "is_new"}
    assert answer["is_new"]
    answered(post("", url, refresh="x"), 401, INVALID)


def test_a_serializer_of_the_settings(post, tokens, jwt_settings):
    jwt_settings(SIMPLEJWT={"TOKEN_REFRESH_SERIALIZER": f"{__name__}.AddingSerializer"})
    assert "is_new" in post("refresh", refresh=tokens["refresh"]).json()


def test_a_refresh_token_in_a_cookie_of_the_project(client, tokens):
    client.cookies["refresh"] = tokens["refresh"]
    answer = client.post("/cookie/")
    assert answer.json().keys() == {"access"}
    assert answer.cookies["refresh"].value != tokens["refresh"]
    client.cookies.clear()
    answered(client.post("/cookie/"), 401, {"signed_in": False})


def test_a_view_of_the_project_calls_the_serializer(post, tokens):
    assert post("", "/own/", refresh=tokens["refresh"]).json().keys() == {"access", "refresh"}
    answer = post("", "/own/", refresh="x")
    assert answer.json() == INVALID


def test_code_without_a_request(tokens):
    for serializer_class, field in ((TokenVerifySerializer, "token"), (TokenBlacklistSerializer, "refresh")):
        serializer = serializer_class(data={field: tokens["refresh"]})
        assert serializer.is_valid()
        assert serializer.validated_data == {}
    serializer = TokenRefreshSerializer(data={"refresh": tokens["refresh"]})
    with pytest.raises(TokenError, match="blacklisted"):
        serializer.is_valid()
    with pytest.raises(ValidationError):
        TokenVerifySerializer(data={"token": tokens["refresh"]}).is_valid(raise_exception=True)


@pytest.mark.parametrize(("name", "field"), [("refresh", "refresh"), ("verify", "token"), ("blacklist", "refresh")])
def test_an_outage_is_503(post, tokens, name, field):
    with outage():
        answer = post(name, **{field: tokens["refresh"]})
    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert post(name, **{field: tokens["refresh"]}).status_code == 200


def test_an_outage_of_another_query_is_503(client, tokens, monkeypatch):
    def fail(self, attrs):
        UserSession.objects.count()

    monkeypatch.setattr(FailingSerializer, "validate", fail)
    with outage():
        assert client.post("/failing/", {}, format="json").status_code == 503


def test_text_that_the_database_can_not_store_is_400(client, user, monkeypatch):
    monkeypatch.setattr("jwt_auth.contrib.simplejwt.base.is_of_text", lambda error: isinstance(error, DataError))
    detail = {"detail": "The request contains characters that the database can't store."}
    answered(client.post("/failing/", {}, format="json"), 400, detail)


def test_our_throttles_stay_beside_those_of_the_project(client, settings, tokens):
    assert client.post("/never/", {"token": tokens["access"]}, format="json")["Retry-After"] == "7"
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"jwt_auth_verify": "2/min"}}  # one was counted above
    for expected in (200, 429):
        answer = client.post("/api/token/verify/", {"token": tokens["access"]}, format="json")
        assert answer.status_code == expected
    answered(answer, 429, {"detail": "Request was throttled. Expected available in 60 seconds."})


def test_atomic_requests_do_not_apply():
    for view in (views.token_refresh, views.token_verify, views.token_blacklist, views.token_obtain_pair):
        assert set(connections) <= view._non_atomic_requests


def test_a_retry_key_that_is_none_is_400(client, tokens):
    answer = client.post("/api/token/refresh/", tokens, format="json", HTTP_IDEMPOTENCY_KEY="short")
    assert answer.status_code == 400
    key = "0123456789abcdefghijkl"
    first = client.post("/api/token/refresh/", tokens, format="json", HTTP_IDEMPOTENCY_KEY=key).json()
    again = client.post("/api/token/refresh/", tokens, format="json", HTTP_IDEMPOTENCY_KEY=key).json()
    assert first["refresh"] == again["refresh"]


@pytest.mark.parametrize("name", ["", "refresh/", "verify/", "blacklist/"])
def test_bodies_have_bounds(client, tokens, name):
    client.raise_request_exception = False
    long = client.post(f"/api/token/{name}", {"refresh": "x" * 70_000}, format="json")
    assert (long.status_code, long.json()) == (400, {"detail": "The body has more than 65536 bytes."})
    deep = client.post(f"/api/token/{name}", "[" * 30_000, content_type="application/json")
    assert (deep.status_code, deep.json()) == (400, {"detail": "The body is nested too deeply."})
    odd = client.post(f"/api/token/{name}", "{}", content_type="application/json", CONTENT_LENGTH="many")
    assert odd.status_code == 400


@pytest.mark.parametrize("name", ["", "refresh/", "verify/", "blacklist/"])
def test_nothing_parses_a_body_that_is_too_long(client, tokens, name, monkeypatch):
    """Neither the serializer nor a throttle, which comes before it and looks for the login name."""
    parsed, parse = [], JSONParser.parse
    monkeypatch.setattr(
        JSONParser, "parse", lambda self, *given, **more: parsed.append(name) or parse(self, *given, **more)
    )
    for length, is_parsed in ((100, True), (70_000, False)):
        parsed.clear()
        answer = client.post(f"/api/token/{name}", {"username": "x" * length, "token": "x"}, format="json")
        assert answer.status_code >= 400
        assert bool(parsed) is is_parsed


def test_the_challenge_names_the_realm_and_the_first_type(post, jwt_settings):
    jwt_settings(SIMPLEJWT={"AUTH_HEADER_TYPES": ("JWT", "Bearer")}, REALM="shop")
    for name in ("refresh", "blacklist"):
        assert post(name, refresh="x")["WWW-Authenticate"] == 'JWT realm="shop"'


# Refresh tokens of another package, while the project moves


class Former(Extension):
    """A package whose tokens begin with "former"."""

    def __init__(self):
        self.ended = []

    def check(self, raw, *, now):
        if raw == "former, revoked":
            raise RevokedTokenError("a test")
        if raw == "former, of an inactive user":
            raise InactivePrincipalError("a test")
        return raw.startswith("former")

    def end(self, raw, *, reason, now):
        self.ended.append(raw)
        return uuid4() if raw.startswith("former") else None


@pytest.fixture
def former(monkeypatch):
    extension = Former()
    monkeypatch.setattr("jwt_auth.sessions.extensions._extensions", [extension])
    return extension


def test_former_refresh_tokens_are_verified(post, former):
    answered(post("verify", token="former"), 200, {})
    answered(post("verify", token="former, revoked"), 400, {"non_field_errors": ["Token is blacklisted"]})
    answered(post("verify", token="former, of an inactive user"), 401, REVOKED)
    answered(post("verify", token="x"), 401, INVALID)


def test_former_refresh_tokens_sign_out(post, former):
    answered(post("blacklist", refresh="former"), 200, {})
    answered(post("blacklist", refresh="former, revoked"), 401, REVOKED)
    answered(post("blacklist", refresh="former, of an inactive user"), 200, {})
    assert former.ended == ["former", "former, revoked", "former, of an inactive user"]
    answered(post("blacklist", refresh="x"), 401, INVALID)
