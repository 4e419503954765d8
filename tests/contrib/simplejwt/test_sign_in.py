"""The sign-in of simplejwt: serializers and views as projects write them, over HTTP."""

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.cache import cache
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import Http404
from django.urls import include, path
from django.utils import timezone
from rest_framework import exceptions as drf, serializers
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from jwt_auth.contrib.simplejwt.exceptions import TokenError
from jwt_auth.contrib.simplejwt.sign_in import TokenObtainPairSerializer, TokenObtainPairView, TokenObtainSerializer
from jwt_auth.contrib.simplejwt.tokens import AccessToken, RefreshToken
from jwt_auth.exceptions import UnavailableError, UnstorableTextError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.throttling import CountingCache
from tests.support.clients import PASSWORD
from tests.support.forge import claims_of
from tests.support.guessing import addresses
from tests.support.outages import outage

CODE = "314159"
NO_ACCOUNT = {"detail": "No active account found with the given credentials"}


def name_field():
    return get_user_model().USERNAME_FIELD


def find(name):
    return get_user_model()._default_manager.filter(**{name_field(): name}).first()


class Hook:
    """A test sets `after`, which is called with the user between the check and the answer."""

    after = None


def after(user):
    if Hook.after is not None:
        Hook.after(user)


class Claims(TokenObtainPairSerializer):
    @classmethod
    def get_token(cls, user):
        token = super().get_token(user)
        token["role"] = "editor"
        return token


class Answer(Claims):
    default_error_messages = {"no_active_account": "Wrong name or password."}

    def validate(self, attrs):
        data = super().validate(attrs)
        after(self.user)
        data["name"] = self.user.get_username()
        return data


class Again(Claims):
    def validate(self, attrs):
        data = super().validate(attrs)
        refresh = self.get_token(self.user)
        data["refresh"] = str(refresh)
        data["access"] = str(refresh.access_token)
        return data


class AgainOther(Claims):
    """The claims of the second token are others."""

    def validate(self, attrs):
        super().validate(attrs)
        refresh = RefreshToken.for_user(self.user)
        refresh["role"] = "admin"
        access = refresh.access_token
        access["alone"] = True
        return {"refresh": str(refresh), "access": str(access)}


class OrgToken(RefreshToken):
    @classmethod
    def for_user_and_org(cls, user, org):
        token = cls.for_user(user)
        token["org_id"] = org
        return token


class Org(TokenObtainSerializer):
    org = serializers.CharField()

    def validate(self, attrs):
        org = attrs.pop("org")
        super().validate(attrs)
        refresh = OrgToken.for_user_and_org(self.user, org)
        return {"tokens": {"refresh": str(refresh), "access": str(refresh.access_token)}}


class TokenClass(TokenObtainPairSerializer):
    token_class = OrgToken


class Login(TokenObtainPairSerializer):
    """Replaces `validate()` wholly, and finds the user by itself."""

    username_field = "login"

    def validate(self, attrs):
        user = find(attrs["login"].removeprefix("alias of "))
        if user is None or not user.check_password(attrs["password"]):
            raise drf.AuthenticationFailed("Unknown.")
        refresh = self.get_token(user)
        return {"refresh": str(refresh), "access": str(refresh.access_token)}


class DjangoLogin(Login):
    def validate(self, attrs):
        request = self.context["request"]
        self.user = authenticate(request, username=attrs["login"], password=attrs["password"])
        if self.user is None:
            raise serializers.ValidationError("Unknown.")
        after(self.user)
        refresh = RefreshToken.for_user(self.user)
        return {"refresh": str(refresh), "access": str(refresh.access_token)}


class Phone(serializers.Serializer):
    """No serializer of simplejwt, and no password."""

    phone = serializers.CharField()
    otp = serializers.CharField()

    def validate(self, attrs):
        user = find(attrs["phone"].removeprefix("tel:"))
        if user is None or attrs["otp"] != CODE:
            raise serializers.ValidationError({"otp": "Wrong code."})
        after(user)
        refresh = RefreshToken.for_user(user)
        return {"refresh": str(refresh), "access": str(refresh.access_token), "user": {"id": str(user.pk)}}


class SecondFactor(TokenObtainPairSerializer):
    """The answer has no tokens before the code is there."""

    otp = serializers.CharField(required=False)

    def validate(self, attrs):
        otp = attrs.pop("otp", self.context["request"].data.get("code"))
        TokenObtainSerializer.validate(self, attrs)
        if otp is None:
            return {"detail": "otp required"}
        if otp != CODE:
            raise serializers.ValidationError({"otp": ["Wrong code."]})
        return TokenObtainPairSerializer.validate(self, attrs)


class SendsCode(serializers.Serializer):
    """Tells nobody who exists, and gives no tokens."""

    token = serializers.CharField()

    def validate(self, attrs):
        return {"sent": True}


