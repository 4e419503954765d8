"""One session that stays when its user gets a new password, which ends all others."""

import itertools
from contextlib import ExitStack, suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions, signals, transports
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.exceptions import ConfigurationError, ExpiredTokenError, RevokedTokenError, UnavailableError
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.permissions import HasAMR, SignedInWithin
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user, revoke_users, user_sessions
from tests.support.browser import Browser
from tests.support.clients import PASSWORD, Client
from tests.support.clocks import NOW
from tests.support.forge import claims_of
from tests.support.other_processes import by_another_process
from tests.support.outages import outage
from tests.urls import urlpatterns as usual_urls

NEW_PASSWORD = "a quite different password"

pytestmark = [pytest.mark.urls(__name__), pytest.mark.usefixtures("clock")]


class ChangePassword(APIView):
    authentication_classes = [JWTAuthentication, JWTCookieAuthentication]
    permission_classes = [IsAuthenticated]

    def post(self, request):
        with sessions.kept(request.auth.session_id) as kept:
            form = PasswordChangeForm(request.user, request.data)
            if not form.is_valid():
                raise serializers.ValidationError(form.errors)
            form.save()
        if isinstance(request.successful_authenticator, JWTCookieAuthentication):
            response = Response({"expires_in": kept.access_token.expires_in})
            transports.set_access_cookie(request, response, kept.access_token)
            return response
        return Response({"access_token": kept.access_token.raw})


class Strong(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [SignedInWithin(minutes=1), HasAMR("otp")]

    def get(self, request):
        return Response({})


urlpatterns = [*usual_urls, path("password/", ChangePassword.as_view()), path("strong/", Strong.as_view())]


def body(old=PASSWORD, new=NEW_PASSWORD):
    return {"old_password": old, "new_password1": new, "new_password2": new}


def load(user):
    return get_user_model()._default_manager.get(pk=user.pk)


def change(user, password=NEW_PASSWORD):
    fresh = load(user)
    fresh.set_password(password)
    fresh.save()


def row_of(pair):
    return UserSession.objects.get(pk=pair.session_id)


def me(raw):
    return Client().get_me(raw).status_code


@pytest.fixture
def own(user, clock):
    """The tokens of the session that is to be kept."""
    pair = sessions.start(user, amr=["pwd", "otp"], acr="gold", data={"org": 7})
    clock.shift(10)
    return pair


@pytest.fixture
def other(user, own, clock):
    pair = sessions.start(user)
    clock.shift(10)
    return pair


@pytest.fixture(params=["database", "memory"])
def _mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param)


# Over HTTP


@pytest.mark.usefixtures("_mode")
@pytest.mark.parametrize("atomic", [False, True])
def test_a_client_changes_the_password_and_stays_signed_in(client, user, own, other, monkeypatch, atomic):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    sender = client.bearer(own.access_token)
    assert sender.send("/password/", body(old="wrong")).status_code == 400
    assert [me(own.access_token), me(other.access_token)] == [200, 200]
    answer = sender.send("/password/", body())
    assert answer.status_code == 200
    assert me(answer.json()["access_token"]) == 200
    assert [me(own.access_token), me(other.access_token)] == [401, 401]
    assert client.refresh(other.refresh_token).status_code == 401
    refreshed = client.refresh(own.refresh_token)
    assert refreshed.status_code == 200
    assert me(refreshed.json()["access_token"]) == 200
    assert client.login(user, NEW_PASSWORD).status_code == 200
    # The next change without `kept()` ends this session as well.
    change(user, PASSWORD)
    assert me(refreshed.json()["access_token"]) == 401
    assert client.refresh(refreshed.json()["refresh_token"]).status_code == 401


@pytest.mark.usefixtures("_mode")
def test_a_browser_changes_the_password_and_stays_signed_in(user):
    browser, elsewhere = Browser().sign_in(user), Browser().sign_in(user)
    before = browser.pair
    answer = browser.send("/password/", body())
    assert set(answer.cookies) == {browser.access_name}
    assert browser.pair["refresh_token"] == before["refresh_token"]
    assert browser.me().status_code == 200
    assert me(before["access_token"]) == 401
    assert elsewhere.me().status_code == 401
    assert [browser.renew().status_code, elsewhere.renew().status_code] == [200, 401]


