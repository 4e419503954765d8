"""A session that becomes one for something else, such as another organisation."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions, transports
from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.exceptions import (
    ConfigurationError,
    ExpiredTokenError,
    RevokedTokenError,
    UnavailableError,
    UnstorableTextError,
)
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from jwt_auth.sessions.revisions import READS
from tests.support.browser import Browser
from tests.support.clients import Client
from tests.support.clocks import NOW
from tests.support.forge import claims_of
from tests.support.outages import outage
from tests.urls import urlpatterns as usual_urls

pytestmark = [pytest.mark.urls(__name__), pytest.mark.usefixtures("clock", "_claims")]


class OfOrganisation(BasePermission):
    def has_permission(self, request, view):
        return request.auth.all.get("org") == 8


class Switch(APIView):
    authentication_classes = [JWTAuthentication, JWTCookieAuthentication]
    permission_classes = [IsAuthenticated]

    def post(self, request):
        organisation = serializers.IntegerField().run_validation(request.data["org"])
        access = sessions.update(request.auth.session_id, data={"org": organisation})
        if isinstance(request.successful_authenticator, JWTCookieAuthentication):
            response = Response({"expires_in": access.expires_in})
            transports.set_access_cookie(request, response, access)
            return response
        return Response({"access_token": access.raw, "expires_in": access.expires_in})


class Members(APIView):
    authentication_classes = [JWTAuthentication, JWTCookieAuthentication]
    permission_classes = [IsAuthenticated, OfOrganisation]

    def get(self, request):
        return Response({})


urlpatterns = [*usual_urls, path("switch/", Switch.as_view()), path("members/", Members.as_view())]


@pytest.fixture
def _claims(jwt_settings):
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: session.data)


def org_of(raw):
    return claims_of(raw).get("org")


@pytest.fixture
def pair(user, clock):
    """The tokens of a session for organisation 7."""
    return sessions.start(user, data={"org": 7})


def members(raw):
    return Client().bearer(raw).get("/members/").status_code


# Over HTTP


def test_a_client_switches_and_goes_on_with_its_refresh_token(pair):
    assert members(pair.access_token) == 403
    answer = Client().bearer(pair.access_token).send("/switch/", {"org": 8})
    assert set(answer.json()) == {"access_token", "expires_in"}
    assert members(answer.json()["access_token"]) == 200
    # The former token says the same as before until it expires.
    assert members(pair.access_token) == 403
    refreshed = sessions.refresh(pair.refresh_token)
    assert org_of(refreshed.access_token) == 8
    assert members(refreshed.access_token) == 200


def test_a_switch_back_does_not_end_the_former_token_before_it_expires(pair, clock):
    newer = sessions.update(pair.session_id, data={"org": 8})
    sessions.update(pair.session_id, data={"org": 9})
    assert members(newer.raw) == 200
    clock.shift(311)  # the lifetime and the leeway
    assert members(newer.raw) == 401


@pytest.mark.parametrize("remember", [True, False])
def test_a_browser_gets_the_new_token_in_its_cookie_and_no_other(user, remember):
    browser = Browser().sign_in(user, remember=remember)
    before = browser.pair
    signed_in = browser.cookies[browser.access_name]["max-age"]
    answer = browser.send("/switch/", {"org": 8})
    assert set(answer.json()) == {"expires_in"}
    assert set(answer.cookies) == {browser.access_name}
    cookie = answer.cookies[browser.access_name]
    assert (cookie["httponly"], cookie["secure"], cookie["path"], cookie["samesite"]) == (True, True, "/", "Strict")
    assert bool(cookie["max-age"]) is remember
    assert not remember or 0 <= cookie["max-age"] - signed_in <= 1
    assert browser.get("/members/").status_code == 200
    assert browser.pair["refresh_token"] == before["refresh_token"]
    browser.renew()
    assert org_of(browser.pair["access_token"]) == 8


def test_a_forged_request_switches_nothing(user):
    browser = Browser().sign_in(user)
    headers = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://evil.example.net"}
    assert browser.send("/switch/", {"org": 8}, **headers).status_code == 403
    assert UserSession.objects.get().data == {}


def test_the_token_is_one_of_the_session(pair):
    before, after = claims_of(pair.access_token), claims_of(sessions.update(pair.session_id, data={"org": 8}).raw)
    same = {"iss", "aud", "sub", "client_id", "sid", "auth_time"}
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert before["jti"] != after["jti"]


def test_an_update_costs_two_queries_and_moves_no_timeout(pair, count, clock):
    before = UserSession.objects.get()
    clock.shift(3600)
    assert count(sessions.update, pair.session_id, data={"org": 8})[0] == 2
    after = UserSession.objects.get()
    assert (after.data, after.revision, after.counter) == ({"org": 8}, before.revision + 1, before.counter)
    assert (after.idle_expires_at, after.expires_at) == (before.idle_expires_at, before.expires_at)
    assert (after.last_issued_at, after.settled_at) == (before.last_issued_at + timedelta(hours=1), NOW)


def test_the_data_is_replaced_as_a_whole(pair):
    sessions.update(pair.session_id, data={"shop": "Zoë"})
    assert UserSession.objects.get().data == {"shop": "Zoë"}
    sessions.update(pair.session_id, data={})
    assert UserSession.objects.get().data == {}


def test_saving_an_instance_that_was_read_before_does_not_undo_an_update(pair):
    former = UserSession.objects.get()
    sessions.update(pair.session_id, data={"org": 8})
    former.label = "phone"
    former.save()
    assert (UserSession.objects.get().label, UserSession.objects.get().data) == ("phone", {"org": 8})


def test_no_token_outlives_its_session(user):
    pair = sessions.start(user, idle_timeout=timedelta(minutes=5))
    access = sessions.update(pair.session_id, data={}, now=NOW + timedelta(seconds=290))
    assert (access.expires_in, access.refresh_expires_in) == (10, 10)


# Refusals


def stale(user, pair):
    get_user_model()._default_manager.filter(pk=user.pk).update(password="another")


def inactive(user, pair):
    get_user_model()._default_manager.filter(pk=user.pk).update(is_active=False)


ENDS = {
    "revoked": lambda user, pair: revoke_session(pair.session_id),
    "signed out": lambda user, pair: sessions.end(pair.refresh_token),
    "user revoked": lambda user, pair: revoke_user(user),
    "everything revoked": lambda user, pair: revoke_all(),
    "another password": stale,
    "inactive": inactive,
    "deleted": lambda user, pair: UserSession.objects.all().delete(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_session_that_has_ended_gets_no_token(user, pair, end):
    sessions.update(pair.session_id, data={"org": 8})  # the control
    end(user, pair)
    with pytest.raises(RevokedTokenError):
        sessions.update(pair.session_id, data={"org": 9})
    assert not UserSession.objects.filter(data={"org": 9}).exists()


def test_a_refusal_names_the_session(user, pair):
    revoke_session(pair.session_id)
    with pytest.raises(RevokedTokenError) as caught:
        sessions.update(pair.session_id, data={})
    assert (caught.value.sid, caught.value.user_id) == (pair.session_id.hex, str(user.pk))


@pytest.mark.parametrize("age", [timedelta(days=14), timedelta(days=30)])
def test_a_session_that_has_expired_gets_no_token(pair, age):
    with pytest.raises(ExpiredTokenError):
        sessions.update(pair.session_id, data={}, now=NOW + age)
    sessions.update(pair.session_id, data={}, now=NOW + timedelta(days=14, microseconds=-1))


def nested(levels, inner):
    """Return data of so many objects and lists inside each other: the outermost one, and then those of one type."""
    value = 1
    for _ in range(levels - 1):
        value = {"a": value} if inner is dict else [value]
    return {"a": value}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (None, TypeError),
        ([1], TypeError),
        ({"set": {1}}, ValueError),
        ({"text": "x" * 1000}, ValueError),
        ({"text": "\0"}, UnstorableTextError),
        ({"text": "\ud800"}, UnstorableTextError),
        (nested(32, dict), ValueError),
        (nested(32, list), ValueError),
        (nested(450, list), ValueError),
    ],
)
def test_bad_data_changes_nothing(pair, data, error):
    with pytest.raises(error):
        sessions.update(pair.session_id, data=data)
    assert UserSession.objects.get().data == {"org": 7}


@pytest.mark.parametrize("inner", [dict, list])
def test_each_database_stores_the_deepest_data(user, pair, inner):
    data = nested(31, inner)
    sessions.update(pair.session_id, data=data)
    started = sessions.start(user, data=data)
    stored = UserSession.objects.in_bulk([pair.session_id, started.session_id])
    assert [session.data for session in stored.values()] == [data, data]


def test_wrong_arguments_are_a_mistake_of_the_caller(pair):
    with pytest.raises(TypeError, match="session_id"):
        sessions.update(pair.session_id.hex, data={})
    with pytest.raises(ValueError, match="now"):
        sessions.update(pair.session_id, data={}, now=NOW.replace(tzinfo=None))
    with pytest.raises(RevokedTokenError):
        sessions.update(uuid4(), data={})


def test_claims_that_can_not_be_issued_leave_the_data(user, jwt_settings):
    pair = sessions.start(user, data={"org": 7}, transport="cookie")
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: {"long": "x" * 4000})
    with pytest.raises(ConfigurationError):
        sessions.update(pair.session_id, data={"org": 8})
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: None)
    with pytest.raises(ConfigurationError):
        sessions.update(pair.session_id, data={"org": 8})
    assert UserSession.objects.get().data == {"org": 7}


@pytest.mark.parametrize("passing", [0, 1])
def test_an_outage_is_temporary(pair, passing):
    with pytest.raises(UnavailableError), transaction.atomic(), outage(after=passing):
        sessions.update(pair.session_id, data={"org": 8})
    assert UserSession.objects.get().data == {"org": 7}


# At the same time: the project's callable is called after the row was read, and before it is written.


@pytest.fixture
def meanwhile(jwt_settings):
    """`meanwhile(*actions)` lets one action happen in the middle of each of the next calls, and returns the rest."""

    def happen(*actions):
        rest = list(actions)

        def claims(user, session):
            values = dict(session.data)
            if rest:
                rest.pop(0)()
            return values

        jwt_settings(CLAIMS_CALLABLE=claims)
        return rest

    return happen


def test_a_refresh_that_read_the_row_before_an_update_answers_with_the_new_data(pair, meanwhile):
    done = []
    rest = meanwhile(lambda: done.append(sessions.update(pair.session_id, data={"org": 8})))
    refreshed = sessions.refresh(pair.refresh_token)
    assert not rest
    assert [org_of(done[0].raw), org_of(refreshed.access_token)] == [8, 8]
    assert UserSession.objects.get().counter == 1


def test_the_control_of_the_test_above(pair, meanwhile):
    meanwhile(lambda: None)
    assert org_of(sessions.refresh(pair.refresh_token).access_token) == 7


def test_a_late_repetition_that_read_the_row_before_an_update_answers_with_the_new_data(pair, meanwhile, clock):
    key = "k" * 22
    successor = sessions.refresh(pair.refresh_token, retry_key=key).refresh_token
    clock.shift(3600)
    rest = meanwhile(lambda: sessions.update(pair.session_id, data={"org": 8}))
    clock.shift(3600)
    # The update's use of the session is an hour before it, so the repetition has to write.
    UserSession.objects.update(last_issued_at=NOW)
    repeated = sessions.refresh(pair.refresh_token, retry_key=key)
    assert not rest
    assert (repeated.refresh_token, org_of(repeated.access_token)) == (successor, 8)


def test_a_refresh_that_finds_another_rotation_and_then_an_update(pair, meanwhile):
    rest = meanwhile(
        lambda: sessions.refresh(pair.refresh_token),
        lambda: None,  # in the refresh above
        lambda: sessions.update(pair.session_id, data={"org": 8}),
    )
    sessions.refresh(pair.refresh_token)
    assert not rest
    assert org_of(sessions.refresh(pair.refresh_token).access_token) == 8


def test_of_two_updates_the_later_one_wins_as_a_whole(pair, meanwhile):
    rest = meanwhile(lambda: sessions.update(pair.session_id, data={"shop": 1}))
    access = sessions.update(pair.session_id, data={"org": 8})
    assert not rest
    assert UserSession.objects.get().data == {"org": 8}
    assert org_of(access.raw) == 8
    assert "shop" not in claims_of(access.raw)


@pytest.mark.parametrize("end", ["revoked", "signed out", "user revoked", "deleted"])
def test_a_session_that_ends_during_an_update_gets_no_token(user, pair, meanwhile, end):
    meanwhile(lambda: ENDS[end](user, pair))
    with pytest.raises(RevokedTokenError):
        sessions.update(pair.session_id, data={"org": 8})
    assert not UserSession.objects.filter(data={"org": 8}).exists()


def test_a_cutoff_that_leaves_the_row_refuses_the_token_of_an_update(pair, meanwhile):
    meanwhile(revoke_all)
    access = sessions.update(pair.session_id, data={"org": 8})
    assert members(access.raw) == 401


def test_a_row_that_changes_all_the_time_is_unavailable_and_nothing_is_used_up(pair, meanwhile):
    def update():
        with_revision = UserSession.objects.filter(pk=pair.session_id)
        with_revision.update(revision=with_revision.get().revision + 1)

    for action in (
        lambda: sessions.refresh(pair.refresh_token),
        lambda: sessions.update(pair.session_id, data={"org": 8}),
    ):
        rest = meanwhile(*[update] * READS)
        with pytest.raises(UnavailableError):
            action()
        assert not rest
        assert (UserSession.objects.get().counter, UserSession.objects.get().data) == (0, {"org": 7})
    meanwhile(*[update] * (READS - 1))
    assert sessions.refresh(pair.refresh_token)


# Revocation


@pytest.mark.parametrize("mode", ["database", "memory"])
@pytest.mark.parametrize("end", ["revoked", "signed out", "user revoked", "everything revoked"])
def test_a_token_of_an_update_is_revoked_with_its_session(user, pair, jwt_settings, clock, mode, end):
    jwt_settings(REVOCATION=mode)
    clock.shift(86400)  # long after the last refresh
    access = sessions.update(pair.session_id, data={"org": 8})
    assert members(access.raw) == 200
    ENDS[end](user, pair)
    assert members(access.raw) == 401


@pytest.mark.parametrize("end", ["revoked", "signed out", "user revoked"])
def test_the_event_of_a_revocation_lasts_as_long_as_a_token_of_an_update(user, pair, end):
    """The machine of the update may be ahead of that of the revocation."""
    access = sessions.update(pair.session_id, data={"org": 8}, now=NOW + timedelta(hours=1))
    ENDS[end](user, pair)
    assert RevocationEvent.objects.get().expires_at.timestamp() >= claims_of(access.raw)["exp"]


# The id of the session


def test_claims_have_the_id_of_the_session_of_a_sign_in_here_alone(pair, user, jwt_settings):
    from jwt_auth.claims import Claims

    facts = {"iss": "x", "aud": ("x",), "sub": "1", "iat": 1, "exp": 2}
    sid = pair.session_id.hex
    assert Claims(**facts, sid=sid).session_id == pair.session_id
    assert isinstance(Claims(**facts, sid=sid).session_id, UUID)
    assert Claims(**facts, sid=sid, scope="").session_id is None
    assert Claims(**facts, sid=sid, scope="read").session_id is None
    assert Claims(**facts).session_id is None
    assert Claims(**facts, sid=sid.upper()).session_id is None
    assert Claims(**facts, sid="another server's").session_id is None
