"""Permissions that judge the sign-in of a token: its age, its methods and its level (RFC 9470)."""

import logging
from base64 import b64encode
from datetime import timedelta

import jwt
import pytest
from django.http import HttpResponse
from django.urls import path
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.permissions import AllowAny, BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler as drfs_handler

from jwt_auth import sessions
from jwt_auth.authentication import UserOrClientJWTAuthentication, claims_of
from jwt_auth.claims import Claims
from jwt_auth.exceptions import InsufficientUserAuthenticationError
from jwt_auth.permissions import HasACR, HasAMR, HasScope, SignedInWithin
from jwt_auth.responses import exception_handler as our_handler
from tests.support.clients import PASSWORD
from tests.support.clocks import NOW
from tests.support.keys import public_pem
from tests.support.queries import count_queries
from tests.urls import urlpatterns as usual_urls

FRESH = SignedInWithin(timedelta(minutes=1))


class IsFirst(BasePermission):
    """A permission of the project that only the object decides."""

    def has_object_permission(self, request, view, obj):
        return obj == "first"


class Page(APIView):
    # DRF would turn an AuthenticationFailed into 403, because the first class has no challenge.
    authentication_classes = [SessionAuthentication, UserOrClientJWTAuthentication, BasicAuthentication]

    def get(self, request):
        return Response({})


class ObjectPage(Page):
    def get(self, request):
        self.check_object_permissions(request, request.query_params["object"])
        return super().get(request)


def plain_view(request):
    FRESH.check(claims_of(request))
    return HttpResponse("paid")


LISTS = {
    "public": [AllowAny],
    "fresh": [FRESH],
    "otp": [HasAMR("otp", "pwd")],
    "level": [HasACR("gold", "silver")],
    "list": [IsAuthenticated, SignedInWithin(hours=1), HasAMR("otp"), FRESH, HasACR("gold", "silver"), HasACR("gold")],
    "with-scope": [FRESH, HasScope("pay")],
    "levels": [HasACR("gold"), HasACR("silver")],
    "and": [IsAuthenticated & FRESH & HasAMR("otp")],
    "or": [HasAMR("otp") | HasAMR("hwk")],
    "admin-or-fresh": [(IsAuthenticated & IsAdminUser) | FRESH],
    "scope-or-fresh": [HasScope("pay") | FRESH],
    "admin-and-fresh": [IsAdminUser & FRESH],
    "fresh-and-admin": [FRESH & IsAdminUser],
    "fresh-and-scope": [FRESH & HasScope("pay")],
    "old": [IsAuthenticated, ~FRESH],
}
OBJECT_LISTS = {
    "first-and-fresh": [IsFirst & FRESH],
    "first-or-fresh": [(IsAuthenticated & IsFirst) | (IsAdminUser | FRESH)],
}

urlpatterns = [*usual_urls, path("plain/", plain_view)]
urlpatterns += [path(f"{name}/", Page.as_view(permission_classes=given)) for name, given in LISTS.items()]
urlpatterns += [path(f"{name}/", ObjectPage.as_view(permission_classes=given)) for name, given in OBJECT_LISTS.items()]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.usefixtures("clock")]

CODE = "insufficient_user_authentication"


def asks_for(parameters):
    return f'Bearer realm="api", error="{CODE}", {parameters}'


@pytest.fixture(params=[our_handler, drfs_handler], ids=["our handler", "DRF's handler"])
def _handler(request, settings):
    name = f"{request.param.__module__}.{request.param.__qualname__}"
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": name}


@pytest.fixture
def get(client, user, clock):
    """`get(path, age, **how)` signs in, waits for `age` seconds, and asks for the page."""

    def send(name, age=0, **how):
        raw = sessions.start(user, **how).access_token
        clock.shift(age)
        return client.bearer(raw).get(f"/{name}/")

    return send


OLD = {"age": 61}
LEVEL = {"acr": "gold"}
OTP = {"amr": ["pwd", "otp"]}