def test_without_it_the_session_ends_too(client, user, own):
    """The control of the tests above."""
    change(user)
    assert me(own.access_token) == 401
    assert client.refresh(own.refresh_token).status_code == 401


def test_the_session_begins_anew(user, own, other, clock):
    before = row_of(own)
    with sessions.kept(own.session_id) as kept:
        change(user)
        assert kept.access_token is None
    claims, row = claims_of(kept.access_token.raw), row_of(own)
    cutoff = RevocationEvent.objects.get().cutoff
    assert row.started_at > cutoff > other_started(other)
    assert claims["auth_time"] == row.started_at.timestamp()
    assert (claims["sid"], claims["amr"]) == (row.sid, ["pwd"])
    assert "acr" not in claims
    assert (row.revoked_at, row.data, row.counter) == (None, {"org": 7}, before.counter)
    assert (row.idle_expires_at, row.expires_at) == (before.idle_expires_at, before.expires_at)
    assert row.last_issued_at == row.started_at
    assert not row.has_stale_credentials


def other_started(pair):
    return row_of(pair).started_at


def test_the_event_is_that_of_a_new_password(user, own, other):
    with sessions.kept(own.session_id):
        change(user)
    event = RevocationEvent.objects.get()
    assert (event.scope, event.reason) == ("user", "password changed")
    assert row_of(other).revoked_reason == "password changed"


@pytest.mark.django_db(transaction=True)
def test_the_signal_counts_the_sessions_that_have_ended(user, own, other, heard):
    sent = heard(signals.user_revoked, signals.session_revoked)
    with sessions.kept(own.session_id):
        change(user)
        assert not sent
    assert [(signal, facts["sessions_revoked"]) for signal, facts in sent] == [(signals.user_revoked, 1)]


def test_another_process_in_memory_mode_learns_it_as_any_new_password(
    user, own, other, jwt_settings, ticks, monkeypatch
):
    jwt_settings(REVOCATION="memory")
    assert me(own.access_token) == 200
    with by_another_process(monkeypatch), sessions.kept(own.session_id) as kept:
        change(user)
    ticks.forward(60)
    assert [me(kept.access_token.raw), me(own.access_token), me(other.access_token)] == [200, 401, 401]


@pytest.mark.usefixtures("_mode")
def test_a_user_with_more_sessions_than_are_marked(user, own, other, monkeypatch):
    monkeypatch.setattr(user_sessions, "MARKED", 0)
    with sessions.kept(own.session_id) as kept:
        change(user)
    assert [me(kept.access_token.raw), me(own.access_token), me(other.access_token)] == [200, 401, 401]
    assert row_of(other).revoked_at is None


def test_it_costs_five_queries_and_one_more_for_a_session_that_moves(user, own, count):
    def keep_in(block):
        with sessions.kept(own.session_id):
            block()

    keep_in(lambda: change(user, "a first password"))
    assert count(keep_in, lambda: None)[0] == 5
    number = count(keep_in, lambda: change(user, PASSWORD))[0]
    assert number <= 6 + count(change, user)[0]


def test_a_new_password_that_sent_no_signal(user, own):
    with sessions.kept(own.session_id) as kept:
        get_user_model()._default_manager.filter(pk=user.pk).update(password=make_password(NEW_PASSWORD))
    assert me(kept.access_token.raw) == 200
    assert not row_of(own).has_stale_credentials


@pytest.mark.parametrize("revoke", [revoke_user, lambda user: revoke_users([user])], ids=["one", "many"])
def test_it_also_keeps_one_session_when_the_user_is_revoked(user, own, other, revoke):
    with sessions.kept(own.session_id) as kept:
        revoke(load(user))
    assert [me(kept.access_token.raw), me(own.access_token), me(other.access_token)] == [200, 401, 401]


def test_two_sessions_in_one_block(user, own, other, clock):
    third = sessions.start(user)
    with sessions.kept(own.session_id) as first, sessions.kept(other.session_id) as second:
        change(user)
    assert [me(first.access_token.raw), me(second.access_token.raw), me(third.access_token)] == [200, 200, 401]