class Refusing(TokenObtainPairSerializer):
    """Refuses after the tokens were made. `error` is what it raises."""

    error = None
    made = None

    def validate(self, attrs):
        Refusing.made = super().validate(attrs)
        raise Refusing.error


class AccessFirst(TokenObtainPairSerializer):
    def validate(self, attrs):
        TokenObtainSerializer.validate(self, attrs)
        str(AccessToken.for_user(self.user))
        refresh = self.get_token(self.user)
        return {"refresh": str(refresh), "access": str(refresh.access_token)}


class Impersonating(TokenObtainPairSerializer):
    """Staff get the tokens of another user."""

    of = serializers.CharField()

    def validate(self, attrs):
        other = find(attrs.pop("of"))
        TokenObtainSerializer.validate(self, attrs)
        refresh = self.get_token(other)
        return {"refresh": str(refresh), "access": str(refresh.access_token)}


class CardBackend:
    """A backend of the project, whose parameter is the field of the serializer; it reads DRF's request."""

    def authenticate(self, request, card=None, password=None):
        user = find((card or "").removeprefix("card:"))
        is_right = user is not None and user.check_password(password)
        return user if is_right and request.data.get("desk") != "closed" else None

    def get_user(self, pk):
        return get_user_model()._default_manager.filter(pk=pk).first()


class Card(TokenObtainPairSerializer):
    username_field = "card"


class OnlyAccess(TokenObtainPairSerializer):
    token_class = AccessToken

    def validate(self, attrs):
        TokenObtainSerializer.validate(self, attrs)
        return {"token": str(self.get_token(self.user))}


class Remember(TokenObtainPairSerializer):
    def validate(self, attrs):
        data = super().validate(attrs)
        refresh = self.get_token(self.user)
        refresh.set_exp(lifetime=timedelta(hours=2))
        data["refresh"] = str(refresh)
        data["exp"] = refresh["exp"]
        data["access"] = str(refresh.access_token)
        return data


class Tokenless(TokenObtainSerializer):
    def validate(self, attrs):
        super().validate(attrs)
        return {"token": str(self.get_token(self.user))}


class Answering(TokenObtainPairSerializer):
    """Refuses with an answer, and not with an error."""

    def validate(self, attrs):
        user = find(attrs[name_field()])
        return {"success": user is not None and user.check_password(attrs["password"])}


class Unstorable(TokenObtainPairSerializer):
    def validate(self, attrs):
        raise UnstorableTextError("No.")


