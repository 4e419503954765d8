"""Copies of instances that a process keeps for many requests."""

import pytest

from jwt_auth import clients
from jwt_auth._django.instances import copy_with


@pytest.mark.django_db
def test_a_copy_differs_only_in_the_related_objects_that_it_is_given(user, django_assert_num_queries):
    client = clients.register("reports", user)
    other = type(user)(pk=user.pk)
    copied = copy_with(client, user=other)
    with django_assert_num_queries(0):
        assert copied.user is other
        assert client.user is user
    assert type(copied) is type(client)
    assert {**vars(copied), "_state": 0} == {**vars(client), "_state": 0}
    assert type(copied._state) is type(client._state)
    assert {**vars(copied._state), "fields_cache": 0} == {**vars(client._state), "fields_cache": 0}
    copied.name = "changed"
    assert client.name == "reports"
