"""The protocol of readers, with the table of a real database. `memory/test_reading_model.py` has the rest."""

from datetime import datetime, timedelta, timezone

import pytest
from django.db import connection

from jwt_auth.models import RevocationEvent
from jwt_auth.revocation.memory.denylist import Entry
from jwt_auth.revocation.record import Table, _is_beyond, _ranges, database_now
from jwt_auth.revocation.window import LONGEST_PAUSE, REACH, Newest, Place, Position, Tally, Window, step
from tests.support.clocks import NOW
from tests.support.queries import Queries

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
TABLE = Table(Entry)


def record(*ago, **values):
    """Write an event for each of these numbers of seconds before now."""
    now = database_now()
    RevocationEvent.objects.bulk_create(
        RevocationEvent(scope="session", subject=f"s{each}", recorded_at=now - each * SECOND, **values) for each in ago
    )
    return now


def begun(now, **values):
    return Window(asked_at=now, **values)


def test_without_news_one_query_is_made_and_with_news_three():
    window = step(Window(), TABLE, database_now(), 100).window
    with Queries() as queries:
        answer = step(window, TABLE, database_now(), 100)
    assert (len(queries), answer.rows, answer.is_complete) == (2, [], True)  # one asks for the time
    record(1, 2, 30)
    with Queries() as queries:
        answer = step(answer.window, TABLE, window.asked_at, 100)
    assert (len(queries), sorted(row.subject for row in answer.rows)) == (3, ["s1", "s2", "s30"])
    with Queries() as queries:
        again = step(answer.window, TABLE, window.asked_at, 100)
    assert (len(queries), again.rows, again.is_complete) == (1, [], True)


@pytest.mark.parametrize("microsecond", [0, 1, 499_999, 500_000, 999_499, 999_500, 999_999])
def test_times_are_read_to_the_microsecond(microsecond):
    """A database may round them: a reader would then take its newest event for one of another table."""
    moment = NOW.replace(microsecond=microsecond)
    now = record(3, created_at=moment, cutoff=moment, expires_at=moment)
    answer = step(begun(now - SECOND), TABLE, now, 100)
    assert [(row.created_at, row.cutoff, row.expires_at) for row in answer.rows] == [(moment, moment, moment)]
    again = step(answer.window, TABLE, now, 100)
    assert (again.begins_anew, again.is_complete) == (False, True)


@pytest.mark.parametrize("ahead", [timedelta(days=-1), timedelta(days=1)], ids=["behind", "ahead"])
def test_a_machine_whose_clock_is_wrong_asks_again_with_the_databases_time(ahead):
    now = record(5)
    window = step(Window(), TABLE, now + ahead, 100).window
    assert sum(tally.rows for tally in window.taken.values()) == 1
    assert abs(window.asked_at - now) < timedelta(minutes=1)


@pytest.mark.parametrize(("pause", "anew"), [(LONGEST_PAUSE - 30 * SECOND, False), (LONGEST_PAUSE + SECOND, True)])
def test_after_a_long_pause_the_reader_begins_anew(pause, anew):
    now = record(3)
    answer = step(begun(now - pause), TABLE, now, 100)
    assert (answer.begins_anew, len(answer.rows)) == (anew, 0 if anew else 1)


def test_a_pause_extends_the_window():
    now = record(60 + REACH.total_seconds() + 30)
    answer = step(begun(now - 60 * SECOND), TABLE, now, 100)
    assert len(answer.rows) == 1
    # The control: a reader that did not pause has no reason to look there.
    assert step(begun(now - SECOND), TABLE, now, 100).rows == []


@pytest.mark.parametrize("how", ["many events", "many seconds"])
def test_much_is_taken_page_by_page_and_then_asked_for_again(how):
    if how == "many events":
        now, pause, limit, number = record(*[1] * 5), SECOND, 2, 5
    else:
        now, pause, limit, number = record(*range(1, 151)), 200 * SECOND, 1000, 150
    answer, taken = step(begun(now - pause), TABLE, now, limit), []
    while not answer.is_complete:
        taken += [row.id for row in answer.rows]
        assert len(answer.rows) <= limit
        answer = step(answer.window, TABLE, now, limit)
    assert answer.rows == []
    assert len(set(taken)) == len(taken) == number


@pytest.mark.parametrize("gone", [True, False])
def test_a_table_without_the_newest_event_is_another_one(gone):
    now = record(3, 4)
    answer = step(begun(now - SECOND), TABLE, now, 100)
    assert answer.window.newest == max(Newest(row.recorded_at, row.id, row.created_at) for row in answer.rows)
    RevocationEvent.objects.filter(subject="s3" if gone else "s4").delete()
    again = step(answer.window, TABLE, now, 100)
    assert (again.begins_anew, again.is_complete) == (gone, True)


