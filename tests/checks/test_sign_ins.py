"""System checks of the project's own sign-ins, each with a control."""

import pytest
from django.urls import URLPattern, include, path, re_path
from django.urls.resolvers import RoutePattern
from django.views.generic import TemplateView
from rest_framework import serializers

from jwt_auth.checks.sign_ins import check_sign_ins
from jwt_auth.contrib.simplejwt.serializers import TokenObtainPairSerializer
from jwt_auth.contrib.simplejwt.views import TokenObtainPairView, TokenRefreshView
from jwt_auth.views import LoginView, Pending, Reauthentication, RefreshView, SignInSerializer, SignInView
from tests.support.checks import found, ids
from tests.support.clients import PASSWORD

OURS = path("auth/", include("jwt_auth.urls"))
OURS_FOR_BROWSERS = path("auth/browser/", include("jwt_auth.browser_urls"))


class Password(LoginView):
    def authenticate(self, request, data):
        user = super().authenticate(request, data)
        return user and Pending(user, "code")


class PasswordAgain(Reauthentication, Password): ...


class Code(SignInView):
    step = "code"


class Named(LoginView):
    name_field = "login"


def page(request): ...


class Closed(RoutePattern):
    def match(self, path):
        return None


LOGIN = path("auth/login/", Password.as_view())
LOGIN_OF_BROWSERS = path("auth/browser/login/", Password.for_browsers().as_view())
AGAIN = path("auth/reauthenticate/", PasswordAgain.as_view())


@pytest.fixture
def urls(settings):
    """`urls(patterns)` makes these the project's URLconf."""

    def change(patterns):
        settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": list(patterns)})

    return change


@pytest.mark.django_db
def test_a_sign_in_behind_that_of_the_app_is_w027(urls, user, client):
    body = {"username": user.username, "password": PASSWORD}
    urls([OURS, LOGIN])
    (message,) = found()
    assert message.id == "jwt_auth.W027"
    assert message.msg.startswith("Password is never called at /auth/login/: jwt_auth.views.users.LoginView comes")
    assert client.post("/auth/login/", body, content_type="application/json").status_code == 200
    urls([LOGIN, OURS])
    assert ids() == []
    assert client.post("/auth/login/", body, content_type="application/json").status_code == 202


@pytest.mark.parametrize(
    ("before", "own"),
    [
        (path("<tenant>/", include("jwt_auth.urls")), path("<tenant>/login/", Password.as_view())),
        (re_path(r"^auth/", include("jwt_auth.urls")), re_path(r"^auth/login/$", Password.as_view())),
        (path("auth/<str:any>/", page), path("auth/in/", Password.as_view())),
        (re_path(r"^", TemplateView.as_view()), path("auth/in/", Code.as_view())),
        (OURS, path("auth/refresh/", type("Own", (RefreshView,), {}).as_view())),
        (OURS_FOR_BROWSERS, path("auth/", include([path("browser/login/", Named.for_browsers().as_view())]))),
    ],
    ids=["parameter", "expression", "converter", "all", "refresh", "browsers"],
)
def test_another_view_that_answers_first_is_w027(urls, before, own):
    urls([before, own])
    assert ids() == ["W027"]
    urls([own, before])
    assert ids() == []


@pytest.mark.parametrize("own", [LOGIN, LOGIN_OF_BROWSERS])
def test_a_view_has_the_name_that_the_project_gave_it(urls, own):
    urls([own, OURS, OURS_FOR_BROWSERS])
    (message,) = found()
    assert "whatever else Password requires" in message.msg
    assert "Password.as_view(), or for browsers with Password.for_browsers().as_view()" in message.hint


@pytest.mark.parametrize("own", ["auth/<slug:step>/", "(?:auth|in)/code/"])
def test_routes_with_parameters_are_no_paths(urls, own):
    kind = path if "<" in own else re_path
    urls([OURS, kind(own, Code.as_view()), re_path(".*", page)])
    assert ids() == []


def test_patterns_of_a_class_of_the_project_are_left_alone(urls):
    urls([OURS, URLPattern(Closed("in/", is_endpoint=True), Code.as_view())])
    assert ids() == []


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([], []),
        ([path("auth/password/", Password.as_view())], ["/auth/login/", "/auth/browser/login/"]),
        ([LOGIN], ["/auth/browser/login/"]),
        ([LOGIN, LOGIN_OF_BROWSERS], []),
        ([LOGIN, LOGIN_OF_BROWSERS, path("x/", PasswordAgain.as_view())], ["/auth/re", "/auth/browser/re"]),
        ([LOGIN, LOGIN_OF_BROWSERS, AGAIN], ["/auth/browser/re"]),
        # The project does not say what these do, or that the password is not enough.
        ([path("x/", Named.as_view())], []),
        ([path("code/", SignInView.as_view()), path("code/enter/", Code.as_view())], []),
        ([path("x/", type("Again", (Reauthentication, LoginView), {}).as_view())], []),
    ],
)
def test_an_endpoint_for_the_password_alone_is_w028(urls, own, expected):
    urls([*own, OURS, OURS_FOR_BROWSERS])
    messages = found()
    assert {message.id for message in messages} <= {"jwt_auth.W028"}
    assert len(messages) == len(expected)
    assert all(map(str.startswith, (message.msg for message in messages), expected))


