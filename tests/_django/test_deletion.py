"""Deleting rows by one statement, and by two where Django has no way to do it in one."""

import pytest
from django.db.models import QuerySet

from jwt_auth import clients, sessions
from jwt_auth._django import deletion
from jwt_auth._django.deletion import delete_rows
from jwt_auth._django.differences import note_difference
from jwt_auth.models import ClientKey, RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all
from tests.support.queries import Queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def events():
    for _ in range(3):
        revoke_all()
    return RevocationEvent.objects.order_by("pk")


@pytest.fixture
def other_django(monkeypatch):
    note_difference.cache_clear()
    monkeypatch.delattr(QuerySet, "_raw_delete")
    yield
    note_difference.cache_clear()


def test_it_is_one_statement(events):
    with Queries() as queries:
        assert delete_rows(RevocationEvent.objects.filter(pk__lte=events[1].pk)) == 2
    assert len(queries.statements) == 2  # one is the test's own
    assert events.count() == 1


def test_with_another_django_no_signal_is_sent(user, other_django):
    client = clients.register("reports", user)
    key = clients.add_secret(client).key
    assert delete_rows(ClientKey.objects.filter(pk=key.pk)) == 1
    assert not ClientKey.objects.filter(pk=key.pk).exists()
    assert not RevocationEvent.objects.exists()
    second = clients.add_secret(client).key
    second.delete()  # the control
    assert RevocationEvent.objects.exists()


def test_with_another_django_the_rows_are_read_first_with_one_warning(events, other_django, caplog):
    rows = RevocationEvent.objects.filter(pk__lte=events[1].pk)
    assert delete_rows(rows) == 2
    assert delete_rows(rows) == 0
    assert events.count() == 1
    assert [record.event for record in caplog.records] == ["django_differs"]


def test_with_another_django_many_rows_go_in_parts_whatever_their_key_is(user, other_django, monkeypatch):
    monkeypatch.setattr(deletion, "_AT_ONCE", 2)
    for _ in range(3):
        sessions.start(user)
    assert delete_rows(UserSession.objects.all()) == 3
    assert not UserSession.objects.exists()
