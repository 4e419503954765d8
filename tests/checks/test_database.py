"""`check --database` names columns whose encoding is too narrow, or whose type is that of another server."""

from contextlib import nullcontext

import pytest
from django.db import connection, models

from jwt_auth._django.driver_errors import is_of_text
from jwt_auth.checks.database import check_encoding, check_uuids
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


def as_of_mariadb_10_6(table, column, null="NOT NULL"):
    """Give a column of UUIDs, and the values in it, the form that they have on that server."""
    execute(
        connection,
        f"ALTER TABLE {table} MODIFY {column} char(36) {null}",
        f"UPDATE {table} SET {column} = REPLACE({column}, '-', '')",
        f"ALTER TABLE {table} MODIFY {column} char(32) {null}",
    )


@pytest.mark.skipif(connection.vendor != "mysql", reason="other databases have one type for UUIDs")
def test_columns_of_an_older_server_are_named_with_what_mends_them(transactional_db, client, user):
    if not connection.features.has_native_uuid_field:
        pytest.skip("MariaDB 10.7 or later")
    pair = client.tokens(user)
    assert list(check_uuids(connection)) == []
    as_of_mariadb_10_6("jwt_auth_usersession", "id")
    as_of_mariadb_10_6("jwt_auth_usersession", "retry_digest", "NULL")
    try:
        assert client.get_me(pair["access_token"]).status_code == 401
        (message,) = check_uuids(connection)
    finally:
        statements = message.hint.partition(": ")[2]
        execute(connection, *filter(str.strip, statements.split(";")))
    assert message.id == "jwt_auth.E034"
    assert "jwt_auth_usersession.id, jwt_auth_usersession.retry_digest." in message.msg
    assert list(check_uuids(connection)) == []
    assert client.get_me(pair["access_token"]).status_code == 200
    assert client.refresh(pair["refresh_token"]).status_code == 200


class OfMariaDB:
    """A connection to MariaDB 10.7 whose tables were made by another server; the columns have these types."""

    vendor = "mysql"

    def __init__(self, *columns):
        self.columns = columns

    def __getattr__(self, name):
        return getattr(connection, name)

    def cursor(self):
        return nullcontext(self)

    def execute(self, statement, values):
        assert "char(32)" in statement

    def fetchall(self):
        return self.columns


@pytest.fixture
def native(monkeypatch):
    monkeypatch.setattr(models.UUIDField, "db_type", lambda self, connection: "uuid")
    monkeypatch.setattr(models.ForeignKey, "db_type", lambda self, connection: "uuid")


def test_the_columns_of_such_a_server_are_named(native):
    of_users = ("jwt_auth_registeredclient", "user_id", "char(32)")
    (message,) = check_uuids(OfMariaDB(("jwt_auth_usedtoken", "digest", "char(32)"), of_users))
    assert "jwt_auth_registeredclient.user_id, jwt_auth_usedtoken.digest." in message.msg
    assert "MODIFY" in message.hint
    assert message.hint.index("drop the foreign keys") < message.hint.index("ALTER TABLE")
    (message,) = check_uuids(OfMariaDB(("jwt_auth_usersession", "retry_digest", "char(32)")))
    assert message.hint.endswith("uuid NULL;")
    others = ("some_other", "id", "char(32)")
    assert list(check_uuids(OfMariaDB(("jwt_auth_usedtoken", "digest", "uuid"), others))) == []


@pytest.mark.skipif(connection.vendor == "mysql", reason="other databases have one type for UUIDs")
def test_no_type_is_asked_for_elsewhere(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert list(check_uuids(connection)) == []
