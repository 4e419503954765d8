"""How late a change is noticed, how often the database is asked for that, and what holds while it does not answer."""

import datetime

import pytest
from django.utils import timezone

from jwt_auth import sessions, signing_keys
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import (
    ExpiredTokenError,
    InactivePrincipalError,
    RevocationUnavailableError,
    RevokedTokenError,
)
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.process.clock import seconds
from jwt_auth.revocation import revoke_session
from jwt_auth.revocation.memory import reader, view
from jwt_auth.revocation.subjects import token_subject
from jwt_auth.revocation.verdict import WELCOME
from jwt_auth.watching import Watch, rows
from jwt_auth.watching.rows import ask_rows_of
from jwt_auth.watching.watched_token import tick
from tests.support.other_processes import by_another_process
from tests.support.outages import outage
from tests.support.queries import Queries

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def watch(mode, ticks, pair):
    watch = Watch(pair.access_token)
    watch.check()
    return watch


def deactivate(user):
    type(user).objects.filter(pk=user.pk).update(is_active=False)


def test_a_check_costs_no_query_while_the_list_is_fresh(watch, ticks):
    ticks.forward(0.7)
    with Queries() as queries:
        for _ in range(100):
            watch.check()
    assert len(queries) == 0


def test_what_another_process_revokes_is_noticed_within_the_bound(watch, ticks, pair, monkeypatch):
    with by_another_process(monkeypatch):
        revoke_session(pair.session_id)
    watch.check()  # the control: this process has not heard of it
    ticks.forward(0.8)
    with pytest.raises(RevokedTokenError):
        watch.check()


@pytest.mark.parametrize(
    ("mode", "is_noticed"), [("database", True), ("memory", False)], indirect=["mode"], ids=["database", "memory"]
)
def test_a_change_without_an_event_is_noticed_where_requests_notice_it(watch, ticks, user, is_noticed):
    deactivate(user)
    ticks.forward(22.4)
    watch.check()
    ticks.forward(0.2)
    if is_noticed:
        with pytest.raises(InactivePrincipalError):
            watch.check()
    for _ in range(3):  # and that is final, although no list has it
        ticks.forward(0.1)
        if is_noticed:
            with pytest.raises(InactivePrincipalError):
                watch.check()
        else:
            watch.check()


@pytest.mark.parametrize("mode", ["database"], indirect=True)
def test_the_rows_are_read_again_once_in_30_seconds(watch, ticks):
    asked = 0
    for _ in range(1000):
        ticks.forward(0.1)
        with Queries() as queries:
            watch.check()
        asked += queries.of('FROM "jwt_auth_usersession"') + queries.of("FROM `jwt_auth_usersession`")
    assert asked == 4


@pytest.mark.parametrize("mode", ["database"], indirect=True)
def test_the_rows_of_many_are_read_together(mode, user, monkeypatch):
    monkeypatch.setattr(rows, "BATCH", 20)
    pairs = [sessions.start(user) for _ in range(25)]
    watches = [Watch(pair.access_token) for pair in pairs]
    gone = {3, 10, 23}
    UserSession.objects.filter(pk__in=[pairs[place].session_id for place in gone]).update(revoked_at=timezone.now())
    UserSession.objects.filter(pk=pairs[7].session_id)._raw_delete("default")
    with Queries() as queries:
        ask_rows_of([watch._watched for watch in watches], timezone.now())
    assert len(queries.statements) == 4  # sessions and denied tokens, of 20 and of 5
    assert {place for place, watch in enumerate(watches) if is_over(watch)} == gone | {7}


@pytest.mark.parametrize("mode", ["database"], indirect=True)
@pytest.mark.parametrize("keys", ["settings", "database"])
def test_of_two_tokens_of_a_session_the_denied_one_is_refused(mode, jwt_settings, user, keys):
    if keys == "database":
        jwt_settings(KEYS="database", ALGORITHM="ES256")
        signing_keys.create(activate=True)
    first = sessions.start(user)
    second = sessions.refresh(first.refresh_token)
    watches = [Watch(pair.access_token) for pair in (first, second)]
    claims = watches[0].verified.claims
    subject = token_subject(claims.iss, claims.jti)
    RevocationEvent.objects.create(created_at=timezone.now(), scope="token", subject=subject, expires_at=timezone.now())
    ask_rows_of([watch._watched for watch in watches], timezone.now())
    assert [is_over(watch) for watch in watches] == [True, False]


def is_over(watch):
    try:
        watch.check()
    except RevokedTokenError:
        return True
    return False


def test_in_an_outage_the_setting_decides(watch, ticks, jwt_settings, pair):
    ticks.forward(2)
    with outage(), pytest.raises(RevocationUnavailableError):
        watch.check()
    ticks.forward(2)
    watch.check()  # an answer leads on


