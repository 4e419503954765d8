"""A Django session is exchanged for tokens: by its user, from a page of ours, and never for more than it is worth."""

from datetime import timedelta
from types import ModuleType, SimpleNamespace

import pytest
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.urls import path
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions
from jwt_auth.models import UserSession
from jwt_auth.permissions import SignedInWithin
from jwt_auth.revocation import revoke_user
from jwt_auth.sessions import django_sessions
from jwt_auth.verification import verify
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.queries import Queries
from tests.urls import urlpatterns as usual_urls

CROSS_SITE = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://evil.example.net"}
JWT_USER = "jwt_auth.middleware.JWTUserMiddleware"


@pytest.fixture(autouse=True)
def _exchange(jwt_settings):
    jwt_settings(SESSION_EXCHANGE="keep")


@pytest.fixture
def visitor(clock, user):
    """A browser in which alice has signed in to Django, an hour ago."""
    browser = Browser()
    browser.force_login(user)
    clock.shift(3600)
    return browser


def exchange(browser, transport="/auth/", **extra):
    return browser.send(f"{transport}session/", **extra)


def refused(answer, code="not_authenticated"):
    return (answer.status_code, answer.json()["code"], UserSession.objects.count()) == (
        403 if code == "csrf_failed" else 401,
        code,
        0,
    )


def write(browser, **values):
    """Write into the Django session, as another package would."""
    session = browser.session
    session.update(values)
    session.save()


def test_tokens_of_the_user_whose_sign_in_was_when_it_was(visitor, user, clock):
    answer = exchange(visitor, body={"label": "phone"})
    claims = verify(answer.json()["access_token"]).claims
    session = UserSession.objects.get()
    assert (session.user, session.label, session.transport) == (user, "phone", "bearer")
    assert claims.auth_time == session.started_at == timezone.now() - timedelta(hours=1)
    # All timeouts count from now, also those of a session that replaces it.
    assert session.expires_at == timezone.now() + timedelta(days=30)
    again = sessions.start(user, replaces=session.pk)
    assert UserSession.objects.get(pk=again.session_id).expires_at == session.expires_at
    assert "_auth_user_id" in visitor.session  # "keep"


def test_it_costs_no_more_queries_than_a_sign_in(visitor):
    with Queries() as queries:
        exchange(visitor)
    assert len(queries.statements) == 6


class Payment(APIView):
    permission_classes = [SignedInWithin(minutes=5)]

    def get(self, request):
        return Response({})


def test_an_exchange_makes_no_sign_in_fresh(visitor, user, settings):
    settings.ROOT_URLCONF = urls = ModuleType("urls")
    urls.urlpatterns = [*usual_urls, path("payment/", Payment.as_view())]
    exchange(visitor, "/auth/browser/")
    assert visitor.get("/payment/").json()["code"] == "insufficient_user_authentication"
    visitor.force_login(user)
    exchange(visitor, "/auth/browser/")
    assert visitor.get("/payment/").status_code == 200


def test_cookies_in_browsers(visitor):
    answer = exchange(visitor, "/auth/browser/", body={"remember": False})
    assert "access_token" not in answer.json()
    assert visitor.me().status_code == 200
    assert answer.cookies["__Host-Http-refresh"]["max-age"] == ""


def test_it_is_off_unless_the_setting_says_otherwise(visitor, jwt_settings):
    jwt_settings(SESSION_EXCHANGE=None)
    answers = [exchange(visitor, where) for where in ("/auth/", "/auth/browser/")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert all("SESSION_EXCHANGE is not set" in answer.json()["detail"] for answer in answers)


def test_a_page_of_another_site_can_exchange_nothing(visitor):
    for where in ("/auth/", "/auth/browser/"):
        assert refused(exchange(visitor, where, **CROSS_SITE), "csrf_failed")
        assert refused(exchange(visitor, where, HTTP_SEC_FETCH_SITE=None, HTTP_ORIGIN=None), "csrf_failed")
    assert exchange(visitor).status_code == 200


def test_a_token_is_no_django_session(visitor, user, settings, client):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, JWT_USER]
    token = client.tokens(user)["access_token"]
    signed_in = Browser().sign_in(user)
    UserSession.objects.all().delete()
    assert refused(exchange(signed_in))
    assert refused(exchange(Browser(), HTTP_AUTHORIZATION=f"Bearer {token}"))
    assert exchange(visitor).status_code == 200


def test_an_anonymous_request_is_no_failed_sign_in(heard, db, user, settings):
    sent = heard(user_login_failed, user_logged_in)
    for _ in range(9):
        assert refused(exchange(Browser()))
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "contrib" not in name]
    assert refused(exchange(Browser()))  # without SessionMiddleware
    assert sent == []
    assert exchange(Browser()).status_code == 429
    assert Browser().login(user).status_code == 200  # which has a budget of its own


def test_a_refusal_is_logged_as_that_of_a_sign_in(visitor, user, log):
    """There is no token that could be refused."""
    exchange(Browser())
    revoke_user(user)
    exchange(visitor)
    records = [record for record in log() if record.event.endswith(("refused", "missing"))]
    assert [(record.event, record.code) for record in records] == [("sign_in_refused", "not_authenticated")] * 2
    assert "nobody is signed in to Django" in records[0].getMessage()


