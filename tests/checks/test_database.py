"""`check --database` names columns whose encoding is too narrow for what somebody may type."""

import pytest
from django.db import connection

from jwt_auth._django.driver_errors import is_of_text
from jwt_auth.checks.database import check_encoding
from tests.support.own_connections import error_of, execute, own_connection


@pytest.mark.skipif(connection.vendor != "mysql", reason="only here a column has an encoding of its own")
def test_a_column_that_lacks_characters_is_named(transactional_db):
    assert list(check_encoding(connection)) == []
    label = "ALTER TABLE jwt_auth_usersession MODIFY label varchar(100) CHARACTER SET {} NOT NULL"
    execute(connection, label.format("latin1"))
    try:
        (message,) = check_encoding(connection)
    finally:
        execute(connection, label.format("utf8mb4"))
    assert message.id == "jwt_auth.W033"
    assert "jwt_auth_usersession.label" in message.msg


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only here a database has one encoding for all")
def test_a_database_that_lacks_characters_is_named(db):
    assert list(check_encoding(connection)) == []
    name = f"{connection.settings_dict['NAME']}_latin1"
    create = f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with own_connection() as own:
        execute(own, create)
        try:
            with own_connection(NAME=name) as narrow:
                (message,) = check_encoding(narrow)
                assert is_of_text(error_of(narrow, "SELECT '\N{GRINNING FACE}'"))
        finally:
            execute(own, f"DROP DATABASE {name}")
    assert "the whole database" in message.msg


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite stores each character")
def test_nothing_is_asked_where_each_character_fits(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert list(check_encoding(connection)) == []
