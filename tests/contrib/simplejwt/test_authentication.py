"""The authentication class of simplejwt, as settings name it and as the code of projects calls and overrides it."""

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.core.exceptions import SynchronousOnlyOperation
from django.urls import include, path
from rest_framework.exceptions import APIException
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions
from jwt_auth.authentication import claims_of
from jwt_auth.contrib.simplejwt.authentication import (
    JWTAuthentication,
    JWTStatelessUserAuthentication,
    default_user_authentication_rule,
)
from jwt_auth.contrib.simplejwt.exceptions import AuthenticationFailed, InvalidToken
from jwt_auth.issuers.base import Verified
from tests.support.outages import outage

CHALLENGE = 'Bearer realm="api"'


class ByCookie(JWTAuthentication):
    """As many projects write it: the header, or else a cookie."""

    def authenticate(self, request):
        header = self.get_header(request)
        raw = request.COOKIES.get("access") if header is None else self.get_raw_token(header)
        if raw is None:
            return None
        token = self.get_validated_token(raw)
        return self.get_user(token), token


class ByQuery(JWTAuthentication):
    def get_header(self, request):
        return f"Bearer {request.query_params['token']}".encode() if request.query_params else None


class OfStaff(JWTAuthentication):
    def get_user(self, validated_token):
        user = super().get_user(validated_token)
        if not user.is_staff:
            raise AuthenticationFailed("Staff only", code="no_staff")
        return user


class Shown(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"name": request.user.get_username(), "sub": claims_of(request).sub, "raw": str(request.auth)})

    post = get


class Idle(APIView):
    """It does not look at the user, so a lazy one is not loaded."""

    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"user_id": request.auth["user_id"]})


urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("shown/", Shown.as_view(authentication_classes=[JWTAuthentication])),
    path("stateless/", Shown.as_view(authentication_classes=[JWTStatelessUserAuthentication])),
    path("strict/", Shown.as_view(authentication_classes=[JWTAuthentication.with_revocation("database")])),
    path("cookie/", Shown.as_view(authentication_classes=[ByCookie])),
    path("query/", Shown.as_view(authentication_classes=[ByQuery])),
    path("staff/", Shown.as_view(authentication_classes=[OfStaff])),
    path("idle/", Idle.as_view(authentication_classes=[JWTAuthentication])),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def _speaks_simplejwt(jwt_settings, settings):
    jwt_settings(SIMPLEJWT={})
    settings.REST_FRAMEWORK = {}


@pytest.fixture
def access(user):
    return sessions.start(user).access_token


def get(client, url, access, kind="Bearer", **headers):
    client.credentials(HTTP_AUTHORIZATION=f"{kind} {access}")
    return client.get(url, **headers)


def refused(answer, detail, code):
    assert (answer.status_code, answer.json()) == (401, {"detail": detail, "code": code})
    assert answer["WWW-Authenticate"] == CHALLENGE


def refused_token(answer, message):
    reason = {"token_class": "AccessToken", "token_type": "access", "message": message}
    assert answer.status_code == 401
    assert answer.json() == {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [reason],
    }


@pytest.mark.parametrize("url", ["/shown/", "/stateless/", "/strict/", "/cookie/", "/query/"])
def test_a_token_authenticates(client, user, access, url):
    answer = client.get(url, {"token": access}) if url == "/query/" else get(client, url, access)
    assert answer.json() == {"name": user.get_username(), "sub": str(user.pk), "raw": access}
    if url == "/query/":
        refused_token(client.get(url, {"token": "x"}), "Token is invalid")


def test_the_token_is_read_as_that_of_simplejwt(user, access):
    token = JWTAuthentication().get_validated_token(access)
    assert token["user_id"] == token.get("user_id") == token.payload["user_id"] == str(user.pk)
    assert "user_id" in token
    assert "no" not in token
    assert (token.get("no"), token.get("no", 1)) == (None, 1)
    with pytest.raises(KeyError):
        token["no"]
    assert token.token_type == token["token_type"] == "access"
    assert str(token) == access
    assert access not in repr(token)


