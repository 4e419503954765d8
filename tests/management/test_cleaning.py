"""Cleaning: the rows that are deleted, the rows that stay, and that no token becomes valid by it."""

from datetime import timedelta
from functools import partial
from threading import Event
from uuid import UUID

import pytest
import time_machine
from django.db import OperationalError, connection, transaction
from django.db.models.signals import pre_delete
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.management import cleaning
from jwt_auth.management.cleaning import MARGIN, READ_FOR, delete_in_batches, expired_events, expired_sessions, present
from jwt_auth.models import RevocationEvent, UserSession, UserTokenCutoff
from jwt_auth.revocation import revoke_all, revoke_session, revoke_token, revoke_user
from jwt_auth.verification import verify
from tests.support.clocks import NOW
from tests.support.outages import outage
from tests.support.rows import event_rows, session_rows
from tests.support.threads import PATIENCE

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def clear(rows, batch_size=1000):
    return list(delete_in_batches(rows, batch_size))


# Rows that are deleted, rows that stay


def test_a_session_goes_when_its_end_and_the_margin_are_over(user, clock):
    session_rows(user, NOW - MARGIN - SECOND)
    keep = session_rows(user, NOW - MARGIN, NOW - SECOND, NOW, NOW + DAY)
    assert clear(expired_sessions(NOW)) == [1]
    assert set(UserSession.objects.all()) == set(keep)


def test_a_session_that_is_over_in_another_way_stays_until_its_end(user, clock):
    """Lists still show it, and its tokens are refused because of it."""
    session_rows(user, NOW + DAY, revoked_at=NOW - 10 * DAY)
    session_rows(user, NOW - 10 * DAY, expires_at=NOW + DAY)
    assert clear(expired_sessions(NOW)) == [0]


def test_sessions_are_kept_for_as_long_as_wanted(user, clock):
    session_rows(user, NOW - 8 * DAY, NOW - 6 * DAY)
    assert clear(expired_sessions(NOW, keep=7 * DAY)) == [1]
    assert UserSession.objects.count() == 1


def test_an_event_goes_when_it_has_been_kept_and_refuses_nothing_any_more(db, clock):
    event_rows(NOW - 8 * DAY, NOW - 6 * DAY, NOW + DAY, None)
    assert clear(expired_events(NOW, keep=7 * DAY)) == [1]
    assert RevocationEvent.objects.count() == 3


def test_an_event_that_a_process_may_still_ask_for_stays_whatever_is_wanted(db, clock):
    bound = longest_life() + MARGIN
    event_rows(NOW - bound, NOW - SECOND, NOW)
    assert clear(expired_events(NOW)) == [0]
    clock.shift(1)
    assert clear(expired_events(timezone.now())) == [1]


def test_an_event_that_was_recorded_in_the_last_hour_stays_because_readers_compare(db, clock):
    event_rows(NOW - 8 * DAY, NOW - 8 * DAY)
    first = RevocationEvent.objects.first()
    RevocationEvent.objects.filter(pk=first.pk).update(recorded_at=NOW - READ_FOR)
    assert clear(expired_events(NOW)) == [1]
    assert RevocationEvent.objects.get() == first


@pytest.mark.parametrize("ahead", [-DAY, DAY], ids=["behind", "ahead"])
def test_of_two_clocks_the_one_that_is_behind_decides(db, ahead):
    now = timezone.now()
    with time_machine.travel(now + ahead, tick=False):
        assert abs(present() - min(now, now + ahead)) < timedelta(minutes=5)


def test_no_longer_life_of_tokens_makes_an_event_go_too_early(db, clock, jwt_settings):
    event_rows(NOW - DAY)
    jwt_settings(ACCESS_TOKEN_LIFETIME=DAY)
    assert clear(expired_events(NOW)) == [0]


def test_a_cutoff_for_everybody_stays_permanently(db, clock):
    revoke_all(now=NOW - 3650 * DAY)
    event_rows(NOW - 3650 * DAY, scope="all")  # even if somebody gave it an end
    assert clear(expired_events(NOW)) == [0]
    assert RevocationEvent.objects.count() == 2


# Batches and locks


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 6, 7, 100])
def test_batches_take_all_and_no_more(user, clock, batch_size):
    """Rows that end in the same microsecond are deleted together."""
    past = NOW - DAY
    ends = [past - number * SECOND for number in range(4)] + [past - 10 * SECOND] * 3
    session_rows(user, *ends, NOW + DAY)
    numbers = clear(expired_sessions(NOW), batch_size)
    assert sum(numbers) == 7
    assert max(numbers) <= max(batch_size, 3)
    assert UserSession.objects.count() == 1


