"""
One machine's clock is hours ahead, and it wrote to the database: tests of the other machines' decisions.

The database's clock can't be stopped, so most tests here travel from the present.
"""

from datetime import datetime, timedelta, timezone

import pytest
import time_machine
from django.db.models import F

from jwt_auth import signing_keys
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent, SigningKey, UserSession
from jwt_auth.revocation import disable_client, revoke_all, revoke_client, revoke_user, revoke_users
from tests.support.api_clients import register

AHEAD = timedelta(hours=6)
LEEWAY = timedelta(seconds=10)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _new_process(jwt_settings):
    """A process remembers cutoffs in the future, and those of two tests may be the same."""
    jwt_settings()


@pytest.fixture
def start():
    """The present, by the right clock: of the database, and of all machines but one."""
    return datetime.now(timezone.utc).replace(microsecond=0)


@pytest.fixture
def at(start):
    """`at(offset)` stops the clock at an offset from the present, in a block."""
    return lambda offset: time_machine.travel(start + offset, tick=False)


@pytest.fixture
def reports(at, user):
    with at(-timedelta(minutes=1)):
        return register(user)


@pytest.fixture(params=["database", "memory"])
def mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param)
    return request.param


REVOCATIONS = {
    "everybody": lambda api, user: revoke_all(),
    "the user": lambda api, user: revoke_user(user),
    "users": lambda api, user: revoke_users([user]),
    "the client": lambda api, user: revoke_client(api.row),
}


def warnings(log):
    return [record for record in log() if record.event == "clock_ahead"]


@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_clock_that_is_ahead_locks_no_client_out(client, user, reports, at, log, mode, ticks, revoke):
    with at(-timedelta(seconds=2)):
        old = reports.token(exp=int(datetime.now(timezone.utc).timestamp()) + 290)
        pair = client.tokens(user)
        assert client.get_me(old).status_code == 200
    with at(AHEAD):
        revoke(reports, user)
    with at(timedelta(minutes=4)):
        ticks.forward(1)
        assert client.get_me(reports.token()).status_code == 200
        assert client.get_me(old).status_code == 401  # it existed when it was revoked
        signs_out = RevocationEvent.objects.exclude(scope="client").exists()
        assert (client.get_me(pair["access_token"]).status_code == 401) is signs_out
        assert not client.is_dead(client.tokens(user))  # a user can sign in again at once
        assert client.get_me(reports.token()).status_code == 200
    (warning,) = warnings(log)
    assert warning.levelname == "WARNING"
    assert "5:56:00" in warning.reason


def test_a_later_revocation_counts_too(client, user, reports, at, mode, ticks):
    """Its cutoff is a microsecond after the one in the future."""
    with at(AHEAD):
        ahead = revoke_client(reports.row)
    with at(timedelta(minutes=1)):
        ticks.forward(1)
        assert client.get_me(reports.token()).status_code == 200
        assert revoke_client(reports.row) == ahead + timedelta(microseconds=1)
        ticks.forward(1)
        assert client.get_me(reports.token()).status_code == 401
    with at(timedelta(minutes=1, seconds=11)):
        ticks.forward(1)
        assert client.get_me(reports.token()).status_code == 200


def test_the_revocation_of_another_user_at_the_same_moment_is_not_theirs(client, user, make_user, reports, at, start):
    """Both have one cutoff, and the other event was recorded two minutes later."""
    bob = make_user("bob")
    with at(AHEAD):
        revoke_user(user)
        revoke_user(bob)
    others = RevocationEvent.objects.filter(scope="user").exclude(subject=str(user.pk))
    assert others.update(recorded_at=start + timedelta(minutes=2)) == 1
    assert RevocationEvent.objects.values("cutoff").distinct().count() == 1
    with at(timedelta(minutes=1)):
        raw = reports.token(exp=int(start.timestamp()) + 300)
    with at(timedelta(minutes=4)):
        assert client.get_me(raw).status_code == 200


def test_a_cutoff_within_the_leeway_is_believed(client, user, reports, at, log, mode, ticks):
    with at(LEEWAY):
        revoke_all()
    with at(LEEWAY):
        ticks.forward(1)
        assert client.get_me(reports.token()).status_code == 401
    with at(2 * LEEWAY - timedelta(seconds=1)):
        assert client.get_me(reports.token()).status_code == 401
    with at(2 * LEEWAY):
        assert client.get_me(reports.token()).status_code == 200
    assert warnings(log) == []


def test_a_client_that_is_disabled_stays_disabled(client, reports, at, mode, ticks):
    with at(AHEAD):
        disable_client(reports.row)
    for offset in (timedelta(minutes=1), AHEAD * 2):
        with at(offset):
            ticks.forward(1)
            assert client.get_me(reports.token()).status_code == 401


def test_it_costs_one_query_once(client, reports, at, count):
    with at(AHEAD):
        revoke_all()
    with at(timedelta(minutes=1)):
        assert [count(client.get_me, reports.token())[0] for _ in range(4)] == [2, 1, 1, 1]


def test_the_log_has_a_cutoff_once_however_many_clients_it_concerns(client, user, reports, at, log):
    with at(-timedelta(minutes=1)):
        others = [register(user) for _ in range(2)]
    with at(AHEAD):
        revoke_all()
    with at(timedelta(minutes=1)):
        for each in (reports, *others):
            assert client.get_me(each.token()).status_code == 200
    assert len(warnings(log)) == 1