class Renamed(TokenObtainPairSerializer):
    """Has another field in the place of that of simplejwt."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        del self.fields[name_field()]
        self.fields["login"] = serializers.CharField()

    def validate(self, attrs):
        return super().validate({name_field(): attrs["login"].lower(), "password": attrs["password"]})


class ChecksField(serializers.Serializer):
    """Compares the code before `validate()`."""

    login = serializers.CharField()
    otp = serializers.CharField()

    def validate_otp(self, value):
        if value != CODE:
            raise serializers.ValidationError("Wrong code.")
        return value

    def validate(self, attrs):
        refresh = RefreshToken.for_user(find(attrs["login"]))
        return {"refresh": str(refresh), "access": str(refresh.access_token)}


class ChecksBody(TokenObtainPairSerializer):
    """Compares the password before `validate()`."""

    username_field = "login"

    def to_internal_value(self, data):
        self.user = find(data["login"])
        if self.user is None or not self.user.check_password(data["password"]):
            raise serializers.ValidationError({"detail": "Unknown."})
        return data

    def validate(self, attrs):
        refresh = self.get_token(self.user)
        return {"refresh": str(refresh), "access": str(refresh.access_token)}


class ChecksAll(ChecksBody):
    def to_internal_value(self, data):
        return TokenObtainPairSerializer.to_internal_value(self, data)

    def run_validation(self, data=serializers.empty):
        ChecksBody.to_internal_value(self, data)
        return super().run_validation(data)


SERIALIZERS = {
    "checks-field-login": ChecksField,
    "checks-body-login": ChecksBody,
    "checks-all-login": ChecksAll,
    "answering": Answering,
    "unstorable": Unstorable,
    "renamed-login": Renamed,
    "plain": TokenObtainPairSerializer,
    "claims": Claims,
    "answer": Answer,
    "again": Again,
    "again-other": AgainOther,
    "org": Org,
    "token-class": TokenClass,
    "login": Login,
    "django-login": DjangoLogin,
    "phone": Phone,
    "second-factor": SecondFactor,
    "sends-code": SendsCode,
    "refusing": Refusing,
    "access-first": AccessFirst,
    "impersonating": Impersonating,
    "card": Card,
    "only-access": OnlyAccess,
    "remember": Remember,
    "tokenless": Tokenless,
}


class Cookies(TokenObtainPairView):
    def post(self, request, *args, **kwargs):
        response = super().post(request, *args, **kwargs)
        response.set_cookie("refresh", response.data.pop("refresh"), httponly=True)
        return response


class Whole(TokenObtainPairView):
    serializer_class = Claims

    def post(self, request, *args, **kwargs):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response({"data": serializer.validated_data})


class ByHand(Whole):
    """Does not ask `get_serializer()`."""

    def post(self, request, *args, **kwargs):
        serializer = Claims(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        return Response(serializer.validated_data)


class ByHandToo(Whole):
    def post(self, request, *args, **kwargs):
        serializer = ChecksBody(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        return Response(serializer.validated_data)


class RefusesLater(TokenObtainPairView):
    made = None
    error = None

    def post(self, request, *args, **kwargs):
        response = super().post(request, *args, **kwargs)
        RefusesLater.made = dict(response.data)
        if isinstance(RefusesLater.error, Response):
            return RefusesLater.error
        raise RefusesLater.error


class TokensInPost(TokenObtainPairView):
    def post(self, request, *args, **kwargs):
        response = super().post(request, *args, **kwargs)
        refresh = RefreshToken.for_user(request.user)
        refresh["late"] = 1
        return Response({**response.data, "refresh": str(refresh), "access": str(refresh.access_token)})


class OnlyInPost(TokenObtainPairView):
    """Does all by itself."""

    def post(self, request, *args, **kwargs):
        user = find(request.data[name_field()])
        after(user)
        return Response({"refresh": str(RefreshToken.for_user(user))})


class Reads(TokenObtainPairView):
    def post(self, request, *args, **kwargs):
        return Response({"user_id": AccessToken(request.data["access"])["user_id"]})


class OfTheSettings(TokenObtainPairView):
    _serializer_class = f"{__name__}.Answer"


class NoThrottle(TokenObtainPairView):
    throttle_classes = []


class OneAtATime(SimpleRateThrottle):
    rate = "1/min"
    scope = "one"

    def get_cache_key(self, request, view):
        return "one"


class ThrottledMore(TokenObtainPairView):
    throttle_classes = [OneAtATime]


class Named(TokenObtainPairView):
    serializer_class = Phone
    name_field = "phone"
    amr = ("otp",)


class Elsewhere(APIView):
    """A view of the project, which uses the serializer alone."""

    authentication_classes = []
    permission_classes = []

    def post(self, request):
        serializer = Claims(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.validated_data)


VIEWS = {
    "default": TokenObtainPairView,
    "cookies": Cookies,
    "whole": Whole,
    "by-hand": ByHand,
    "by-hand-login": ByHandToo,
    "refuses-later": RefusesLater,
    "in-post": TokensInPost,
    "only-in-post": OnlyInPost,
    "reads": Reads,
    "of-the-settings": OfTheSettings,
    "no-throttle": NoThrottle,
    "throttled-more": ThrottledMore,
    "named": Named,
    "elsewhere": Elsewhere,
}

urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    *(path(f"view/{name}/", view.as_view()) for name, view in VIEWS.items()),
    *(path(f"{name}/", TokenObtainPairView.as_view(serializer_class=kind)) for name, kind in SERIALIZERS.items()),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def _speaks_simplejwt(jwt_settings, settings, monkeypatch):
    jwt_settings(SIMPLEJWT={})
    settings.REST_FRAMEWORK = {}  # the project's own handler is DRF's
    monkeypatch.setattr(Hook, "after", None)


@pytest.fixture
def post(client):
    """`post(user, path, **fields)` signs the user in with the name and PASSWORD."""

    def send(user, path="/plain/", *, password=PASSWORD, name=None, headers=None, **extra):
        field = "login" if "login" in path else name_field()
        body = {field: user.get_username() if name is None else name, "password": password, **extra}
        return client.send(path, body, **(headers or {}))

    return send


def assert_one_session(client, body):
    """Assert that the tokens in a body are those of the only session, and are accepted; return the access token's."""
    assert UserSession.objects.count() == 1
    assert client.get_me(body["access"]).status_code == 200
    refreshed = client.refresh(body["refresh"])
    assert refreshed.status_code == 200
    before, later = claims_of(body["access"]), claims_of(refreshed.json()["access_token"])
    assert before["sid"] == later["sid"] == UserSession.objects.get().sid
    return before, later


# The serializers of projects


def test_a_plain_sign_in_answers_with_the_tokens_of_a_session(user, post, client, count):
    queries, answer = count(post, user)
    assert answer.status_code == 200
    assert list(answer.json()) == ["refresh", "access"]
    assert answer["Cache-Control"] == "no-store"
    assert queries <= 6
    before, _ = assert_one_session(client, answer.json())
    assert (before["user_id"], before["token_type"], before["amr"]) == (str(user.pk), "access", ["pwd"])
    session = UserSession.objects.get()
    assert (session.ip_address, session.transport) == ("127.0.0.1", "bearer")
    user.refresh_from_db()
    assert user.last_login is not None


