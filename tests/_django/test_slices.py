"""Counts that look at some rows only, and ranges of keys."""

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q

from jwt_auth._django import slices
from jwt_auth._django.slices import Counted, count_among, count_some, ranges_of_keys
from jwt_auth.models import UserSession
from tests.support.queries import Queries
from tests.support.rows import begin

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _look_at_four(monkeypatch):
    monkeypatch.setattr(slices, "LOOKED_AT", 4)


def newest():
    return UserSession.objects.order_by("-started_at", "-pk")


def test_up_to_a_number_all_are_counted(user):
    begin(user, 4)
    assert count_some(newest()) == Counted(4)
    assert count_among(newest(), Q(revoked_at=None), "pk", "user_id") == [Counted(4), Counted(1)]
    assert count_among(newest(), Q(revoked_at__isnull=False), "pk", "user_id") == [Counted(0), Counted(0)]


def test_beyond_it_the_number_is_a_lower_bound(user):
    begin(user, 9)
    assert count_some(newest()) == Counted(4, is_all=False)
    (found,) = count_among(newest(), Q(revoked_at=None), "pk")
    assert found == Counted(5, is_all=False)
    assert count_among(newest(), Q(revoked_at__isnull=False), "pk") == [Counted(0, is_all=False)]


def test_rows_that_meet_the_condition_are_not_looked_for_in_the_whole_table(user):
    begin(user, 9)
    with Queries() as queries:
        count_among(newest(), Q(revoked_at__isnull=False), "pk")
    (statement,) = queries.statements
    inner = statement[statement.index("FROM (") :]
    assert "LIMIT 5" in inner
    assert "WHERE" not in inner


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_ranges_have_each_row_once_and_no_more_than_their_size(make_user, size):
    users = [make_user(f"user{number}").pk for number in range(7)]
    parts = [list(part.values_list("pk", flat=True)) for part in ranges_of_keys(get_user_model().objects.all(), size)]
    assert [key for part in parts for key in part] == sorted(users)
    assert max(map(len, parts)) <= size


def test_of_no_rows_there_is_one_range_without_any():
    assert [list(part) for part in ranges_of_keys(UserSession.objects.all(), 3)] == [[]]