# How the user was authenticated


def test_a_factor_of_the_former_sign_in_is_not_said_to_be_recent(client, user, own, clock):
    """A thief of a token who knows the password must not get into views that demand a fresh second factor."""
    assert client.bearer(own.access_token).get("/strong/").status_code == 200
    clock.shift(120)
    assert client.bearer(own.access_token).get("/strong/").status_code == 401
    with sessions.kept(own.session_id) as kept:
        change(user)
    answer = client.bearer(kept.access_token.raw).get("/strong/")
    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
    assert 'amr_values="otp"' in answer["WWW-Authenticate"]
    assert "max_age" not in answer["WWW-Authenticate"]
    with sessions.kept(own.session_id, amr=["pwd", "otp", "otp"], acr="gold") as kept:
        change(user)
    assert client.bearer(kept.access_token.raw).get("/strong/").status_code == 200
    claims = claims_of(sessions.refresh(own.refresh_token).access_token)
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp"], "gold")


# What is not kept


def test_if_nothing_was_changed_nothing_moves(user, own):
    before = UserSession.objects.filter(pk=own.session_id).values().get()
    with sessions.kept(own.session_id, amr=["hwk"]) as kept:
        load(user).save()
        revoke_user(user, at=NOW - timedelta(hours=1))
    assert kept.access_token is None
    assert UserSession.objects.filter(pk=own.session_id).values().get() == before
    assert me(own.access_token) == 200


def test_an_upgrade_of_the_hash_moves_nothing(user, own, client):
    old = make_password(PASSWORD, hasher="old")
    get_user_model()._default_manager.filter(pk=user.pk).update(password=old)
    pair = sessions.start(load(user))
    with sessions.kept(pair.session_id) as kept:
        assert load(user).check_password(PASSWORD)
    assert load(user).password != old
    assert kept.access_token is None
    assert client.refresh(pair.refresh_token).status_code == 200


def deactivate(user, pair):
    fresh = load(user)
    fresh.is_active = False
    fresh.set_password(NEW_PASSWORD)
    fresh.save()


ENDS = {
    "deactivated": deactivate,
    "session revoked": lambda user, pair: (change(user), revoke_session(pair.session_id)),
    "session revoked before": lambda user, pair: (revoke_session(pair.session_id), change(user)),
    "signed out": lambda user, pair: (change(user), sessions.end(pair.refresh_token)),
    "everything revoked": lambda user, pair: (change(user), revoke_all()),
    "everything revoked before": lambda user, pair: (revoke_all(), change(user)),
    "deleted": lambda user, pair: load(user).delete(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_session_that_ends_for_another_reason_is_not_kept(client, user, own, end):
    with sessions.kept(own.session_id) as kept:
        end(user, own)
    assert kept.access_token is None
    assert me(own.access_token) == 401
    assert client.refresh(own.refresh_token).status_code == 401


def test_a_session_that_expires_in_the_block_is_not_kept(client, user, clock):
    pair = sessions.start(user, idle_timeout=timedelta(minutes=5))
    with sessions.kept(pair.session_id) as kept:
        change(user)
        clock.shift(300)
    assert kept.access_token is None
    assert client.refresh(pair.refresh_token).status_code == 401


def stale(user, pair):
    get_user_model()._default_manager.filter(pk=user.pk).update(password="another")


ENDS_BEFORE = {
    "session revoked": lambda user, pair: revoke_session(pair.session_id),
    "user revoked": lambda user, pair: revoke_user(user),
    "everything revoked": lambda user, pair: revoke_all(),
    "deleted": lambda user, pair: UserSession.objects.all().delete(),
    "deactivated": deactivate,
    "another password": stale,
}


@pytest.mark.parametrize("end", ENDS_BEFORE.values(), ids=ENDS_BEFORE)
def test_a_session_that_has_ended_can_not_be_kept(user, own, end):
    end(user, own)
    hash_before = load(user).password
    with pytest.raises(RevokedTokenError), sessions.kept(own.session_id):
        raise AssertionError("the block was entered")
    assert load(user).password == hash_before


def test_a_session_that_has_expired_can_not_be_kept(own):
    with pytest.raises(ExpiredTokenError), sessions.kept(own.session_id, now=NOW + timedelta(days=14)):
        raise AssertionError("the block was entered")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"session_id": "text"}, TypeError),
        ({"amr": "pwd"}, TypeError),
        ({"amr": ["two words"]}, ValueError),
        ({"acr": ""}, ValueError),
        ({"now": NOW.replace(tzinfo=None)}, ValueError),
        ({"session_id": uuid4()}, RevokedTokenError),
    ],
    ids=itertools.count(),
)
def test_wrong_arguments(own, options, error):
    with pytest.raises(error), sessions.kept(**{"session_id": own.session_id, **options}):
        raise AssertionError("the block was entered")