@pytest.mark.parametrize("name", ["claims", "answer", "again"])
def test_claims_of_get_token_are_in_all_access_tokens(user, post, client, count, name):
    queries, answer = count(post, user, f"/{name}/")
    assert queries <= 6
    before, later = assert_one_session(client, answer.json())
    assert before["role"] == later["role"] == "editor"


def test_an_answer_has_what_validate_adds(user, post):
    assert post(user, "/answer/").json()["name"] == user.get_username()


def test_the_claims_of_the_last_token_count(user, post, client):
    before, later = assert_one_session(client, post(user, "/again-other/").json())
    assert (before["role"], later["role"]) == ("admin", "admin")
    assert (before["alone"], later.get("alone")) == (True, None)


def test_a_token_class_with_its_own_way_to_be_made(user, post, client):
    before, later = assert_one_session(client, post(user, "/org/", org="7").json()["tokens"])
    assert before["org_id"] == later["org_id"] == "7"
    assert post(user, "/org/").json() == {"org": ["This field is required."]}


def test_a_token_class_as_an_attribute(user, post, client):
    assert_one_session(client, post(user, "/token-class/").json())


@pytest.mark.parametrize("name", ["login", "django-login"])
def test_a_validate_that_authenticates_by_itself(user, post, client, name, count):
    queries, answer = count(post, user, f"/{name}/")
    assert queries <= 7
    before, _ = assert_one_session(client, answer.json())
    assert before["amr"] == ["pwd"]
    wrong = post(user, f"/{name}/", password="wrong")
    assert (wrong.status_code, wrong.json()) == (
        (401, {"detail": "Unknown."}) if name == "login" else (400, {"non_field_errors": ["Unknown."]})
    )


@pytest.mark.parametrize("route", ["/phone/", "/view/named/"])
def test_a_serializer_that_is_none_of_simplejwt(user, client, route):
    answer = client.send(route, {"phone": f"tel:{user.get_username()}", "otp": CODE})
    assert answer.json()["user"] == {"id": str(user.pk)}
    before, _ = assert_one_session(client, answer.json())
    assert before.get("amr") == (["otp"] if "named" in route else None)
    assert client.send(route, {"phone": user.get_username(), "otp": "1"}).json() == {"otp": ["Wrong code."]}


def test_a_second_factor_in_the_same_request(user, post, client, heard):
    failed = heard(user_login_failed)
    answer = post(user, "/second-factor/")
    assert (answer.status_code, answer.json()) == (200, {"detail": "otp required"})
    assert (UserSession.objects.count(), failed) == (0, [])
    answer = post(user, "/second-factor/", otp="1")
    assert (answer.status_code, answer.json()) == (400, {"otp": ["Wrong code."]})
    assert (UserSession.objects.count(), len(failed)) == (0, 1)
    assert post(user, "/second-factor/", password="wrong", otp=CODE).json() == NO_ACCOUNT
    assert_one_session(client, post(user, "/second-factor/", code=CODE).json())


def test_an_answer_about_nobody(client, db):
    answer = client.send("/sends-code/", {"token": "x" * 5000})
    assert (answer.status_code, answer.json()) == (200, {"sent": True})


def test_an_access_token_alone(user, post, client):
    answer = post(user, "/only-access/").json()
    assert client.get_me(answer["token"]).status_code == 200
    assert UserSession.objects.count() == 1


def test_a_refresh_token_after_an_access_token(user, post, client, clock):
    answer = post(user, "/access-first/").json()
    clock.shift(3600)
    assert client.refresh(answer["refresh"]).status_code == 200
    assert UserSession.objects.count() == 1


