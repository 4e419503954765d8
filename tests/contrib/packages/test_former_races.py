"""Exchanges of one former token at the same moment, and sign-outs and revocations beside them."""

from datetime import date, timedelta
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.urls import path
from django.utils.timezone import now
from knox.models import AuthToken
from rest_framework.authtoken.models import Token

from jwt_auth.contrib.authtoken.views import AuthTokenExchangeView, AuthTokenLogoutView
from jwt_auth.contrib.knox.views import KnoxExchangeView, KnoxLogoutView
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from tests.contrib.packages import urls
from tests.support.clients import Client

urlpatterns = [
    path("auth/authtoken/exchange/", AuthTokenExchangeView.as_view()),
    path("auth/authtoken/logout/", AuthTokenLogoutView.as_view()),
    path("auth/knox/exchange/", KnoxExchangeView.as_view()),
    path("auth/knox/logout/", KnoxLogoutView.as_view()),
    *urls.urlpatterns,
]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _dates(jwt_settings):
    jwt_settings(
        FORMER_TOKENS={"authtoken": date(2100, 1, 1), "knox": date(2100, 1, 1)},
        LOGIN_THROTTLE="1000/s",
    )


@pytest.fixture(params=["authtoken", "knox"])
def post(request, user):
    """`post(action)` sends the request with a new former token, whose user is alice."""
    kind = request.param
    if kind == "authtoken":
        raw = Token.objects.create(user=user).key
    else:
        raw = AuthToken.objects.create(user)[1]
    for model in (Token, AuthToken):
        model.objects.update(created=now() - timedelta(days=1))

    def send(action):
        client = Client()
        client.credentials(HTTP_AUTHORIZATION=f"Token {raw}")
        answer = client.send(f"{kind}/{action}/", {})
        return answer.status_code, (answer.json().get("access_token") if answer.content else None)

    return send


def is_live(access):
    return Client().get_me(access).status_code == 200


def test_two_tabs_exchange_one_token(post, at_once):
    answers = at_once(*[partial(post, "exchange")] * 2)
    assert [status for status, _ in answers] == [200, 200]
    assert all(is_live(access) for _, access in answers)
    assert UserSession.objects.count() == 2
    assert AuthToken.objects.filter(expiry__gt=now() + timedelta(seconds=61)).count() == 0


def test_a_revocation_beside_an_exchange_leaves_no_session(post, user, at_once):
    (status, access), _ = at_once(
        partial(post, "exchange"), lambda: revoke_user(get_user_model().objects.get(pk=user.pk))
    )
    assert status in (200, 401)
    assert access is None or not is_live(access)
    assert post("exchange") == (401, None)


def test_a_sign_out_beside_an_exchange_deletes_the_token(post, at_once):
    (status, access), (signed_out, _) = at_once(partial(post, "exchange"), partial(post, "logout"))
    assert (signed_out, status in (200, 401)) == (204, True)
    assert UserSession.objects.count() == (status == 200)
    assert access is None or is_live(access)
    assert not Token.objects.exists()
    assert not AuthToken.objects.exists()
    assert post("exchange") == (401, None)