@pytest.mark.parametrize("mode", ["database", "memory"])
def test_it_costs_no_more_than_the_base_class(client, user, access, count, jwt_settings, mode):
    jwt_settings(REVOCATION=mode)
    get(client, "/idle/", access)
    queries, answer = count(get, client, "/idle/", access)
    assert answer.json() == {"user_id": str(user.pk)}
    assert queries == {"database": 1, "memory": 0}[mode]


def test_code_without_a_request_asks_as_often(user, access, count):
    def ask():
        authentication = JWTAuthentication()
        return authentication.get_user(authentication.get_validated_token(access.encode()))

    assert count(ask) == (1, user)


def test_the_class_of_a_view_asks_the_database_in_memory_mode(client, access, jwt_settings, count):
    jwt_settings(REVOCATION="memory")
    get(client, "/idle/", access)
    assert count(get, client, "/strict/", access)[0] == 1


def test_a_cookie_of_the_project(client, user, access):
    client.cookies["access"] = access
    assert client.get("/cookie/").json()["name"] == user.get_username()
    client.cookies["access"] = "x"
    refused_token(client.get("/cookie/"), "Token is invalid")
    client.cookies.clear()
    assert client.get("/cookie/").status_code == 401


def test_a_get_user_of_the_project_is_asked(client, make_user, user, access):
    refused(get(client, "/staff/", access), "Staff only", "no_staff")
    admin = make_user("admin", is_staff=True, is_superuser=True)
    assert get(client, "/staff/", sessions.start(admin).access_token).status_code == 200


@pytest.mark.parametrize("url", ["/shown/", "/cookie/"])
@pytest.mark.parametrize("mode", ["database", "memory"])
def test_what_is_wrong_with_the_user(client, make_user, jwt_settings, url, mode):
    jwt_settings(REVOCATION=mode)
    gone, inactive, changed = make_user("gone"), make_user("inactive"), make_user("changed")
    tokens = [sessions.start(each).access_token for each in (gone, inactive, changed)]
    gone.delete()
    inactive.is_active = False
    inactive.save()
    changed.set_password("another password of theirs")
    changed.save()
    refused(get(client, url, tokens[0]), "User not found", "user_not_found")
    refused(get(client, url, tokens[1]), "User is inactive", "user_inactive")
    refused(get(client, url, tokens[2]), "The user's password has been changed.", "password_changed")


def test_an_inactive_user_who_was_not_announced(client, user, access):
    get_user_model()._default_manager.filter(pk=user.pk).update(is_active=False)
    refused(get(client, "/shown/", access), "User is inactive", "user_inactive")


@pytest.mark.parametrize("how", ["deleted", "inactive"])
@pytest.mark.parametrize("url", ["/shown/", "/cookie/"])
def test_a_lazy_user_says_the_same(client, user, access, jwt_settings, how, url):
    """In memory mode a change without a signal is noticed when the row is read."""
    jwt_settings(REVOCATION="memory")
    assert get(client, url, access).status_code == 200
    rows = get_user_model()._default_manager.filter(pk=user.pk)
    if how == "inactive":
        rows.update(is_active=False)
        refused(get(client, url, access), "User is inactive", "user_inactive")
    else:
        user.delete()
        refused(get(client, url, access), "User not found", "user_not_found")


def test_a_session_that_has_ended(client, access):
    sessions.end(access)
    refused_token(get(client, "/shown/", access), "Token is blacklisted")


def test_a_token_that_is_refused_is_refused_to_middleware_too(user, access):
    """Code that catches InvalidToken alone must not meet another error."""
    user.is_active = False
    user.save()
    with pytest.raises(InvalidToken) as refusal:
        JWTAuthentication().get_validated_token(access)
    assert refusal.value.detail["code"] == "user_inactive"