def test_events_that_a_clock_far_ahead_has_dated_are_taken_once():
    now = record(3, -3600, -7200)
    answer = step(begun(now - SECOND), TABLE, now, 100)
    assert sorted(row.subject for row in answer.rows) == ["s-3600", "s-7200", "s3"]
    with Queries() as queries:
        assert step(answer.window, TABLE, now, 100).rows == []
    assert len(queries) == 1


@pytest.mark.parametrize("step_back", [30, 3600])
def test_after_the_clock_of_the_database_was_set_back_the_window_reaches_back_from_now(step_back):
    now = record(3)
    answer = step(begun(now + step_back * SECOND), TABLE, now, 100)
    assert [row.subject for row in answer.rows] == ["s3"]
    assert abs(answer.window.asked_at - now) < timedelta(minutes=1)


def test_after_a_pause_it_reaches_back_further_by_the_pause():
    asked_at = record(300) + 3600 * SECOND
    answer = step(begun(asked_at), TABLE, asked_at + 320 * SECOND, 100)
    assert [row.subject for row in answer.rows] == ["s300"]
    assert step(begun(asked_at), TABLE, asked_at, 100).rows == []


def test_seconds_far_ahead_share_one_tally_in_a_cursor():
    """A clock was ahead for minutes, and a cursor has to stay short."""
    now = record(3, *range(-600, -300, 30))
    answer = step(begun(now - SECOND), TABLE, now, 100)
    window = answer.window.asked_in_steps_of(SECOND, 4)
    assert (len(answer.rows), len(window.taken), window.tail) == (11, 4, max(window.taken))
    assert sum(tally.rows for tally in window.taken.values()) == 11
    assert step(window, TABLE, now, 100).rows == []
    record(-605)
    answer = step(window, TABLE, now, 100)
    assert len(answer.rows) == 9  # all that share the tally
    assert step(answer.window.asked_in_steps_of(SECOND, 4), TABLE, now, 100).rows == []


@pytest.mark.parametrize("pause", [timedelta(hours=9), timedelta(days=9)])
def test_what_a_long_pause_costs_does_not_depend_on_it(pause):
    now = record(3, 3600, 7200)
    asked = []

    class Watched(Table):
        def by_second(self, since):
            asked.append(now - since)
            return super().by_second(since)

        def facts(self, since, newest):
            asked.append(now - since)
            return super().facts(since, newest)

    answer = step(begun(now - pause, taken={1: Tally(1, 1)}), Watched(Entry), now, 100)
    assert (answer.begins_anew, len(asked)) == (True, 2)
    assert max(asked) < timedelta(minutes=1)
    assert sum(tally.rows for tally in answer.window.taken.values()) == 1


def test_all_unexpired_events_are_read_in_pieces_and_at_last_those_without_an_end():
    now = database_now()
    record(1, 2, 3, expires_at=now + 9 * SECOND)
    record(4, expires_at=now)
    record(5)
    place, found = Place(now + SECOND), []
    while place is not None:
        rows, place = TABLE.unexpired(place, 2)
        found.append([row.subject for row in rows])
    assert found == [["s1", "s2"], ["s3"], ["s5"]]


def test_events_that_share_their_times_are_read_page_by_page_and_none_of_them_twice():
    now = record(*[5] * 7, expires_at=NOW)
    record(4, expires_at=NOW + SECOND)
    place, position, unexpired, taken = Place(NOW), Position(now - 9 * SECOND, 0), [], []
    with Queries() as queries:
        while place is not None:
            rows, place = TABLE.unexpired(place, 3)
            unexpired += rows
        while rows := TABLE.after(position, 3):
            taken += rows
            position = Position(rows[-1].recorded_at, rows[-1].id)
    assert [row.subject for row in unexpired] == [row.subject for row in taken] == ["s5"] * 7 + ["s4"]
    assert len({row.id for row in taken}) == 8
    assert len(queries) == 4 + 4  # the last ones: events without an end, and no event


@pytest.mark.parametrize("name", ["recorded_at", "expires_at"])
def test_a_page_is_read_from_its_place_in_an_index_on(name):
    """SQLite finds the time in the index, and goes on from there."""
    form = {"postgresql": f"ROW({name}, id) > ROW(", "mysql": " range ", "sqlite": f"({name}>?)"}[connection.vendor]
    record(*[5] * 1000, expires_at=NOW)
    last = RevocationEvent.objects.latest("pk")
    is_beyond = _is_beyond(name, getattr(last, name), last.pk - 5, connection.vendor)
    assert form in RevocationEvent.objects.filter(is_beyond).order_by(name, "pk").explain()


def test_seconds_that_follow_each_other_are_one_range():
    moments = [datetime.fromtimestamp(second, timezone.utc) for second in (5, 8, 9, 10)]
    assert _ranges([5, 6, 7, 9]) == [(moments[0], moments[1]), (moments[2], moments[3])]
