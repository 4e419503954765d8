"""A refresh token that many use at once, or that is used while it is revoked."""

from datetime import timedelta
from functools import partial
from threading import Barrier, Event

import pytest
from django.db import connection, transaction
from django.db.models import F

from jwt_auth import sessions, signals
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session
from tests.support.races import all_dead, begin, granted, new_client, rounds, status_of
from tests.support.threads import PATIENCE

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

TRIALS = rounds(200)


@pytest.fixture(params=["read committed", "repeatable read"])
def trials(request, transactional_db, monkeypatch):
    """
    The number of trials at Django's default isolation; fewer at MariaDB's own, which a project may choose instead.
    """
    if request.param == "read committed":
        yield TRIALS
        return
    if connection.vendor != "mysql":
        pytest.skip("at this level PostgreSQL answers a lost race with an error")
    connection.close()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "isolation_level", request.param)
    yield TRIALS // 5
    connection.close()


def test_twenty_refreshes_of_one_token_rotate_once_and_get_the_same_successor(client, user, at_once, clock, trials):
    token = client.tokens(user)["refresh_token"]
    for counter in range(1, trials // 4 + 1):
        answers = at_once(*[partial(new_client().refresh, token)] * 20)
        assert status_of(answers) == {200}
        successors = {answer.json()["refresh_token"] for answer in answers}
        assert len(successors) == 1
        assert UserSession.objects.get().counter == counter
        [token] = successors
        clock.shift(120)  # past the grace period


def test_a_late_repetition_waits_for_a_transaction_that_ends_its_session(user, at_once, clock):
    key = "k" * 22
    raw = sessions.start(user).refresh_token
    sid = sessions.refresh(raw, retry_key=key).session_id
    clock.shift(3600)
    revoked, repeated = Event(), Event()

    def revoke():
        with transaction.atomic():
            revoke_session(sid)
            revoked.set()
            return repeated.wait(1)

    def repeat():
        revoked.wait(PATIENCE)
        try:
            sessions.refresh(raw, retry_key=key)
        except RevokedTokenError:
            return "refused"
        finally:
            repeated.set()

    assert at_once(revoke, repeat) == [False, "refused"]


@pytest.mark.parametrize("by", ["refresh_token", "access_token"])
def test_a_logout_that_races_a_refresh_leaves_no_usable_token(client, user, at_once, trials, by):
    for _ in range(trials // 2):
        pair = begin(user)
        refreshed, ended = at_once(partial(new_client().refresh, pair["refresh_token"]), partial(log_out, pair, by))
        assert ended.status_code == 204
        assert refreshed.status_code in (200, 401)
        assert all_dead(client, [pair, *granted(refreshed)])


def log_out(pair, by):
    if by == "refresh_token":
        return new_client().send("logout/", {by: pair[by]})
    return new_client().bearer(pair[by]).send("logout/")


def test_a_revocation_of_the_user_that_races_a_refresh_leaves_no_usable_token(client, user, staff, at_once, trials):
    admin = client.bearer(client.tokens(staff)["access_token"])
    for _ in range(trials):
        pair = begin(user)
        refreshed, revoked = at_once(
            partial(new_client().refresh, pair["refresh_token"]),
            partial(admin.send, "revoke/user/", {"user": str(user.pk)}),
        )
        assert revoked.status_code == 200
        assert refreshed.status_code in (200, 401)
        assert all_dead(client, [pair, *granted(refreshed)])


def test_a_reuse_that_races_a_refresh_of_the_successor_ends_the_session(client, user, at_once, clock):
    for _ in range(rounds(50)):
        stolen = client.tokens(user)["refresh_token"]
        newest = client.refresh(stolen).json()
        clock.shift(120)
        refreshed, reused = at_once(
            partial(new_client().refresh, newest["refresh_token"]), partial(new_client().refresh, stolen)
        )
        assert reused.status_code == 401
        assert refreshed.status_code in (200, 401)
        assert all_dead(client, [newest, *granted(refreshed)])


def test_refreshes_that_race_each_other_alone_leave_a_live_session(client, user, at_once):
    """The control of the tests above."""
    pair = client.tokens(user)
    answers = at_once(*[partial(new_client().refresh, pair["refresh_token"])] * 2)
    assert status_of(answers) == {200}
    assert not client.is_dead(answers[0].json())


def from_peer(address, agent="browser"):
    client = new_client()
    client.defaults.update(REMOTE_ADDR=address, HTTP_USER_AGENT=agent)
    return client


def test_twenty_tabs_of_one_browser_share_nothing(client, user, at_once, clock, heard):
    sent = heard(signals.refresh_token_shared)
    token = from_peer("192.0.2.7").tokens(user)["refresh_token"]
    for _ in range(rounds(20)):
        answers = at_once(*[partial(from_peer("192.0.2.7").refresh, token)] * 20)
        assert status_of(answers) == {200}
        [token] = {answer.json()["refresh_token"] for answer in answers}
        clock.shift(120)
    assert not sent
    assert UserSession.objects.get().shared_at is None


def test_two_parties_at_once_are_announced_once_and_shut_out_at_the_third(client, user, at_once, clock, heard, trials):
    """It makes no difference which is first, and how many requests each sends."""
    sent = heard(signals.refresh_token_shared)
    for _ in range(trials // 10):
        token = from_peer("192.0.2.7").tokens(user)["refresh_token"]
        for number in range(1, 4):
            del sent[:]
            answers = at_once(
                *[partial(from_peer("192.0.2.7").refresh, token)] * 5,
                *[partial(from_peer("203.0.113.7").refresh, token)] * 5,
            )
            session = UserSession.objects.latest("created_at")
            assert len(sent) == 1
            assert (session.counter, session.shared_rotations) == (number, number)
            if number < 3:
                assert status_of(answers) == {200}
                [token] = {answer.json()["refresh_token"] for answer in answers}
            clock.shift(120)
        assert session.revoked_reason.startswith("refresh token shared by ")
        assert all_dead(client, granted(*answers))


def test_requests_with_one_key_at_once_rotate_once(client, user, at_once, clock):
    for _ in range(rounds(50)):
        token = client.tokens(user)["refresh_token"]
        send = partial(
            new_client().send, "refresh/", {"refresh_token": token}, HTTP_IDEMPOTENCY_KEY="0123456789abcdefABCDEF"
        )
        answers = at_once(*[send] * 5)
        assert status_of(answers) == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_refreshes_that_waited_for_a_lock_longer_than_the_grace_period_get_the_same_successor(
    client, user, at_once, jwt_settings
):
    """By the real clocks: all requests have read the row before it is locked for longer than the grace period."""
    jwt_settings(ROTATION_GRACE_PERIOD=timedelta(seconds=0.5))
    token = begin(user)["refresh_token"]
    locked, holder = Barrier(6), Event()

    def hold():
        with transaction.atomic():
            list(UserSession.objects.select_for_update())
            locked.wait(PATIENCE)
            holder.wait(1)

    def refresh():
        locked.wait(PATIENCE)
        return new_client().refresh(token)

    _, *answers = at_once(hold, *[refresh] * 5)
    assert status_of(answers) == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert UserSession.objects.get().counter == 1


def test_a_copy_that_is_used_after_the_grace_period_ends_the_session_by_the_real_clocks(client, user, jwt_settings):
    """The control of the test above it; the rotation is made older in the database."""
    pair = begin(user)
    newest = client.refresh(pair["refresh_token"]).json()
    assert client.refresh(pair["refresh_token"]).json()["refresh_token"] == newest["refresh_token"]
    UserSession.objects.update(rotated_at=F("rotated_at") - timedelta(seconds=61))
    assert client.refresh(pair["refresh_token"]).json()["code"] == "refresh_token_reused"