def test_a_refresh_token_has_the_wrong_type(client, user):
    refused_token(get(client, "/shown/", sessions.start(user).refresh_token), "Token has wrong type")


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer  "])
def test_a_header_is_the_type_and_one_token(client, header):
    client.credentials(HTTP_AUTHORIZATION=header)
    detail = "Authorization header must contain two space-delimited values"
    refused(client.get("/shown/"), detail, "bad_authorization_header")


def test_the_header_and_its_types_are_those_of_the_settings(client, user, access, jwt_settings):
    jwt_settings(SIMPLEJWT={"AUTH_HEADER_NAME": "HTTP_X_TOKEN", "AUTH_HEADER_TYPES": ("JWT", "Token")}, REALM="shop")
    for kind in ("JWT", "Token"):
        answer = client.get("/shown/", HTTP_X_TOKEN=f"{kind} {access}", HTTP_AUTHORIZATION="Bearer of somebody else")
        assert answer.json()["name"] == user.get_username()
        assert answer["Vary"] == "Accept, X-Token"
    for headers in ({"HTTP_X_TOKEN": f"Bearer {access}"}, {"HTTP_AUTHORIZATION": f"JWT {access}"}, {}):
        answer = client.get("/shown/", **headers)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'JWT realm="shop"')


def test_an_outage_is_503(client, access):
    with outage():
        answer = get(client, "/shown/", access)
        with pytest.raises(APIException) as error:
            JWTAuthentication().get_validated_token(access)
    assert (answer.status_code, error.value.status_code) == (503, 503)
    assert get(client, "/shown/", access).status_code == 200


def test_an_outage_hides_no_refusal(client, user, access):
    """The token is refused for certain; only the reason is less exact."""
    user.is_active = False
    user.save()
    with outage(after=1) as failed:
        refused_token(get(client, "/shown/", access), "Token is blacklisted")
    assert failed
    refused(get(client, "/shown/", access), "User is inactive", "user_inactive")


def test_asynchronous_code_calls_it_in_a_thread(user, access):
    check = JWTAuthentication().get_validated_token

    async def code_of_the_project():
        with pytest.raises(SynchronousOnlyOperation):
            check(access)
        return await sync_to_async(check)(access)

    assert async_to_sync(code_of_the_project)()["user_id"] == str(user.pk)


def test_a_single_use_token_is_used_up_without_a_request_too(user, access, monkeypatch):
    used = []
    monkeypatch.setattr(JWTAuthentication, "record_use", lambda self, claims: used.append(claims.jti))
    claims = JWTAuthentication().get_validated_token(access)
    assert used == []
    verified = Verified(claims=claims, user=user, one_time=True)
    monkeypatch.setattr("jwt_auth.verification.verify", lambda raw, **options: verified)
    assert JWTAuthentication().get_user(JWTAuthentication().get_validated_token(access)) == user
    assert used == [claims.jti]


# Tokens that other code has verified


def test_the_user_of_another_token(user, make_user):
    authentication = JWTAuthentication()
    assert authentication.get_user({"user_id": str(user.pk)}) == user
    inactive = make_user("inactive", is_active=False)
    for token, error, code in (
        ({}, InvalidToken, "token_not_valid"),
        ({"user_id": "999999"}, AuthenticationFailed, "user_not_found"),
        ({"user_id": "no key"}, AuthenticationFailed, "user_not_found"),
        ({"user_id": inactive.pk}, AuthenticationFailed, "user_inactive"),
    ):
        with pytest.raises(error) as refusal:
            authentication.get_user(token)
        assert refusal.value.detail["code"] == code


def test_a_field_that_is_not_there_finds_nobody(user, jwt_settings):
    """`manage.py check` reports it."""
    jwt_settings(SIMPLEJWT={"USER_ID_FIELD": "no_such_field"})
    with pytest.raises(AuthenticationFailed):
        JWTAuthentication().get_user({"user_id": str(user.pk)})


def test_the_rule_of_simplejwt(user):
    assert default_user_authentication_rule(user)
    user.is_active = False
    assert not default_user_authentication_rule(user)
    assert not default_user_authentication_rule(None)


def test_an_override_finds_the_user_model():
    assert JWTAuthentication().user_model is get_user_model()
