"""The sign-in of simplejwt: serializers and views as projects write them, over HTTP."""

import pytest
from django.urls import include, path

from jwt_auth.contrib.simplejwt.sign_in import TokenObtainPairView
from jwt_auth.models import UserSession
from tests.support.clients import PASSWORD

urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("api/token/", TokenObtainPairView.as_view()),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def _speaks_simplejwt(jwt_settings, settings):
    jwt_settings(SIMPLEJWT={})
    settings.REST_FRAMEWORK = {}


@pytest.fixture
def post(client):
    def send(user, path="/api/token/", password=PASSWORD, **extra):
        return client.send(path, {user.USERNAME_FIELD: user.get_username(), "password": password, **extra})

    return send


def test_plain(user, post, client, count):
    n, answer = count(post, user)
    assert n <= 6
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert set(body) == {"refresh", "access"}
    assert UserSession.objects.count() == 1
    assert client.get_me(body["access"]).status_code == 200
    assert client.refresh(body["refresh"]).status_code == 200


def test_wrong(user, post):
    answer = post(user, password="x")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "No active account found with the given credentials"}
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
