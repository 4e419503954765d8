"""Transactions that write begin with SQLite's lock, and like all others elsewhere."""

import pytest
from django.db import connection, connections, transaction

from jwt_auth._django.differences import note_difference
from jwt_auth._django.transactions import atomic_on_sqlite, write_atomic
from tests.support.queries import Queries

pytestmark = pytest.mark.django_db(transaction=True)

on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="the other databases have row locks")


def begins(block):
    """Return the statements that begin and end the transaction of `block`, in which one query is made."""
    with Queries() as queries, block:
        connection.cursor().execute("SELECT 1")
    return [query["sql"] for query in queries if query["sql"] != "SELECT 1"]


@on_sqlite
def test_the_lock_is_taken_at_the_beginning():
    assert begins(transaction.atomic()) == ["BEGIN", "COMMIT"]
    assert begins(write_atomic("default")) == ["BEGIN IMMEDIATE", "COMMIT"]
    assert begins(transaction.atomic()) == ["BEGIN", "COMMIT"]


@on_sqlite
@pytest.mark.parametrize(
    ("mode", "begin"), [("DEFERRED", "BEGIN IMMEDIATE"), ("EXCLUSIVE", "BEGIN EXCLUSIVE"), (None, "BEGIN IMMEDIATE")]
)
def test_the_mode_of_the_project_stays_for_its_own_transactions(monkeypatch, mode, begin):
    connection.ensure_connection()
    monkeypatch.setattr(connections["default"], "transaction_mode", mode)
    assert begins(write_atomic("default")) == [begin, "COMMIT"]
    assert connection.transaction_mode == mode


@on_sqlite
def test_a_django_without_the_mode_begins_as_usual(monkeypatch, caplog):
    note_difference.cache_clear()
    monkeypatch.setattr("jwt_auth._django.transactions.connections", {"default": Differing()})
    assert begins(write_atomic("default")) == ["BEGIN", "COMMIT"]
    assert "concurrent changes may fail on SQLite" in caplog.text


class Differing:
    vendor = "sqlite"

    def ensure_connection(self):
        pass


def test_it_joins_the_transaction_of_the_caller():
    with transaction.atomic(), Queries() as queries, write_atomic("default", savepoint=False):
        pass
    assert len(queries) == 0


def test_an_error_rolls_it_back():
    error = ValueError("no")
    with pytest.raises(ValueError, match="no"), write_atomic("default"):
        raise error
    assert not connection.in_atomic_block


def test_around_code_of_django_it_is_for_sqlite_alone():
    with atomic_on_sqlite("default"):
        assert connection.in_atomic_block == (connection.vendor == "sqlite")