class CodeSerializer(TokenObtainPairSerializer):
    code = serializers.CharField(required=False)


class NamingSerializer(TokenObtainPairSerializer):
    name = serializers.CharField(read_only=True)


class FailingSerializer(TokenObtainPairSerializer):
    def get_fields(self):
        raise KeyError("request")


class CodeView(TokenObtainPairView):
    serializer_class = CodeSerializer


class OwnCheckView(TokenObtainPairView):
    def authenticate(self, request, data):
        return super().authenticate(request, data)


OF_SIMPLEJWT = path("api/", include("jwt_auth.contrib.simplejwt.urls"))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([], []),
        # One of each kind, and the other kind beside it.
        ([path("x/", Password.as_view())], ["/auth/login/", "/api/token/"]),
        ([path("x/", CodeView.as_view())], ["/auth/login/", "/api/token/"]),
        ([path("x/", OwnCheckView.as_view())], ["/auth/login/", "/api/token/"]),
        ([path("x/", TokenObtainPairView.as_view(serializer_class=CodeSerializer))], ["/auth/login/", "/api/token/"]),
        ([LOGIN, path("api/token/", CodeView.as_view())], []),
        # The project does not say that the password is not enough.
        ([path("x/", TokenObtainPairView.as_view(serializer_class=NamingSerializer))], []),
        ([path("x/", TokenObtainPairView.as_view(serializer_class=FailingSerializer))], []),
    ],
)
def test_so_it_is_beside_the_sign_in_for_clients_of_simplejwt(urls, own, expected):
    urls([*own, OURS, OF_SIMPLEJWT])
    messages = found()
    assert {message.id for message in messages} <= {"jwt_auth.W028"}
    assert [message.msg.split()[0] for message in messages] == expected
    assert all(("for_browsers" in message.hint) is ("Password" in message.msg) for message in messages)


def test_the_serializer_in_the_settings_counts_as_well(urls, jwt_settings):
    urls([OURS, OF_SIMPLEJWT])
    assert ids() == []
    jwt_settings(SIMPLEJWT={"TOKEN_OBTAIN_SERIALIZER": f"{__name__}.CodeSerializer"})
    assert [message.msg.split()[0] for message in found()] == ["/auth/login/"]


def test_a_view_of_simplejwt_that_is_never_called_is_w027(urls):
    own = path("api/token/refresh/", type("Refresh", (TokenRefreshView,), {"__module__": "shop.views"}).as_view())
    urls([OF_SIMPLEJWT, own])
    assert ids() == ["W027"]
    urls([own, OF_SIMPLEJWT])
    assert ids() == []


def test_a_sign_in_beside_second_factors_of_allauth_is_w090(urls, monkeypatch):
    urls([OURS])
    assert ids() == []
    monkeypatch.setattr("jwt_auth.checks.sign_ins.apps.is_installed", lambda name: name == "allauth.mfa")
    assert [message.id for message in check_sign_ins()] == ["jwt_auth.W090"]
    urls([OF_SIMPLEJWT])
    assert [message.id for message in check_sign_ins()] == ["jwt_auth.W090"]
    urls([path("api/token/", CodeView.as_view()), OF_SIMPLEJWT])
    assert check_sign_ins() == []
    urls([path("auth/login/", Named.as_view()), OURS])
    assert check_sign_ins() == []


def test_nothing_is_said_while_the_settings_are_wrong(urls, jwt_settings):
    urls([OURS, LOGIN])
    jwt_settings(LEEWAY=5)
    assert check_sign_ins() == []


class NamedSerializer(SignInSerializer):
    name = serializers.CharField()


@pytest.mark.parametrize(
    ("base", "names", "expected"),
    [
        (SignInView, {"name_field": "name"}, ["E036"]),
        (SignInView, {"name_field": "name", "serializer_class": NamedSerializer}, []),
        (SignInView, {}, []),
        (LoginView, {}, []),
        (LoginView, {"name_field": "login"}, []),
        (LoginView, {"serializer_class": NamedSerializer}, ["E036"]),
    ],
)
def test_a_sign_in_whose_serializer_lacks_the_name_is_e036(urls, base, names, expected):
    own = type("Own", (base,), names)
    urls([path("in/", own.as_view()), path("browser/in/", own.for_browsers().as_view())])
    assert ids() == expected * 2


def test_the_serializer_of_a_sign_in_for_simplejwt_is_in_the_settings(urls):
    own = type("Own", (TokenObtainPairView,), {"name_field": "phone"})
    urls([path("in/", own.as_view()), path("there/", TokenObtainPairView.as_view())])
    assert ids() == []
