"""The objects that foreign keys led to."""

import pytest

from jwt_auth import clients
from jwt_auth._django.instances import forget_related


@pytest.mark.django_db
def test_a_foreign_key_reads_its_object_again(user, django_assert_num_queries):
    client = clients.register("reports", user)
    assert client.user is user
    forget_related(client, "user")
    with django_assert_num_queries(1):
        assert client.user == user
    assert client.user is not user