# Errors


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outer", [False, True])
def test_an_error_in_the_block_rolls_all_of_it_back(client, user, own, other, outer):
    def fail():
        with sessions.kept(own.session_id):
            change(user)
            raise LookupError

    with suppress(LookupError):
        if outer:
            with transaction.atomic():
                with pytest.raises(LookupError):
                    fail()
                assert UserSession.objects.count() == 2  # the outer transaction goes on
        else:
            fail()
    assert load(user).check_password(PASSWORD)
    assert not RevocationEvent.objects.exists()
    assert [me(own.access_token), me(other.access_token)] == [200, 200]
    assert client.refresh(other.refresh_token).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_token_that_can_not_be_signed_rolls_the_change_back(user, own, jwt_settings):
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: None)
    with pytest.raises(ConfigurationError), sessions.kept(own.session_id):
        change(user)
    assert load(user).check_password(PASSWORD)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("passing", range(4))
def test_an_outage_when_the_block_begins(own, passing):
    with pytest.raises(UnavailableError), outage(after=passing), sessions.kept(own.session_id):
        raise AssertionError("the block was entered")


@pytest.mark.django_db(transaction=True)
def test_an_outage_when_the_block_ends(user, own):
    def keep_until_the_outage():
        with ExitStack() as stack, sessions.kept(own.session_id):
            change(user)
            stack.enter_context(outage(of=lambda sql: "jwt_auth_usersession" in sql))

    with pytest.raises(UnavailableError):
        keep_until_the_outage()
    assert load(user).check_password(PASSWORD)


# Times


def test_a_session_from_a_machine_whose_clock_is_ahead(user, own, clock):
    ahead = sessions.start(user, now=NOW + timedelta(hours=1))
    with sessions.kept(ahead.session_id) as kept:
        change(user)
    row = row_of(ahead)
    assert row.started_at == row.last_issued_at > NOW + timedelta(hours=1)
    assert [me(kept.access_token.raw), me(ahead.access_token)] == [200, 401]
    # The next cutoff is later still.
    change(user, PASSWORD)
    assert me(kept.access_token.raw) == 401


def test_now_can_be_passed_in(user, own):
    later = NOW + timedelta(minutes=5)
    with sessions.kept(own.session_id, now=later) as kept:
        change(user)
    assert claims_of(kept.access_token.raw)["iat"] == int(later.timestamp())
    assert row_of(own).started_at == later


# At the same time


def test_a_refresh_that_read_the_row_before_gets_a_token_of_the_session_that_was_kept(user, own, jwt_settings):
    """The project's callable is called after the row was read, and before it is written."""
    rest = [lambda: keep(user, own)]
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: {"n": len(rest) and bool(rest.pop()())})
    refreshed = sessions.refresh(own.refresh_token)
    assert not rest
    assert me(refreshed.access_token) == 200
    assert not row_of(own).has_stale_credentials


def test_an_update_that_read_the_row_before_gets_a_token_of_the_session_that_was_kept(user, own, jwt_settings):
    rest = [lambda: keep(user, own)]
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: {"n": len(rest) and bool(rest.pop()())})
    access = sessions.update(own.session_id, data={"org": 8})
    assert not rest
    assert me(access.raw) == 200
    assert row_of(own).data == {"org": 8}


def keep(user, pair):
    with sessions.kept(pair.session_id) as kept:
        change(user)
    return kept.access_token