@pytest.fixture
def in_may(clock, user):
    """The machines believe that it is May; the clock of the database is months ahead."""
    return register(user)


@pytest.mark.parametrize(
    "move",
    [
        lambda user, moment: revoke_all(now=moment),
        lambda user, moment: RegisteredClient.objects.update(tokens_valid_after=moment),
    ],
    ids=["the database's clock is ahead too", "it was written without an event"],
)
def test_without_a_right_time_in_the_event_the_first_look_counts(client, user, in_may, clock, log, move):
    old = in_may.token()
    move(user, datetime.now(timezone.utc) + AHEAD)
    clock.shift(30)
    assert client.get_me(in_may.token()).status_code == 401
    clock.shift(9)
    assert client.get_me(in_may.token()).status_code == 401
    clock.shift(2)
    assert client.get_me(in_may.token()).status_code == 200
    assert client.get_me(old).status_code == 401
    assert len(warnings(log)) == 1


def test_the_writer_s_time_counts_if_it_is_right_and_later(client, user, in_may, clock):
    """The newest session began on a machine that was ahead; the one that revokes is right, and the database behind."""
    UserSession.objects.all().delete()
    with time_machine.travel(datetime.now(timezone.utc) + AHEAD):
        client.tokens(user)
    clock.shift(60)
    before = in_may.token()
    revoke_user(user)
    RevocationEvent.objects.update(recorded_at=datetime.now(timezone.utc) - AHEAD)
    clock.shift(11)
    assert client.get_me(before).status_code == 401
    assert client.get_me(in_may.token()).status_code == 200


# Other moments


@pytest.mark.parametrize(("ahead", "status"), [(timedelta(seconds=59), 200), (timedelta(seconds=60), 401)])
def test_a_rotation_in_the_future_has_no_grace_period(client, user, clock, log, ahead, status):
    """The database's clock was moved back. The grace period must not last until the clock gets there again."""
    pair = client.tokens(user)
    clock.shift(ahead)
    client.refresh(pair["refresh_token"])
    clock.shift(-ahead)
    answer = client.refresh(pair["refresh_token"])
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "refresh_token_reused"
    assert len(warnings(log)) == (status == 401)


@pytest.mark.parametrize("offset", [AHEAD, -AHEAD], ids=["ahead", "behind"])
def test_a_machine_s_own_clock_does_not_count_for_rotations(client, user, at, start, offset):
    """Two tabs refresh at two machines. The copy that is used after the grace period is the control."""
    with at(timedelta(0)):
        first = client.tokens(user)["refresh_token"]
        second = client.refresh(first).json()["refresh_token"]
    with at(offset if offset > timedelta(0) else timedelta(seconds=-30)):
        assert client.refresh(first).json()["refresh_token"] == second
    UserSession.objects.update(rotated_at=F("rotated_at") - timedelta(seconds=61))
    with at(offset if offset > timedelta(0) else timedelta(seconds=-30)):
        assert client.refresh(first).json()["code"] == "refresh_token_reused"


def test_the_newest_token_rotates_instead(client, user, clock):
    pair = client.tokens(user)
    clock.shift(AHEAD)
    pair = client.refresh(pair["refresh_token"]).json()
    clock.shift(-AHEAD)
    newer = client.refresh(pair["refresh_token"])
    assert newer.status_code == 200
    assert newer.json()["refresh_token"] != pair["refresh_token"]
    assert client.refresh(pair["refresh_token"]).json()["refresh_token"] == newer.json()["refresh_token"]  # the control


def test_a_cutoff_is_never_bounded_when_it_is_written(client, user, clock, log):
    clock.shift(AHEAD)
    pair = client.tokens(user)
    clock.shift(-AHEAD)
    newest = UserSession.objects.get().last_issued_at
    assert revoke_user(user).tokens_valid_after == newest + timedelta(microseconds=1)
    assert client.is_dead(pair)
    assert len(warnings(log)) == 1


@pytest.mark.parametrize(("ahead", "is_believed"), [(timedelta(seconds=60), True), (timedelta(seconds=61), False)])
def test_a_use_in_the_future_is_overwritten(
    client, in_may, jwt_settings, django_capture_on_commit_callbacks, ahead, is_believed
):
    jwt_settings()  # drops the uses that this process has counted
    now = datetime.now(timezone.utc)
    for model in (ClientKey, RegisteredClient):
        model.objects.update(last_used_at=now + ahead)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.get_me(in_may.token()).status_code == 200
    for model in (ClientKey, RegisteredClient):
        assert model.objects.get().last_used_at == (now + ahead if is_believed else now)


def test_an_activation_in_the_future_hides_no_session(client, user, jwt_settings, clock):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    key = signing_keys.create(activate=True)
    client.tokens(user)
    now = datetime.now(timezone.utc)
    assert signing_keys.blast_radius(key, now).sessions.number == 1
    SigningKey.objects.update(activated_at=now + AHEAD)
    key.refresh_from_db()
    assert signing_keys.blast_radius(key, now).sessions.number == 1
    SigningKey.objects.update(activated_at=now + timedelta(seconds=5))
    key.refresh_from_db()
    assert signing_keys.blast_radius(key, now).sessions.number == 0


def test_the_database_s_time_is_in_utc():
    RevocationEvent.objects.create(scope="all")
    row = RevocationEvent.objects.get()
    assert abs(row.recorded_at - datetime.now(timezone.utc)) < timedelta(minutes=5)
