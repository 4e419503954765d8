"""Counts that look at some rows only, and ranges of keys."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q

from jwt_auth._django import slices
from jwt_auth._django.slices import Counted, count_any, count_newest, count_some, ranges_of_keys
from jwt_auth.models import UserSession
from tests.support.queries import Queries
from tests.support.rows import begin

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _look_at_four(monkeypatch):
    monkeypatch.setattr(slices, "LOOKED_AT", 4)


def count(condition, *fields):
    rows = UserSession.objects.all()
    return count_newest(rows, "started_at", condition, *fields, plain=rows)


LIVE, ENDED = Q(revoked_at=None), Q(revoked_at__isnull=False)


def test_up_to_a_number_all_are_counted(user):
    begin(user, 4)
    assert count_some(UserSession.objects.all()) == count_any(UserSession.objects.all(), LIVE) == Counted(4)
    assert count(LIVE, "pk", "user_id") == [Counted(4), Counted(1)]
    assert count(ENDED, "pk", "user_id") == [Counted(0), Counted(0)]


def test_beyond_it_the_number_is_a_lower_bound(user):
    begin(user, 9)
    for number, row in enumerate(UserSession.objects.order_by("pk")):
        UserSession.objects.filter(pk=row.pk).update(started_at=row.started_at - timedelta(minutes=number))
    assert count_some(UserSession.objects.all()) == Counted(4, is_all=False)
    assert count_any(UserSession.objects.all(), LIVE) == Counted(5, is_all=False)
    assert count_any(UserSession.objects.all(), ENDED) == Counted(0, is_all=False)
    assert count(LIVE, "pk", "user_id") == [Counted(4, is_all=False), Counted(1, is_all=False)]


def test_rows_that_meet_the_condition_are_not_looked_for_in_the_whole_table(user):
    begin(user, 9)
    with Queries() as queries:
        count_any(UserSession.objects.all(), ENDED)
        count(ENDED, "pk")
    any_rows, boundary, newest = queries.statements
    assert "LIMIT 5" in any_rows
    assert "WHERE" not in any_rows[any_rows.index("FROM (") :]
    assert "LIMIT 2 OFFSET 3" in boundary
    assert re.search(r"WHERE \S*started_at\S* >= ", newest)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_ranges_have_each_row_once_and_no_more_than_their_size(make_user, size):
    for number in range(7):
        make_user(f"user{number}")
    users = get_user_model().objects.all()
    parts = [list(part.values_list("pk", flat=True)) for part in ranges_of_keys(users, size)]
    # In the order of the database, which is not Python's for the UUIDs of MariaDB.
    assert [key for part in parts for key in part] == list(users.order_by("pk").values_list("pk", flat=True))
    assert max(map(len, parts)) <= size


def test_of_no_rows_there_is_one_range_without_any():
    assert [list(part) for part in ranges_of_keys(UserSession.objects.all(), 3)] == [[]]