@pytest.mark.usefixtures("_handler")
@pytest.mark.parametrize(
    ("name", "good", "bad", "parameters"),
    [
        ("fresh", {"age": 60}, OLD, 'max_age="60"'),
        ("otp", OTP, {"amr": ["pwd"]}, 'amr_values="otp pwd"'),
        ("otp", OTP, {}, 'amr_values="otp pwd"'),
        ("level", {"acr": "silver"}, {"acr": "bronze"}, 'acr_values="gold silver"'),
        ("level", LEVEL, {}, 'acr_values="gold silver"'),
        ("list", {**OTP, **LEVEL}, OLD, 'max_age="60", acr_values="gold", amr_values="otp"'),
        ("with-scope", None, OLD, 'max_age="60"'),
        ("levels", None, {}, 'acr_values="gold"'),
        ("levels", None, LEVEL, 'acr_values="silver"'),
        ("and", OTP, OLD, 'max_age="60", amr_values="otp"'),
        ("and", OTP, {}, 'amr_values="otp"'),
        ("and", OTP, {**OTP, **OLD}, 'max_age="60"'),
        ("or", {"amr": ["hwk"]}, {"amr": ["pwd"]}, 'amr_values="otp"'),
        ("admin-or-fresh", {}, OLD, 'max_age="60"'),
        ("scope-or-fresh", {}, OLD, 'max_age="60"'),
        ("fresh-and-admin", None, OLD, 'max_age="60"'),
        ("fresh-and-scope", None, OLD, 'max_age="60"'),
    ],
)
def test_another_sign_in_is_asked_for(get, name, good, bad, parameters):
    if good is not None:
        assert get(name, **good).status_code == 200
    answer = get(name, **bad)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, asks_for(parameters))
    assert answer.json()["detail"] == "Sign in again, or in another way, to do this."
    assert answer.json().get("code", CODE) == CODE


def test_where_no_sign_in_would_help_the_answer_is_403(get, client, user):
    assert get("old", **OLD).status_code == 200
    refusals = {name: get(name) for name in ("old", "fresh-and-admin", "fresh-and-scope")}
    refusals["admin-and-fresh"] = get("admin-and-fresh", **OLD)
    assert {name: (answer.status_code, answer.json()["code"]) for name, answer in refusals.items()} == {
        "old": (403, "permission_denied"),
        "fresh-and-admin": (403, "permission_denied"),
        "fresh-and-scope": (403, "insufficient_scope"),
        "admin-and-fresh": (403, "permission_denied"),
    }


def test_objects_are_judged_as_drf_does(client, user, clock):
    bearer = client.bearer(sessions.start(user).access_token)

    def statuses(name):
        return [bearer.get(f"/{name}/", {"object": each}).status_code for each in ("first", "second")]

    assert [statuses("first-and-fresh"), statuses("first-or-fresh")] == [[200, 403], [200, 200]]
    clock.shift(61)
    assert [statuses("first-and-fresh"), statuses("first-or-fresh")] == [[401, 401], [200, 401]]


def test_a_refresh_renews_no_sign_in(client, user, clock):
    pair = client.tokens(user)
    clock.shift(40)
    assert client.bearer(pair["access_token"]).get("/fresh/").status_code == 200
    newer = client.refresh(pair["refresh_token"]).json()["access_token"]
    clock.shift(21)
    answer = client.bearer(newer).get("/fresh/")
    assert (answer.status_code, answer.json()["code"]) == (401, CODE)
    assert client.bearer(newer).get("/public/").status_code == 200


@pytest.mark.usefixtures("_handler")
def test_a_request_without_a_credential_is_asked_for_one(client, db):
    for name in ("fresh", "and", "or", "level"):
        answer = client.get(f"/{name}/")
        assert answer.status_code == 403  # by DRF: the first class has no challenge
        assert "WWW-Authenticate" not in answer
        assert answer.json()["detail"] == "Authentication credentials were not provided."


LISTED = {"fresh": 'max_age="60"', "otp": 'amr_values="otp pwd"', "level": 'acr_values="gold silver"'}


def assert_each_asks(client, **headers):
    assert client.get("/public/", **headers).status_code == 200
    for name, parameters in LISTED.items():
        answer = client.get(f"/{name}/", **headers)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, asks_for(parameters)), name


def test_a_credential_that_tells_of_no_sign_in_is_never_good_enough(client, user, api):
    basic = b64encode(f"{user.get_username()}:{PASSWORD}".encode()).decode()
    assert_each_asks(client, HTTP_AUTHORIZATION=f"Basic {basic}")
    client.force_login(user)
    assert_each_asks(client)
    assert_each_asks(client.bearer(api.token()))


def test_a_client_can_t_tell_of_a_sign_in(client, api):
    made_up = {"auth_time": int(NOW.timestamp()), "amr": ["pwd", "otp"], "acr": "gold"}
    assert_each_asks(client.bearer(api.token(**made_up)))
    me = client.bearer(api.token(**made_up)).get("/auth/me/").json()
    assert (me["auth_time"], me["amr"], me["acr"]) == (None, [], None)


def test_a_token_of_another_issuer_is_judged_by_its_claims(client, db, jwt_settings, ec_key):
    name, now = "https://issuer.example", int(NOW.timestamp())
    jwt_settings(TRUSTED_ISSUERS={name: {"KEYS": public_pem(ec_key), "ALGORITHMS": ["ES256"]}})

    def bearer(**claims):
        good = {"iss": name, "aud": "jwt_auth", "sub": "alice", "iat": now, "exp": now + 300}
        return client.bearer(jwt.encode({**good, **claims}, ec_key, "ES256", headers={"typ": "at+jwt"}))

    assert_each_asks(bearer())
    told = bearer(auth_time=now - 50, amr=["pwd", "otp"], acr="gold")
    assert [told.get(f"/{page}/").status_code for page in LISTED] == [200, 200, 200]
    assert bearer(auth_time=now - 70).get("/fresh/").status_code == 401