def test_each_batch_costs_two_queries(user, clock, count):
    session_rows(user, *(NOW - DAY - number * SECOND for number in range(40)))
    assert count(clear, expired_sessions(NOW), 10) == (8, [10, 10, 10, 10])
    assert count(clear, expired_sessions(NOW), 10) == (2, [0])


def test_no_row_is_loaded_though_somebody_listens_to_deletions(user, clock, count):
    def note(**kwargs):
        raise AssertionError("a row was loaded")

    session_rows(user, *(NOW - DAY - number * SECOND for number in range(40)))
    pre_delete.connect(note)
    try:
        assert count(clear, expired_sessions(NOW), 100) == (2, [40])
    finally:
        pre_delete.disconnect(note)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite keeps no such statistics")
@pytest.mark.django_db(transaction=True)  # MariaDB commits before it analyses
def test_a_batch_is_found_and_deleted_by_the_index(user, clock):
    session_rows(user, *(NOW + (number % 2 * 40 - 20) * DAY + number * SECOND for number in range(20_000)))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {'TABLE ' * (connection.vendor == 'mysql')}{UserSession._meta.db_table}")
    plans = []

    def explain(execute, sql, params, many, context):
        if sql.startswith(("SELECT", "DELETE")):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {sql}", params)
                plans.append(" ".join(str(row) for row in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        clear(expired_sessions(NOW), 500)
    assert len(plans) >= 40
    assert all("jwt_auth_session_expires" in plan for plan in plans), plans


# Tokens stay refused


def extend(session):
    UserSession.objects.filter(pk=session.pk).update(expires_at=NOW + DAY, idle_expires_at=NOW + DAY)


def test_a_session_that_is_extended_after_it_was_found_expired_stays(user, clock):
    extended, _ = session_rows(user, NOW - DAY, NOW - DAY)
    rows = expired_sessions(NOW)
    assert rows.count() == 2

    def meanwhile(execute, sql, params, many, context):
        if sql.startswith("DELETE"):
            extend(extended)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(meanwhile):
        assert clear(rows) == [1]
    assert list(UserSession.objects.all()) == [extended]


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_a_session_that_another_transaction_is_extending_is_waited_for_and_stays(user, at_once):
    now = timezone.now()
    extended, _ = session_rows(user, now - DAY, now - DAY)
    changed = Event()

    def extend_slowly():
        with transaction.atomic():
            UserSession.objects.filter(pk=extended.pk).update(expires_at=now + DAY)
            changed.set()
            # Wait until the other transaction waits for the row, or has passed it, which would be the fault.
            deleting.wait(1)

    deleting = Event()

    def delete():
        changed.wait(10)

        def note(execute, *arguments):
            deleting.set()
            return execute(*arguments)

        with connection.execute_wrapper(note):
            return clear(expired_sessions(now))

    _, numbers = at_once(extend_slowly, delete)
    assert numbers == [1]
    assert list(UserSession.objects.all()) == [extended]


DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("times", [1, cleaning.REPETITIONS])
def test_a_batch_that_lost_a_conflict_is_deleted_again(user, clock, times):
    session_rows(user, NOW - DAY)
    with outage(DEADLOCK, of=lambda sql: sql.startswith("DELETE") and len(failed) < times) as failed:
        assert clear(expired_sessions(NOW)) == [1]
    assert len(failed) == times


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "attempts"), [(DEADLOCK, cleaning.REPETITIONS + 1), (OperationalError("gone"), 1)], ids=["lost", "other"]
)
def test_repetitions_end(user, clock, error, attempts):
    session_rows(user, NOW - DAY)
    with outage(error, of=lambda sql: sql.startswith("DELETE")) as failed, pytest.raises(OperationalError):
        clear(expired_sessions(NOW))
    assert len(failed) == attempts