def test_an_exchange_is_no_sign_in_to_django(visitor, user, heard):
    user.refresh_from_db()
    sent, before = heard(user_logged_in), user.last_login
    assert exchange(visitor).status_code == 200
    user.refresh_from_db()
    assert (sent, user.last_login) == ([], before)
    # A sign-in by password in the same browser is no sign-in to Django's session either.
    noted = django_sessions.signed_in_at(visitor.session)
    visitor.sign_in(user)
    assert django_sessions.signed_in_at(visitor.session) == noted


def test_a_sign_in_beside_djangos_session_is_not_noted_in_it(user):
    session = SessionStore()
    session["cart"] = "full"
    user_logged_in.send(type(user), request=SimpleNamespace(session=session), user=user)
    assert dict(session.items()) == {"cart": "full"}


def change_password(user):
    user.set_password("another good password")
    user.save()


def deactivate(user):
    user.is_active = False
    user.save()


def change_it_in_sql(user):
    user.set_password("another good password")
    type(user)._default_manager.filter(pk=user.pk).update(password=user.password)


@pytest.mark.parametrize("end", [change_password, change_it_in_sql, deactivate, revoke_user])
def test_a_user_whose_tokens_ended_signs_in_again(visitor, user, end):
    assert exchange(visitor).status_code == 200
    UserSession.objects.all().delete()
    end(user)
    assert refused(exchange(visitor))


def test_after_a_revocation_a_new_sign_in_to_django_is_exchanged(visitor, user, clock):
    revoke_user(user)
    clock.shift(1)
    visitor.force_login(user)
    token = exchange(visitor).json()["access_token"]
    assert verify(token).claims.auth_time == timezone.now()


def test_a_revocation_meanwhile_refuses_it(visitor, user, monkeypatch):
    time_of = django_sessions.signed_in_at
    monkeypatch.setattr(django_sessions, "signed_in_at", lambda session: revoke_user(user) and time_of(session))
    assert refused(exchange(visitor))


def test_a_sign_in_that_was_not_noted_is_older_than_every_cutoff(user, jwt_settings, clock):
    jwt_settings(SESSION_EXCHANGE=None)
    browser = Browser()
    browser.force_login(user)
    jwt_settings(SESSION_EXCHANGE="keep")
    token = exchange(browser).json()["access_token"]
    assert verify(token).claims.auth_time == django_sessions.UNKNOWN
    UserSession.objects.all().delete()
    revoke_user(user, at=timezone.now() - timedelta(days=3650))
    assert refused(exchange(browser))


def test_a_note_of_another_user_counts_for_nothing(visitor, make_user):
    write(visitor, **{django_sessions.NOTE: {**visitor.session[django_sessions.NOTE], "user": "another"}})
    assert verify(exchange(visitor).json()["access_token"]).claims.auth_time == django_sessions.UNKNOWN


def test_a_clock_that_is_ahead_makes_no_sign_in_of_the_future(visitor, clock):
    clock.shift(-7200)
    assert verify(exchange(visitor).json()["access_token"]).claims.auth_time == timezone.now()


def test_methods_that_allauth_recorded(visitor, clock):
    at = timezone.now().timestamp()
    password, code = {"method": "password", "at": at}, {"method": "mfa", "type": "totp", "at": at - 86400}
    records = {"account_authentication_methods": [password, code]}
    write(visitor, **records, account_authentication_methods_user=visitor.session["_auth_user_id"])
    claims = verify(exchange(visitor).json()["access_token"]).claims
    assert claims.amr == ("pwd", "otp", "mfa")
    assert claims.auth_time == timezone.now() - timedelta(days=1)  # the second factor is as old as that


@pytest.mark.parametrize("about", [{}, {"account_authentication_methods_user": "another"}])
def test_methods_of_another_user_count_for_nothing(visitor, clock, about):
    """As of a sign-in that was given up at its last step, before this user signed in with a form of Django."""
    at = timezone.now().timestamp()
    factors = [{"method": "password", "at": at}, {"method": "mfa", "type": "totp", "at": at}]
    write(visitor, account_authentication_methods=factors, **about)
    claims = verify(exchange(visitor).json()["access_token"]).claims
    assert claims.amr == ()
    assert claims.auth_time == timezone.now() - timedelta(hours=1)


def test_a_password_again_does_not_make_a_device_of_django_otp_fresh(visitor, user, clock):
    before = django_sessions.signed_in_at(visitor.session)
    visitor.force_login(user)
    assert django_sessions.signed_in_at(visitor.session) == timezone.now() != before
    write(visitor, otp_device_id="otp_totp.totpdevice/1")
    clock.shift(60)
    visitor.force_login(user)
    claims = verify(exchange(visitor).json()["access_token"]).claims
    assert (claims.amr, claims.auth_time) == (("otp",), timezone.now() - timedelta(minutes=1))


def test_the_django_session_ends_with_the_exchange(visitor, jwt_settings):
    jwt_settings(SESSION_EXCHANGE="end")
    answer = exchange(visitor)
    assert (answer.status_code, answer.cookies["sessionid"]["max-age"]) == (200, 0)
    assert not Session.objects.exists()
    assert visitor.bearer(answer.json()["access_token"]).get("/auth/me/").status_code == 200


def test_the_sign_in_form_of_django_is_noted(user, staff, clock):
    browser = Browser()
    token = browser.get("/admin/login/").context["csrf_token"]
    form = {"username": staff.get_username(), "password": PASSWORD, "csrfmiddlewaretoken": str(token)}
    assert browser.post("/admin/login/", form, format="multipart").status_code == 302
    assert verify(exchange(browser).json()["access_token"]).claims.auth_time == timezone.now()