def test_a_backend_of_the_project(user, client, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.CardBackend"]
    body = {"card": f"card:{user.get_username()}", "password": PASSWORD}
    before, _ = assert_one_session(client, client.send("/card/", body).json())
    assert before["amr"] == ["pwd"]
    for wrong in ({"password": "wrong"}, {"card": "card:nobody"}, {"desk": "closed"}):
        answer = client.send("/card/", {**body, **wrong})
        assert (answer.status_code, answer.json()) == (401, NO_ACCOUNT)


def test_tokens_of_another_user(user, make_user, post, client):
    other = make_user("bob")
    before, _ = assert_one_session(client, post(user, "/impersonating/", of=other.get_username()).json())
    assert before["sub"] == str(other.pk)
    assert "amr" not in before  # nobody knows that user's password


def test_a_later_end_of_the_session(user, post, client, clock):
    answer = post(user, "/remember/").json()
    assert answer["exp"] == clock_time(clock) + 7200
    assert_one_session(client, answer)
    clock.shift(7201)
    assert client.refresh(answer["refresh"]).status_code == 401


def clock_time(clock):
    return int(timezone.now().timestamp())


def test_a_serializer_without_a_token_class(user, post):
    assert post(user, "/tokenless/").status_code == 500


# The views of projects


def test_a_view_that_moves_the_refresh_token_into_a_cookie(user, post, client):
    answer = post(user, "/view/cookies/")
    assert list(answer.json()) == ["access"]
    assert_one_session(client, {**answer.json(), "refresh": answer.cookies["refresh"].value})


@pytest.mark.parametrize("name", ["whole", "by-hand"])
def test_a_view_with_a_post_of_its_own(user, post, client, name):
    body = post(user, f"/view/{name}/").json()
    assert_one_session(client, body.get("data", body))
    wrong = post(user, f"/view/{name}/", password="wrong")
    assert (wrong.status_code, wrong.json()) == (401, NO_ACCOUNT)


def test_tokens_that_post_makes_are_of_the_same_session(user, post, client):
    before, later = assert_one_session(client, post(user, "/view/in-post/").json())
    assert before["late"] == later["late"] == 1


def test_a_post_that_does_all_by_itself(user, post, client):
    answer = post(user, "/view/only-in-post/")
    assert client.refresh(answer.json()["refresh"]).status_code == 200

    def change(user):
        type(user)._default_manager.filter(pk=user.pk).update(password="another")

    Hook.after = change
    answer = post(user, "/view/only-in-post/")
    assert (answer.status_code, answer.json()) == (401, NO_ACCOUNT)


def test_a_token_that_is_refused_in_post(user, client):
    raw = str(AccessToken.for_user(user))
    assert client.send("/view/reads/", {"access": raw}).json() == {"user_id": str(user.pk)}
    answer = client.send("/view/reads/", {"access": "x"})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Token is invalid", "code": "token_not_valid"})


def test_the_page_of_drf(user, client):
    for method in ("get", "post"):
        answer = getattr(client, method)("/plain/", {}, HTTP_ACCEPT="text/html")
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert b'name="password"' in answer.content


def test_the_serializer_of_the_settings(user, post, jwt_settings):
    assert "name" in post(user, "/view/of-the-settings/").json()
    assert "name" not in post(user, "/view/default/").json()
    jwt_settings(SIMPLEJWT={"TOKEN_OBTAIN_SERIALIZER": f"{__name__}.Answer"})
    assert "name" in post(user, "/view/default/").json()


def test_without_the_setting_tokens_are_those_of_this_app(user, post, client, jwt_settings):
    jwt_settings(SIMPLEJWT=None)
    before, _ = assert_one_session(client, post(user).json())
    assert "user_id" not in before
    assert post(user, "/claims/").status_code == 500  # claims would be lost with the next refresh


def test_a_serializer_in_a_view_of_the_project(user, post, client):
    before, later = assert_one_session(client, post(user, "/view/elsewhere/").json())
    assert before["role"] == later["role"] == "editor"
    wrong = post(user, "/view/elsewhere/", password="wrong")
    assert wrong.status_code in (401, 403)
    assert wrong.json() == NO_ACCOUNT


def test_it_has_no_variant_for_browsers():
    with pytest.raises(TypeError, match="LoginView"):
        TokenObtainPairView.for_browsers()


# Refusals


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (drf.ValidationError("No."), 400, {"non_field_errors": ["No."]}),
        (ValidationError("No."), 400, {"non_field_errors": ["No."]}),
        (drf.ValidationError({"plan": "No."}), 400, {"plan": ["No."]}),
        (drf.AuthenticationFailed("No."), 401, {"detail": "No."}),
        (drf.PermissionDenied("No."), 403, {"detail": "No."}),
        (PermissionDenied(), 403, {"detail": "You do not have permission to perform this action."}),
        (drf.NotFound(), 404, {"detail": "Not found."}),
        (Http404(), 401, NO_ACCOUNT),
        (get_user_model().DoesNotExist(), 401, NO_ACCOUNT),
        (TokenError("No."), 401, {"detail": "No.", "code": "token_not_valid"}),
        (ZeroDivisionError(), 500, None),
    ],
    ids=repr,
)
def test_a_refusal_after_the_tokens_were_made_leaves_none_that_works(user, post, client, heard, error, status, body):
    signed_in = heard(user_logged_in)
    Refusing.error = error
    answer = post(user, "/refusing/")
    assert answer.status_code == status
    assert body is None or answer.json() == body
    assert signed_in == []
    assert client.is_dead({"access_token": Refusing.made["access"], "refresh_token": Refusing.made["refresh"]})
    assert UserSession.objects.get().revoked_reason == "sign-in refused"


