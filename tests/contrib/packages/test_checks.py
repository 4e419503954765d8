"""System checks of URLconfs: the views in place of those of other packages are endpoints of this app."""

import pytest
from django.urls import include, path
from rest_framework.views import APIView

from jwt_auth.checks.sign_ins import check_sign_ins
from jwt_auth.checks.views import check_views
from jwt_auth.contrib.authtoken.views import AuthTokenExchangeView
from jwt_auth.contrib.knox.views import KnoxExchangeView
from jwt_auth.views import LoginView, Pending


class WithCode(LoginView):
    def authenticate(self, request, data):
        return Pending(super().authenticate(request, data), "code")


def ids(settings, *urlpatterns):
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": list(urlpatterns)})
    return [message.id for message in (*check_views(), *check_sign_ins())]


@pytest.mark.parametrize(
    "theirs",
    [
        include("jwt_auth.contrib.dj_rest_auth.urls"),
        include("jwt_auth.contrib.djoser.urls"),
        include("jwt_auth.contrib.djoser.social_urls"),
        AuthTokenExchangeView.as_view(),
        KnoxExchangeView.for_browsers().as_view(),
    ],
    ids=["dj-rest-auth", "djoser", "social", "authtoken", "knox"],
)
def test_each_is_an_endpoint(settings, theirs):
    assert "jwt_auth.W025" in ids(settings, path("x/", APIView.as_view()))
    assert "jwt_auth.W025" not in ids(settings, path("x/", theirs))


@pytest.mark.parametrize("package", ["dj_rest_auth", "djoser"])
def test_their_sign_ins_for_the_password_alone_are_w028(settings, package):
    theirs = path("x/", include(f"jwt_auth.contrib.{package}.urls"))
    assert "jwt_auth.W028" in ids(settings, path("login/", WithCode.as_view()), theirs)
    assert "jwt_auth.W028" not in ids(settings, theirs)