def test_what_lost_a_conflict_in_a_callers_transaction_is_not_repeated(user, clock):
    """The database has undone what the caller did before."""
    session_rows(user, NOW - DAY)
    with outage(DEADLOCK, of=lambda sql: sql.startswith("DELETE")) as failed, pytest.raises(OperationalError):
        clear(expired_sessions(NOW))
    assert len(failed) == 1


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_cleaning_that_the_database_ends_for_another_transaction_goes_on(user, at_once):
    """The other one has done more, and waits later, so it is the one that stays."""
    now = timezone.now()
    first, second = UUID(int=1), UUID(int=2)
    session_rows(user, now - 2 * DAY, pk=first)
    session_rows(user, now - DAY, pk=second)
    session_rows(user, *[now + DAY] * 50)
    rows = UserSession.objects.filter(pk=first)
    changed, waits, ended = Event(), Event(), Event()

    def change_all():
        with transaction.atomic():
            UserSession.objects.exclude(pk=first).update(revoked_reason="noted")
            changed.set()
            assert waits.wait(PATIENCE)
            rows.update(revoked_reason="noted")

    def clean():
        assert changed.wait(PATIENCE)
        try:
            return clear(expired_sessions(now))
        finally:
            ended.set()

    def watch():
        """Wait until the cleaning has the first row, and so waits for the second."""
        assert changed.wait(PATIENCE)
        is_free = True
        while is_free and not ended.is_set():
            with transaction.atomic():
                is_free = rows.select_for_update(skip_locked=True).exists()
        waits.set()

    assert at_once(change_all, clean, watch) == [None, [2], None]


@pytest.mark.concurrent
@pytest.mark.django_db(transaction=True)
def test_cleaning_that_races_refreshes_and_itself_ends_no_live_session(client, user, at_once):
    now = timezone.now()
    for _ in range(10):
        session_rows(user, *[now - DAY] * 50)
        pairs = [sessions.start(user) for _ in range(3)]
        cleaners = [partial(clear, expired_sessions(now), 10)] * 2
        answers = at_once(*[partial(client.refresh, pair.refresh_token) for pair in pairs], *cleaners)
        assert [answer.status_code for answer in answers[:3]] == [200] * 3
        assert not expired_sessions(now).exists()
    assert UserSession.objects.count() == 30


def log_out(client, pair, user):
    client.send("logout/", {"refresh_token": pair["refresh_token"]})


def deny_the_token(client, pair, user):
    revoke_token(verify(pair["access_token"]).claims)
    revoke_session(UserSession.objects.get().pk)


def revoke_the_user(client, pair, user):
    revoke_user(user)


def revoke_everything(client, pair, user):
    revoke_all()


def let_it_end(client, pair, user):
    UserSession.objects.update(expires_at=timezone.now())


@pytest.mark.parametrize("operation", [log_out, deny_the_token, revoke_the_user, revoke_everything, let_it_end])
@pytest.mark.parametrize("seconds", [0, 15, 299, 310, 3600, 31 * 24 * 3600, 500 * 24 * 3600])
def test_what_was_refused_stays_refused_however_late_and_often_it_is_cleaned(client, user, clock, operation, seconds):
    pair = client.tokens(user)
    operation(client, pair, user)
    assert client.is_dead(pair)
    clock.shift(seconds)
    clear(expired_sessions(timezone.now()))
    clear(expired_events(timezone.now()))
    assert client.is_dead(pair)


def test_a_live_session_goes_on(client, user, clock):
    """The control."""
    pair = client.tokens(user)
    clock.shift(200)
    clear(expired_sessions(timezone.now()))
    assert not client.is_dead(pair)


def test_a_token_is_denied_for_longer_than_it_can_be_good(client, user, clock):
    """Its session lives on, so only the event refuses it."""
    pair = client.tokens(user)
    revoke_token(verify(pair["access_token"]).claims)
    RevocationEvent.objects.update(recorded_at=timezone.now())  # by the clock that stands still
    for _ in range(30):
        clear(expired_events(timezone.now()))
        assert client.get_me(pair["access_token"]).status_code == 401
        clock.shift(30)
    clock.shift(3600)
    assert clear(expired_events(timezone.now())) == [1]
    assert client.get_me(pair["access_token"]).json()["code"] == "token_expired"
    assert client.refresh(pair["refresh_token"]).status_code == 200


def test_users_cutoffs_are_not_touched(user, clock):
    revoke_user(user)
    before = list(UserTokenCutoff.objects.values_list())
    clock.shift(3650 * 24 * 3600)
    clear(expired_sessions(timezone.now()))
    clear(expired_events(timezone.now()))
    assert list(UserTokenCutoff.objects.values_list()) == before


@pytest.mark.parametrize(
    ("taken", "expected"), [(0.3, 500), (0.15, 1000), (0.05, 2000)], ids=["too long", "long enough", "short"]
)
def test_a_batch_is_as_large_as_the_time_allows(taken, expected):
    assert cleaning._next_size(1000, taken, 10_000) == expected
    assert cleaning._next_size(cleaning.FEWEST, 9.9, 10_000) == cleaning.FEWEST
