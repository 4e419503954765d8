"""No time that a holder of access tokens can see tells when somebody else refreshed."""

from datetime import timedelta, timezone

import pytest
from django.utils.timezone import now

from jwt_auth.models import UserSession
from jwt_auth.sessions.shown import hour_of, last_used_at
from tests.support.admin import grant
from tests.support.browser import Browser
from tests.support.clocks import NOW

pytestmark = pytest.mark.usefixtures("clock")

# 12:30:15.25, so 30 minutes later another hour has begun.
HALF = timedelta(minutes=30)
WATCHED = ("sessions/", "me/")


def watch(client, access):
    answers = [client.bearer(access).send(path, method="get") for path in WATCHED]
    assert {answer.status_code for answer in answers} == {200}
    return [(answer.content, {**answer.headers, "Date": None}) for answer in answers]


@pytest.mark.parametrize("steps", [7, 59, 61, 113], ids="{} minutes".format)
def test_nothing_that_is_shown_moves_with_a_rotation(client, user, clock, jwt_settings, steps):
    """Two sessions of one user, each of which watches both; each refreshes in turn."""
    jwt_settings(ACCESS_TOKEN_LIFETIME=timedelta(days=1))
    phone, laptop = client.tokens(user), client.tokens(user)
    tokens = [phone["refresh_token"], laptop["refresh_token"]]
    for number in range(6):
        clock.shift(timedelta(minutes=steps))
        before = [watch(client, pair["access_token"]) for pair in (phone, laptop)]
        answer = client.refresh(tokens[number % 2])
        tokens[number % 2] = answer.json()["refresh_token"]
        assert [watch(client, pair["access_token"]) for pair in (phone, laptop)] == before


def test_nothing_that_browsers_are_shown_moves_with_a_rotation(user, clock, jwt_settings):
    jwt_settings(ACCESS_TOKEN_LIFETIME=timedelta(days=1))
    page = Browser().sign_in(user)
    thief = Browser()
    thief.cookies = page.cookies.copy()
    clock.shift(HALF * 3)
    before = [thief.get(f"/auth/browser/{path}").content for path in WATCHED]
    assert page.renew().status_code == 200
    assert [thief.get(f"/auth/browser/{path}").content for path in WATCHED] == before


def test_introspection_of_a_copy_does_not_tell_of_a_rotation_within_its_grace_period(client, user, clock):
    grant(user, "introspect")
    pair = client.tokens(user)

    def look():
        body = {"token": pair["refresh_token"]}
        return client.bearer(pair["access_token"]).send("introspect/", body).json()

    clock.shift(60)
    before = look()
    client.refresh(pair["refresh_token"])
    assert look() == before
    clock.shift(59)
    assert look() == before
    clock.shift(1)
    assert look() == {"active": False}  # too late for the grace period


def test_the_last_full_hour_is_shown(client, user, clock):
    """The control: people still learn when a session was used."""
    pair = client.tokens(user)
    token, shown = pair["refresh_token"], []
    for minutes in (0, 20, 20, 60, 0, 180):
        clock.shift(timedelta(minutes=minutes))
        token = client.refresh(token).json()["refresh_token"]
        clock.shift(121)
        listed = client.bearer(client.tokens(user)["access_token"]).get("/auth/sessions/").json()["results"]
        [session] = listed[-1:]
        shown.append(session["last_used_at"][11:])
    assert shown == [*["12:30:15.250000Z"] * 3, "13:00:00Z", "13:00:00Z", "14:00:00Z"]


def test_the_end_that_is_shown_is_the_one_that_never_moves(client, user, clock):
    pair = client.tokens(user)
    [session] = client.bearer(pair["access_token"]).get("/auth/sessions/").json()["results"]
    assert session["expires_at"] == "2026-06-16T12:30:15.250000Z"


def test_the_current_session_comes_first_and_then_the_newest_sign_in(client, user, clock):
    pairs = []
    for _ in range(3):
        pairs.append(client.tokens(user))
        clock.shift(60)
    first, second, third = (pair["session"] for pair in pairs)
    client.refresh(pairs[0]["refresh_token"])
    listed = client.bearer(pairs[1]["access_token"]).get("/auth/sessions/").json()["results"]
    assert [session["id"] for session in listed] == [second, third, first]


def test_a_row_from_before_the_first_rotation_shows_the_sign_in():
    session = UserSession(started_at=NOW, last_issued_at=NOW)
    assert last_used_at(session, now()) == NOW
    assert last_used_at(session, NOW + timedelta(days=1)) == NOW


def test_hours_are_those_of_utc():
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    assert hour_of(NOW.astimezone(kathmandu)) == hour_of(NOW)