@pytest.mark.parametrize("error", [drf.PermissionDenied(), Response(status=403), ZeroDivisionError()], ids=repr)
def test_so_does_a_view_that_refuses_later(user, post, client, error):
    RefusesLater.error = error
    assert post(user, "/view/refuses-later/").status_code in (403, 500)
    made = RefusesLater.made
    assert client.is_dead({"access_token": made["access"], "refresh_token": made["refresh"]})


def test_a_receiver_that_refuses(user, post):
    def refuse(**kwargs):
        raise drf.PermissionDenied("Not today.")

    user_logged_in.connect(refuse)
    try:
        answer = post(user)
    finally:
        user_logged_in.disconnect(refuse)
    assert (answer.status_code, answer.json()) == (403, {"detail": "Not today."})
    assert UserSession.objects.get().revoked_at is not None


@pytest.mark.parametrize("case", ["password", "name", "inactive"])
def test_wrong_credentials(make_user, post, heard, count, case):
    user = make_user(is_active=case != "inactive")
    failed = heard(user_login_failed)
    right = {} if case == "inactive" else {case: "wrong"}
    queries, answer = count(post, user, **right)
    assert (answer.status_code, answer.json()) == (401, NO_ACCOUNT)
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert len(failed) == 1
    assert UserSession.objects.count() == 0
    assert queries == 2  # for each of them


def test_a_refusal_is_logged(user, post, log):
    post(user, password="wrong")
    (record,) = [record for record in log() if getattr(record, "code", "") == "invalid_credentials"]
    assert record.reason == "the serializer raised AuthenticationFailed"


def test_the_message_of_the_serializer(user, post):
    assert post(user, "/answer/", password="wrong").json() == {"detail": "Wrong name or password."}


def test_the_password_is_compared_exactly(make_user, post):
    user = make_user(password=f" {PASSWORD} ")
    assert post(user, password=f" {PASSWORD} ").status_code == 200
    assert post(user).status_code == 401


@pytest.mark.parametrize("path", ["/plain/", "/view/default/", "/view/whole/"])
def test_a_body_without_the_fields(client, db, path):
    answer = client.send(path, {})
    required = ["This field is required."]
    assert (answer.status_code, answer.json()) == (400, {name_field(): required, "password": required})


@pytest.mark.parametrize("body", [None, [], "text", 7, {}, [1]])
def test_a_body_that_is_no_object(client, db, body):
    assert client.send("/plain/", body).status_code == 400


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (7, 401),
        (7.5, 401),
        (True, 400),
        (None, 400),
        ("", 400),
        ("a\0", 400),
        ("\N{GRINNING FACE}", 401),
        ("x" * 513, 401),
        ("x" * 100_000, 400),
        ([], 400),
        ({}, 400),
    ],
)
def test_odd_names(post, user, name, status):
    assert post(user, name=name if name is not None else {}).status_code == status


def test_half_of_a_surrogate_pair(client, db):
    body = f'{{"{name_field()}": "\\ud800", "password": "x"}}'
    assert client.post("/plain/", body, content_type="application/json").status_code == 400


def test_a_long_password(post, user):
    assert post(user, password="x" * 4097).status_code == 400


def test_a_form(user, client):
    assert TokenObtainPairView.parser_classes[:2] in ([JSONParser, FormParser], (JSONParser, FormParser))
    answer = client.post("/plain/", {name_field(): user.get_username(), "password": PASSWORD})
    assert answer.status_code == 200


def test_the_rule_of_the_settings(user, post, jwt_settings):
    jwt_settings(SIMPLEJWT={"USER_AUTHENTICATION_RULE": f"{__name__}.nobody"})
    assert post(user).json() == NO_ACCOUNT
    jwt_settings(SIMPLEJWT={"USER_AUTHENTICATION_RULE": lambda user: user is not None})
    assert post(user).status_code == 200


def nobody(user):
    return False


def test_an_inactive_user_whom_the_project_accepts(make_user, client):
    user = make_user(is_active=False)
    answer = client.send("/phone/", {"phone": user.get_username(), "otp": CODE})
    assert (answer.status_code, answer.json()) == (401, {"detail": "User is inactive", "code": "user_inactive"})


def test_other_methods(client):
    answer = client.get("/plain/")
    assert (answer.status_code, answer.json()) == (405, {"detail": 'Method "GET" not allowed.'})


def test_what_the_view_says_of_itself(client, db):
    answer = client.options("/plain/")
    assert answer.status_code == 200
    assert list(answer.json()["actions"]["POST"]) == [name_field(), "password"]


