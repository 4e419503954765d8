"""Tokens of DRF's authtoken and of knox: accepted until a date, reached by revocations, and exchanged."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.test import RequestFactory
from django.urls import path
from knox.auth import TokenAuthentication as OfKnox
from knox.models import AuthToken
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import user_model
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.checks.former_tokens import check_former_tokens
from jwt_auth.contrib.authtoken.authentication import FormerTokenAuthentication
from jwt_auth.contrib.authtoken.views import AuthTokenExchangeView, AuthTokenLogoutView
from jwt_auth.contrib.knox.authentication import FormerKnoxAuthentication
from jwt_auth.contrib.knox.views import KnoxExchangeView, KnoxLogoutView
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_user
from tests.contrib.packages import urls
from tests.support import forge
from tests.support.answers import assert_error
from tests.support.browser import Browser
from tests.support.checks import ids
from tests.support.clients import Client
from tests.support.outages import assert_unavailable, outage


class Page(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": str(request.user), "auth": type(request.auth).__name__})


urlpatterns = [
    path("authtoken/", Page.as_view(authentication_classes=[FormerTokenAuthentication, JWTAuthentication])),
    path("knox/", Page.as_view(authentication_classes=[FormerKnoxAuthentication, JWTAuthentication])),
    path("auth/authtoken/exchange/", AuthTokenExchangeView.as_view()),
    path("auth/authtoken/logout/", AuthTokenLogoutView.as_view()),
    path("auth/knox/exchange/", KnoxExchangeView.as_view()),
    path("auth/browser/knox/exchange/", KnoxExchangeView.for_browsers().as_view()),
    path("auth/knox/logout/", KnoxLogoutView.as_view()),
    *urls.urlpatterns,
]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]

NOW = datetime(2030, 1, 10, 12, tzinfo=timezone.utc)
LAST = date(2030, 1, 31)


@dataclass
class Former:
    """A token of a package, and its client."""

    kind: str
    raw: str
    row: Any

    def client(self, raw=None):
        client = Client()
        client.credentials(HTTP_AUTHORIZATION=f"Token {self.raw if raw is None else raw}")
        return client

    def get(self, raw=None):
        return self.client(raw).get(f"/{self.kind}/")

    def is_live(self):
        status = self.get().status_code
        assert status in (200, 401)
        return status == 200

    def exchange(self, **extra):
        return self.client().send(f"{self.kind}/exchange/", extra)

    def logout(self):
        return self.client().send(f"{self.kind}/logout/", {})

    def create_at(self, moment):
        type(self.row).objects.filter(pk=self.row.pk).update(created=moment)


def make(kind, user, **extra):
    if kind == "authtoken":
        row = Token.objects.create(user=user)
        return Former(kind, row.key, row)
    row, raw = AuthToken.objects.create(user, expiry=timedelta(days=365), **extra)
    return Former(kind, raw, row)


@pytest.fixture
def clock(clock):
    clock.move_to(NOW)
    return clock


@pytest.fixture(autouse=True)
def _dates(jwt_settings, settings):
    jwt_settings(FORMER_TOKENS={"authtoken": LAST, "knox": LAST})


@pytest.fixture(params=["authtoken", "knox"])
def former(request, user, clock):
    former = make(request.param, user)
    clock.shift(5)
    return former


# Requests


def test_a_former_token_authenticates_beside_those_of_this_app(former, user, client):
    assert former.get().json() == {"user": str(user), "auth": type(former.row).__name__}
    pair = client.tokens(user)
    assert client.bearer(pair["access_token"]).get(f"/{former.kind}/").json()["auth"] == "Claims"
    answer = client.get(f"/{former.kind}/")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Token")


@pytest.mark.parametrize("raw", ["unknown", "", "a b", "é", "\x7f", "x" * 500])
def test_other_tokens_are_refused(former, raw):
    assert former.get(raw).status_code == 401
    assert former.is_live()


def test_after_the_date_it_is_refused(former, clock, jwt_settings):
    clock.move_to(datetime(2030, 1, 31, 23, 59, 59, tzinfo=timezone.utc))
    assert former.is_live()
    clock.shift(1)
    assert former.get().json() == {"detail": "Invalid token."}
    jwt_settings(FORMER_TOKENS={former.kind: NOW + timedelta(days=100)})
    assert former.is_live()
    jwt_settings(FORMER_TOKENS={})
    assert not former.is_live()
    assert_error(former.exchange(), 401, "not_authenticated")


@pytest.mark.parametrize(
    "event",
    {
        "revoked": revoke_user,
        "all": lambda user: revoke_all(),
        "password": lambda user: (user.set_password("another battery staple"), user.save()),
        "inactive": lambda user: get_user_model().objects.update(is_active=False),
    }.items(),
    ids=lambda event: event[0],
)
def test_what_revokes_tokens_of_this_app_reaches_it(former, user, event):
    assert former.is_live()
    event[1](user)
    assert not former.is_live()
    assert_error(former.exchange(), 401, "not_authenticated")
    assert not UserSession.objects.exists()
    assert type(former.row).objects.filter(pk=former.row.pk).exists()


def test_another_users_revocation_does_not(former, make_user):
    revoke_user(make_user("bob"))
    assert former.is_live()


def test_a_user_whom_the_projects_manager_hides_is_refused(former, monkeypatch):
    assert former.is_live()
    monkeypatch.setattr(user_model, "visible_rows", lambda: user_model.all_users().none())
    assert not former.is_live()


@pytest.mark.parametrize(("seconds", "is_live"), [(-1, False), (0, False), (1, True)])
def test_the_second_of_the_cutoff_counts_as_before(former, user, clock, seconds, is_live):
    clock.move_to(NOW + timedelta(seconds=60, microseconds=500))
    revoke_user(user)
    former.create_at(NOW + timedelta(seconds=60 + seconds, microseconds=900))
    clock.shift(10)
    assert former.is_live() is is_live
    assert former.exchange().status_code == (200 if is_live else 401)


def test_a_request_needs_one_query_more_than_with_the_package(former, count):
    request = RequestFactory().get("/", headers={"Authorization": f"Token {former.raw}"})
    ours = {"authtoken": FormerTokenAuthentication, "knox": FormerKnoxAuthentication}[former.kind]
    theirs = {"authtoken": TokenAuthentication, "knox": OfKnox}[former.kind]
    counts = [count(cls().authenticate, request)[0] for cls in (ours, theirs)]
    assert counts[0] == counts[1] + 1


def test_an_outage_is_503(former):
    with outage():
        assert_unavailable(former.get(), code=None)  # the body is DRF's own
    assert former.is_live()


# The exchange


def test_it_is_exchanged_for_tokens_with_the_time_of_the_former_sign_in(former, user, client, heard):
    sent = heard(user_logged_in, user_login_failed)
    answer = former.exchange(label="my phone")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    pair = answer.json()
    assert client.get_me(pair["access_token"]).json()["user"]["id"] == str(user.pk)
    claims = forge.claims_of(pair["access_token"])
    assert (claims["auth_time"], "amr" in claims) == (int(NOW.timestamp()), False)
    session = UserSession.objects.get()
    assert (session.label, session.user) == ("my phone", user)
    assert client.refresh(pair["refresh_token"]).status_code == 200
    assert sent == []
    revoke_user(user)
    assert client.get_me(pair["access_token"]).status_code == 401


def test_the_token_of_all_devices_stays_valid(user, clock):
    former = make("authtoken", user)
    assert [former.exchange().status_code for _ in range(2)] == [200, 200]
    clock.shift(3600)
    assert former.is_live()
    assert UserSession.objects.count() == 2


@pytest.mark.parametrize("expiry", [None, timedelta(days=1), timedelta(seconds=30)])
def test_the_token_of_one_device_is_used_up_and_a_second_tab_has_a_minute(user, clock, expiry):
    former = make("knox", user)
    AuthToken.objects.update(expiry=None if expiry is None else NOW + expiry)
    other = make("knox", user)
    assert former.exchange().status_code == 200
    clock.shift(29)
    assert former.is_live()
    assert former.exchange().status_code == 200
    clock.shift(32)
    assert not former.is_live()
    assert_error(former.exchange(), 401, "not_authenticated")
    assert other.is_live()
    assert UserSession.objects.count() == 2


def test_without_a_grace_period_it_is_used_up_at_once(user, clock, jwt_settings):
    jwt_settings(ROTATION_GRACE_PERIOD=timedelta(0), FORMER_TOKENS={"knox": LAST})
    former = make("knox", user)
    assert former.exchange().status_code == 200
    assert not former.is_live()


def test_browsers_get_cookies_and_other_sites_nothing(user, clock):
    header = {"HTTP_AUTHORIZATION": f"Token {make('knox', user).raw}"}
    browser = Browser()
    forged = Browser(HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example")
    assert forged.send("knox/exchange/", {}, **header).status_code == 403
    answer = browser.send("knox/exchange/", {}, **header)
    assert (answer.status_code, "access_token" in answer.json()) == (200, False)
    assert browser.me().status_code == 200


def test_nothing_else_is_exchanged_and_guesses_are_limited(former, client, user):
    pair = client.tokens(user)
    assert_error(client.bearer(pair["access_token"]).send(f"{former.kind}/exchange/", {}), 401, "not_authenticated")
    wrong = former.client("0" * 64)
    statuses = [wrong.send(f"{former.kind}/exchange/", {}).status_code for _ in range(10)]
    assert statuses == [401] * 9 + [429]


@pytest.mark.parametrize("event", ["revocation", "deletion", "expiry", None])
def test_what_happens_during_the_exchange_is_noticed(former, user, monkeypatch, event, clock):
    view = {"authtoken": AuthTokenExchangeView, "knox": KnoxExchangeView}[former.kind]
    check = view.authenticate

    def authenticate(self, request, data):
        found = check(self, request, data)
        match event:
            case "revocation":
                revoke_user(get_user_model().objects.get(pk=user.pk))
            case "deletion":
                type(former.row).objects.all().delete()
            case "expiry" if former.kind == "knox":
                AuthToken.objects.update(expiry=NOW)
        return found

    monkeypatch.setattr(view, "authenticate", authenticate)
    is_refused = event in ("revocation", "deletion") or (event == "expiry" and former.kind == "knox")
    assert former.exchange().status_code == (401 if is_refused else 200)
    assert UserSession.objects.exists() is not is_refused


# Knox's own renewals


@pytest.mark.parametrize("longest", [None, timedelta(days=400), timedelta(days=5)])
def test_a_renewal_goes_on_until_the_exchange(user, clock, settings, longest):
    settings.REST_KNOX = {"AUTO_REFRESH": True, "TOKEN_TTL": timedelta(days=10), "AUTO_REFRESH_MAX_TTL": longest}
    former = make("knox", user)
    AuthToken.objects.update(expiry=NOW + timedelta(days=10))
    clock.shift(86400)
    assert former.is_live()
    expected = NOW + (timedelta(days=11) if longest != timedelta(days=5) else timedelta(days=10))
    assert AuthToken.objects.get().expiry == expected
    assert former.exchange().status_code == 200
    assert former.is_live()
    clock.shift(61)
    assert not former.is_live()


def test_tokens_without_an_end_are_not_renewed(user, clock, settings):
    settings.REST_KNOX = {"AUTO_REFRESH": True, "TOKEN_TTL": None}
    former = make("knox", user)
    end = AuthToken.objects.get().expiry
    assert former.is_live()
    assert AuthToken.objects.get().expiry == end


# Signing out


def test_a_sign_out_deletes_it_also_if_it_is_refused_by_now(former, user, client):
    revoke_user(user)
    get_user_model().objects.update(is_active=False)
    for _ in range(2):
        assert former.logout().status_code == 204
        assert not type(former.row).objects.exists()
    get_user_model().objects.update(is_active=True)
    pair = client.tokens(user)
    assert client.bearer(pair["access_token"]).send(f"{former.kind}/logout/", {}).status_code == 204
    assert client.is_dead(pair)
    assert former.client("é").send(f"{former.kind}/logout/", {}).status_code == 204


def test_a_sign_out_with_both_tokens_ends_both(former, user, client):
    pair, other = client.tokens(user), client.tokens(user)
    answer = former.client().send(f"{former.kind}/logout/", {"refresh_token": pair["refresh_token"]})
    assert answer.status_code == 204
    assert not former.is_live()
    assert client.is_dead(pair)
    assert not client.is_dead(other)
    assert former.client().send(f"{former.kind}/logout/", {"refresh_token": 5}).status_code == 204


@pytest.mark.parametrize("raw", ["a\0b" * 10, "é" * 20, "\x7f" * 40])
def test_a_sign_out_with_no_token_at_all_is_a_204(former, raw, monkeypatch):
    asked = []
    monkeypatch.setattr(TokenAuthentication, "authenticate_credentials", lambda self, key: asked.append(key))
    monkeypatch.setattr(OfKnox, "authenticate_credentials", lambda self, key: asked.append(key))
    answer = former.client(raw).send(f"{former.kind}/logout/", {})
    assert (answer.status_code, asked) == (204, [])  # PostgreSQL has an error of its own for a NUL


def test_the_sign_out_from_knox_ends_one_device(user, clock):
    own, other = make("knox", user), make("knox", user)
    own.logout()
    assert [own.is_live(), other.is_live()] == [False, True]


# Checks


def test_a_date_that_has_passed_is_w110(clock, jwt_settings):
    assert check_former_tokens() == []
    clock.move_to(datetime(2030, 2, 1, tzinfo=timezone.utc))
    assert [found.id for found in check_former_tokens()] == ["jwt_auth.W110"] * 2
    jwt_settings(SIGNING_KEY=1)
    assert check_former_tokens() == []


def test_with_local_times_their_error_is_reported(settings):
    assert "E023" not in ids()
    settings.USE_TZ = False
    assert "E023" in ids()


def test_tokens_that_are_read_without_a_date_are_e110(jwt_settings):
    jwt_settings(FORMER_TOKENS={"knox": LAST})
    (found,) = check_former_tokens()
    assert found.id == "jwt_auth.E110"
    assert found.msg.startswith("FormerTokenAuthentication in Page reads tokens of authtoken")
    jwt_settings(FORMER_TOKENS={})
    assert [found.id for found in check_former_tokens()] == ["jwt_auth.E110"] * 2
