"""The state of a connection, also where Django does not tell it by the usual attributes."""

import pytest
from django.db import connections, transaction

from jwt_auth._django.connections import close_if_broken, in_transaction


class Other:
    """A connection without the attributes that Django does not document."""


@pytest.fixture
def other_django(monkeypatch):
    def change():
        monkeypatch.setattr("jwt_auth._django.connections.connections", {"default": Other()})

    return change


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("differs", [False, True])
def test_a_transaction_is_noticed(other_django, differs):
    if differs:
        other_django()
    assert not in_transaction("default")
    with transaction.atomic():
        assert in_transaction("default")
    assert not in_transaction("default")


@pytest.mark.django_db(transaction=True)
def test_a_broken_connection_is_closed_outside_of_transactions_alone(monkeypatch):
    closed = []
    monkeypatch.setattr(connections["default"], "close_if_unusable_or_obsolete", lambda: closed.append(True))
    close_if_broken("default")
    assert closed == []
    with transaction.atomic():
        monkeypatch.setattr(connections["default"], "errors_occurred", True)
        close_if_broken("default")
        assert closed == []
    monkeypatch.setattr(connections["default"], "errors_occurred", True)  # a commit shows that the connection works
    close_if_broken("default")
    assert closed == [True]


class Broken(Other):
    """A connection on which a query has failed."""

    errors_occurred = True
    in_atomic_block = False

    def __init__(self):
        self.is_closed = False

    def close(self):
        self.is_closed = True


def test_the_connections_to_other_databases_stay_open(monkeypatch):
    both = {"default": Broken(), "other": Broken()}
    monkeypatch.setattr("jwt_auth._django.connections.connections", both)
    close_if_broken("default")
    assert [connection.is_closed for connection in both.values()] == [True, False]


def test_where_no_fault_is_known_nothing_is_closed(other_django):
    other_django()
    close_if_broken("default")  # it has no close()