def test_a_held_watch_ends_as_soon_as_a_revocation_is_read(mode, ticks, jwt_settings, pair, monkeypatch):
    jwt_settings(REVOCATION_ON_STALE="allow_safe_methods")
    watch = Watch(pair.access_token)
    watch.check()
    with by_another_process(monkeypatch):
        revoke_session(pair.session_id)
    with outage():
        for _ in range(40):
            ticks.forward(1)
            watch.check()
    ticks.forward(2)
    with pytest.raises(RevokedTokenError):
        watch.check()


def test_a_held_watch_ends_with_the_token(mode, ticks, jwt_settings, pair, clock):
    jwt_settings(REVOCATION_ON_STALE="allow_safe_methods")
    watch = Watch(pair.access_token)
    with outage():
        ticks.forward(2)
        watch.check()  # nothing was ever read: it was good when it was verified
        clock.shift(310)
        ticks.forward(310)
        with pytest.raises(ExpiredTokenError):
            watch.check()


@pytest.mark.parametrize("mode", ["database"], indirect=True)
def test_rows_that_cant_be_read_are_too_old_after_30_seconds(watch, ticks):
    def of_sessions(sql):
        return "usersession" in sql

    with outage(of=of_sessions) as failed:
        ticks.forward(23)
        watch.check()  # there is time to ask again
        watch.check()
        assert len(failed) == 1
        ticks.forward(6.9)
        watch.check()
        assert len(failed) == 2
        ticks.forward(0.2)
        with pytest.raises(RevocationUnavailableError):
            watch.check()
    ticks.forward(1)
    watch.check()


@pytest.mark.parametrize("mode", ["database"], indirect=True)
def test_a_holder_that_did_not_ask_for_long_gets_an_answer(watch, ticks):
    ticks.forward(100)
    watch.check()


@pytest.mark.parametrize("mode", ["database"], indirect=True)
def test_the_rows_of_many_cant_be_read(mode, ticks, pair):
    watch = Watch(pair.access_token)
    watch.check()
    ticks.forward(23)
    with outage():
        ask_rows_of([watch._watched], timezone.now())
    assert watch._watched.rows_due_at > seconds()
    ticks.forward(1)
    watch.check()


def test_while_the_process_knows_a_part_the_rows_are_asked(mode, ticks, user, pair, monkeypatch):
    """The list of a new process is not complete yet: there are more events than it has read."""
    monkeypatch.setattr(reader, "PIECE", 1)
    monkeypatch.setattr(reader, "PATIENCE", 0)
    for _ in range(5):
        revoke_session(sessions.start(user).session_id)
    view.forget()
    watch = Watch(pair.access_token)
    with by_another_process(monkeypatch):
        revoke_session(pair.session_id)
    watch._watched._read_at = seconds() - 1
    with pytest.raises(RevokedTokenError):
        watch.check()


def test_times_are_by_the_wall_clock(watch, clock, ticks):
    """Nothing is polled meanwhile: the clock of the process stands still."""
    clock.shift(watch.verified.claims.exp - watch.verified.claims.iat + 5)  # lifetimes vary
    watch.check()  # within the leeway
    clock.shift(datetime.timedelta(seconds=20))
    with pytest.raises(ExpiredTokenError):
        watch.check()
    clock.shift(-300)  # somebody sets it back
    with pytest.raises(ExpiredTokenError):
        watch.check()


def test_a_time_may_be_passed_in(watch):
    now = timezone.now()
    watch.check(now)
    with pytest.raises(ExpiredTokenError):
        watch.check(now + datetime.timedelta(hours=1))


def test_without_revocations_nothing_is_asked(jwt_settings, ticks, pair):
    jwt_settings(REVOCATION="none")
    watch = Watch(pair.access_token)
    revoke_session(pair.session_id)
    ticks.forward(100)
    with Queries() as queries:
        watch.check()
    assert len(queries) == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0.05),
        ({"REVOCATION_MAX_STALENESS": datetime.timedelta(seconds=60)}, 0.25),
        ({"REVOCATION_MAX_STALENESS": datetime.timedelta(seconds=0.1)}, 0.02),
        ({"REVOCATION_PUSH": "redis://localhost"}, 0.02),
    ],
)
def test_two_looks_and_an_answer_fit_into_what_is_left_of_the_bound(jwt_settings, changes, expected):
    jwt_settings(**changes)
    assert tick() == expected
    assert 3 * expected < 0.25 * get_settings().REVOCATION_MAX_STALENESS.total_seconds() or expected == 0.02


def test_rows_that_were_read_for_the_token_before_say_nothing_of_the_next(mode, ticks, pair):
    watch = Watch(pair.access_token)
    before, watched = watch._watched.token, watch._watched
    watch.renew(sessions.refresh(pair.refresh_token).access_token)
    due = watched.rows_due_at
    watched.judge_by(before, WELCOME, timezone.now(), seconds() + 100)
    assert watched.rows_due_at == due