def test_no_query_is_made(client, user):
    bearer = client.bearer(sessions.start(user, acr="gold").access_token)
    counts = {page: count_queries(bearer.get, f"/{page}/") for page in ("public", "fresh", "level", "otp")}
    assert [answer.status_code for _, answer in counts.values()] == [200, 200, 200, 401]
    assert len({number for number, _ in counts.values()}) == 1


def test_the_log_has_the_reason_once(get, log, client, user):
    assert get("list", age=61, amr=["pwd"]).status_code == 401
    (record,) = [record for record in log() if record.event == "sign_in_demanded"]
    assert (record.levelno, record.code, record.path) == (logging.INFO, CODE, "/list/")
    assert record.reason == (
        "the sign-in's methods are 'pwd', and required are 'otp'; "
        "the sign-in is 61 s old, and at most 60 s are accepted; the token has no acr"
    )


@pytest.fixture
def _plain(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "jwt_auth.middleware.JWTUserMiddleware"]


@pytest.mark.usefixtures("_plain")
def test_plain_views_ask_too(client, user, clock, log):
    bearer = client.bearer(sessions.start(user).access_token)
    assert bearer.get("/plain/").content == b"paid"
    clock.shift(61)
    answer = bearer.get("/plain/")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, asks_for('max_age="60"'))
    assert answer.json() == {"detail": "Sign in again, or in another way, to do this.", "code": CODE}
    assert [(record.path, record.code) for record in log() if record.event == "sign_in_demanded"] == [("/plain/", CODE)]
    assert client.get("/plain/").status_code == 401


def test_claims_are_judged_without_a_request():
    def claims(seconds):
        return Claims(
            iss="a", aud=("a",), sub="1", iat=0, exp=1, auth_time=NOW - timedelta(seconds=seconds), amr=("otp",)
        )

    for age in (60, 0, -3600):  # a time in the future is that of a clock that is ahead
        FRESH.check(claims(age), now=NOW)
    with pytest.raises(InsufficientUserAuthenticationError) as caught:
        FRESH.check(claims(60.001), now=NOW)
    assert (caught.value.max_age, caught.value.acr_values, caught.value.amr_values) == (60, (), ())
    with pytest.raises(InsufficientUserAuthenticationError):
        FRESH.check(claims(61))
    HasAMR("otp").check(claims(0))
    for requirement in (FRESH, HasAMR("otp"), HasACR("gold")):
        with pytest.raises(InsufficientUserAuthenticationError, match="no token"):
            requirement.check(None)
    with pytest.raises(ValueError, match="aware"):
        FRESH.check(None, now=NOW.replace(tzinfo=None))


NO_AGES = [
    (ValueError, {}),
    (ValueError, {"seconds": 0.9}),
    (ValueError, {"minutes": -5}),
    (ValueError, {"minutes": float("inf")}),
    (ValueError, {"minutes": float("nan")}),
    (TypeError, {"minutes": "5"}),
    (TypeError, {"minutes": True}),
    (TypeError, {"days": "1"}),
    (TypeError, {"months": 1}),
]


def test_an_age_has_the_parts_of_a_timedelta():
    parts = {"weeks": 1, "days": 2, "hours": 3, "minutes": 4, "seconds": 5.5}
    assert SignedInWithin(**parts).age == timedelta(**parts)
    for name in parts:
        assert SignedInWithin(**{name: 2}).age == timedelta(**{name: 2})


def test_what_can_t_be_required_is_a_mistake():
    for error, parts in NO_AGES:
        with pytest.raises(error):
            SignedInWithin(**parts)
    for arguments in ((5,), (None, 5)):
        with pytest.raises(TypeError):
            SignedInWithin(*arguments)
    with pytest.raises(TypeError, match="either"):
        SignedInWithin(timedelta(minutes=5), seconds=1)
    for requirement in (HasAMR, HasACR):
        for texts in ((), ("otp pwd",), ('"gold"',), (["otp"],)):
            with pytest.raises(ValueError, match="at least one"):
                requirement(*texts)


def test_each_shows_what_it_asks_for_and_is_itself_alone():
    shown = [SignedInWithin(hours=1, seconds=1), HasAMR("otp", "pwd"), HasACR("gold")]
    assert repr(shown) == ("[SignedInWithin(datetime.timedelta(seconds=3601)), HasAMR('otp', 'pwd'), HasACR('gold')]")
    assert shown[0] == shown[0] != SignedInWithin(hours=1, seconds=1)
    assert len({*shown, *shown}) == 3