@pytest.mark.parametrize(
    "body",
    [
        '{"username": 1e999, "password": "x"}',
        '{"username": 1' + "0" * 5000 + ', "password": "x"}',
        '{"username": {"username": "a"}, "password": ["x"]}',
        '{"username": "a", "username": "b", "password": "x"}',
        '"\\ud800"',
        "\xff",
    ],
    ids=lambda body: body[:30],
)
@pytest.mark.parametrize("route", ["/plain/", "/phone/", "/login/"])
def test_odd_bodies(client, db, route, body):
    body = body.replace("username", {"/phone/": "phone", "/login/": "login"}.get(route, name_field()))
    assert client.post(route, body.encode("latin-1"), content_type="application/json").status_code in (400, 401)


def test_a_file_as_a_name(client, db):
    body = {name_field(): SimpleUploadedFile("name", b"alice"), "password": "x"}
    assert client.post("/plain/", body).status_code == 400


def test_the_word_before_the_token(user, post, jwt_settings):
    jwt_settings(SIMPLEJWT={"AUTH_HEADER_TYPES": ("JWT", "Bearer")}, REALM="shop")
    assert post(user, password="wrong")["WWW-Authenticate"] == 'JWT realm="shop"'


# Changes during the sign-in


@pytest.mark.parametrize("path", ["/django-login/", "/phone/"])
def test_in_memory_mode_as_well(user, client, path, jwt_settings):
    jwt_settings(REVOCATION="memory")
    body = {"login": user.get_username(), "password": PASSWORD, "phone": user.get_username(), "otp": CODE}
    answer = client.send(path, body).json()
    assert client.get_me(answer["access"]).status_code == 200
    Hook.after = revoke_user
    assert client.send(path, body).status_code == 401
    assert client.is_dead({"access_token": answer["access"], "refresh_token": answer["refresh"]})


@pytest.mark.parametrize("path", ["/django-login/", "/phone/"])
def test_a_user_who_is_revoked_during_the_sign_in(user, client, path):
    body = {"login": user.get_username(), "password": PASSWORD, "phone": user.get_username(), "otp": CODE}
    Hook.after = revoke_user
    answer = client.send(path, body)
    assert (answer.status_code, answer.json()) == (401, NO_ACCOUNT)
    assert UserSession.objects.filter(revoked_at=None).count() == 0
    Hook.after = None
    assert client.send(path, body).status_code == 200


def test_the_credentials_are_checked_again_after_a_change(user, client):
    calls = []

    def once(user):
        calls.append(user)
        if len(calls) == 1:
            revoke_user(user)

    Hook.after = once
    answer = client.send("/django-login/", {"login": user.get_username(), "password": PASSWORD})
    assert_one_session(client, answer.json())
    assert len(calls) == 2


def test_a_changed_user_is_no_failure(user, client, heard):
    failed = heard(user_login_failed)
    Hook.after = revoke_user
    client.send("/phone/", {"phone": user.get_username(), "otp": CODE})
    assert failed == []


# Budgets

FAILURES = 10  # of a name, and of an account, over all addresses


@pytest.fixture
def small_budgets(jwt_settings):
    """The budgets by default are counted out at our own sign-in; here the question is what counts at all."""
    jwt_settings(LOGIN_THROTTLE="1/min")


def test_twenty_wrong_passwords(user, post, jwt_settings):
    jwt_settings(LOGIN_THROTTLE="10/min")
    statuses = [post(user, password="wrong").status_code for _ in range(20)]
    assert statuses == [401] * 10 + [429] * 10
    assert "Expected available in" in post(user).json()["detail"]


@pytest.mark.usefixtures("small_budgets")
@pytest.mark.parametrize("path", ["/plain/", "/view/no-throttle/", "/login/", "/phone/", "/view/by-hand/"])
def test_failures_close_a_name(user, client, path):
    """From many addresses, so that only the name counts."""
    names = {each: user.get_username() for each in ("login", "phone", name_field())}
    wrong, right = {"password": "wrong", "otp": "1"}, {"password": PASSWORD, "otp": CODE}
    places = addresses()
    statuses = {client.send(path, {**names, **wrong}, REMOTE_ADDR=next(places)).status_code for _ in range(FAILURES)}
    assert 429 not in statuses
    assert client.send(path, {**names, **right}, REMOTE_ADDR=next(places)).status_code == 429


# Rule: the check of a sign-in begins where the project's code begins, and not at the method that is usually overridden.
@pytest.mark.usefixtures("small_budgets")
@pytest.mark.parametrize("name", ["checks-field", "checks-body", "checks-all", "view/by-hand"])
def test_failures_before_validate_close_a_name(user, post, client, name):
    places, route = addresses(), f"/{name}-login/"
    for _ in range(FAILURES):
        answer = post(user, route, password="wrong", otp="000000", headers={"REMOTE_ADDR": next(places)})
        assert answer.status_code in (400, 401)
    closed = post(user, route, otp=CODE, headers={"REMOTE_ADDR": next(places)})
    assert closed.status_code in (400, 401, 429)
    cache.clear()
    assert_one_session(client, post(user, route, otp=CODE).json())


