"""Querysets, also of a Django that does not tell their conditions."""

from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model

from jwt_auth._django.querysets import has_conditions, takes_conditions


@pytest.mark.django_db
def test_the_conditions_of_a_queryset_are_known():
    rows = get_user_model()._base_manager.all()
    assert not has_conditions(rows)
    assert has_conditions(rows.filter(is_active=True))


def test_a_queryset_that_does_not_tell_has_conditions():
    """Without them, users that the project's manager hides would be let in."""
    assert has_conditions(SimpleNamespace(query=object()))


@pytest.mark.django_db
def test_slices_and_unions_take_no_conditions(django_assert_num_queries):
    rows = get_user_model()._base_manager.all()
    with django_assert_num_queries(0):
        assert takes_conditions(rows.filter(is_active=True).distinct())
        assert not takes_conditions(rows[:5])
        assert not takes_conditions(rows.union(rows))