@pytest.mark.usefixtures("small_budgets")
@pytest.mark.parametrize(("path", "body"), [("/login/", {"detail": "Unknown."}), ("/phone/", NO_ACCOUNT)])
def test_failures_close_an_account_that_has_several_names(user, client, path, body):
    """Above the budget of the account, right credentials get the answer to wrong ones."""
    field, alias = ("login", "alias of ") if path == "/login/" else ("phone", "tel:")
    wrong, right = {"password": "wrong", "otp": "1"}, {"password": PASSWORD, "otp": CODE}
    places = addresses()
    for _ in range(FAILURES):
        client.send(path, {field: user.get_username(), **wrong}, REMOTE_ADDR=next(places))
    other = {field: f"{alias}{user.get_username()}"}
    answer = client.send(path, {**other, **right}, REMOTE_ADDR=next(places))
    assert (answer.status_code, answer.json()) == (401, body)
    assert UserSession.objects.filter(revoked_at=None).count() == 0


def test_a_closed_account(user, post, client, monkeypatch):
    """The closed account of the name itself: the project's code runs, and its session does not begin."""
    monkeypatch.setattr("jwt_auth.throttling.Failures.are_too_many", lambda self, pk: True)
    assert post(user).json() == NO_ACCOUNT
    assert post(user, "/login/").json() == {"detail": "Unknown."}
    for otp in (CODE, "1"):  # the answer does not tell if the code is right
        answer = client.send("/phone/", {"phone": user.get_username(), "otp": otp})
        assert (answer.status_code, answer.json()) == (401, NO_ACCOUNT)
    assert post(user, "/second-factor/").json() == NO_ACCOUNT
    assert UserSession.objects.count() == 0


@pytest.mark.usefixtures("small_budgets")
@pytest.mark.parametrize("path", ["/answering/", "/renamed-login/"])
def test_failures_of_other_shapes_close_a_name(user, client, path):
    """An answer that only says that the password is wrong, and a field with another name."""
    names, places = {each: user.get_username() for each in ("login", name_field())}, addresses()
    for _ in range(FAILURES):
        client.send(path, {**names, "password": "wrong"}, REMOTE_ADDR=next(places))
    assert client.send(path, {**names, "password": PASSWORD}, REMOTE_ADDR=next(places)).status_code == 429


def test_an_answer_about_a_wrong_password_is_a_failure(user, post, heard):
    failed = heard(user_login_failed)
    assert post(user, "/answering/", password="wrong").json() == {"success": False}
    assert len(failed) == 1
    assert post(user, "/plain/").status_code == 200
    assert len(failed) == 1


def test_a_renamed_field(user, post, client):
    assert_one_session(client, post(user, "/renamed-login/").json())


def test_a_hash_that_is_upgraded(user, post, client, settings):
    settings.PASSWORD_HASHERS = ["tests.hashers.OldHasher", *settings.PASSWORD_HASHERS]
    user.set_password(PASSWORD)
    user.save()
    settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS[1:], "tests.hashers.OldHasher"]
    assert_one_session(client, post(user).json())
    UserSession.objects.all().delete()
    assert_one_session(client, post(user).json())
    user.refresh_from_db()
    assert not user.password.startswith("old")


def test_throttles_of_the_project_count_as_well(user, post):
    assert [post(user, "/view/throttled-more/").status_code for _ in range(2)] == [200, 429]


# Outages


def test_an_outage_of_the_database(user, post, heard):
    failed = heard(user_login_failed)
    with outage():
        answer = post(user)
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert failed == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("queries", range(1, 6))
def test_an_outage_in_the_middle(user, post, heard, queries):
    failed = heard(user_login_failed)
    with outage(after=queries):
        answer = post(user, "/django-login/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert failed == []
    assert UserSession.objects.filter(revoked_at=None).count() <= (queries == 5)  # nobody has got its tokens


@pytest.mark.parametrize(
    ("error", "status"), [(drf.PermissionDenied(), 503), (Response(status=403), 403)], ids=["raised", "returned"]
)
def test_an_outage_at_the_end_of_a_refused_session(user, post, error, status):
    RefusesLater.error = error
    with outage(of=lambda sql: "revoked_at" in sql and sql.startswith("UPDATE")):
        assert post(user, "/view/refuses-later/").status_code == status


def test_a_text_that_the_database_can_not_store(user, post):
    assert post(user, "/unstorable/").status_code == 400


def test_an_outage_of_the_cache(user, post, monkeypatch):
    def fail(*args):
        raise UnavailableError("gone")

    monkeypatch.setattr(CountingCache, "get", fail)
    assert post(user).status_code == 503
