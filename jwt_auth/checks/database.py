"""
System checks that query the database: its availability, and the types and encodings of its columns.
"""

from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core import checks

from jwt_auth._django.outages import is_outage
from jwt_auth.exceptions import UnavailableError
from jwt_auth.models import UserSession

# The columns of the app and of the users whose encoding is narrower than Unicode, on MariaDB and MySQL. Those with a
# narrower collation on purpose, such as ascii_bin, have keys and digests, not what somebody types.
_NARROW = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() "
    "AND character_set_name IS NOT NULL AND character_set_name NOT IN ('utf8mb4', 'ascii') "
    "AND (table_name LIKE %s OR table_name = %s) ORDER BY table_name, column_name"
)

# The columns of the two types that Django uses for UUIDs on MariaDB.
_UUIDS = (
    "SELECT table_name, column_name, column_type FROM information_schema.columns WHERE table_schema = DATABASE() "
    "AND column_type IN ('uuid', 'char(32)')"
)


def unless_down(alias: str, check: Callable[[str], list[checks.CheckMessage]]) -> list[checks.CheckMessage]:
    """Return the messages of `check`, or one about the outage if the database can't be queried."""
    try:
        return check(alias)
    except Exception as error:
        if not isinstance(error, UnavailableError) and not is_outage(error):
            raise
        text = f"The database {alias!r} can't be queried: {' '.join(str(error).split())}"
        return [checks.Error(text, hint="Run the checks again when it is back.", id="jwt_auth.E032")]


def check_encoding(connection: Any) -> Iterator[checks.CheckMessage]:
    """Warn of tables that can't store every Unicode character: an emoji in a label or a name is refused."""
    if connection.vendor == "postgresql":
        narrow = [] if _rows(connection, "SHOW server_encoding") == [("UTF8",)] else ["the whole database"]
    elif connection.vendor == "mysql":
        tables = (f"{UserSession._meta.app_label}\\_%", get_user_model()._meta.db_table)
        narrow = [f"{table}.{column}" for table, column in _rows(connection, _NARROW, *tables)]
    else:
        return
    if narrow:
        yield checks.Warning(
            f"These columns can't store every Unicode character: {', '.join(narrow[:5])}.",
            hint="Convert the tables to utf8mb4, or the database to UTF8. Names and labels with other characters are "
            "refused until then.",
            id="jwt_auth.W033",
        )


def check_uuids(connection: Any) -> Iterator[checks.CheckMessage]:
    """
    Report the columns for UUIDs that an older MariaDB created, and that this one reads in another way.

    Django stores a UUID as CHAR(32) before MariaDB 10.7, and as UUID from then on. An upgrade changes no column.
    """
    if connection.vendor != "mysql":
        return
    types = {(table, column): kind for table, column, kind in _rows(connection, _UUIDS)}
    differing = []
    for field in _columns():
        expected, found = field.db_type(connection), types.get((field.model._meta.db_table, field.column))
        if expected in ("uuid", "char(32)") and found not in (None, expected):
            differing.append(field)
    if differing:
        yield checks.Error(
            "These columns have the type for UUIDs of another version of MariaDB: "
            f"{', '.join(f'{field.model._meta.db_table}.{field.column}' for field in differing)}. Nobody can sign in, "
            "and tokens are refused.",
            hint=f"Stop the app. {_keys_first(differing)}Run: {' '.join(_alterations(differing, connection))}",
            id="jwt_auth.E034",
        )


def _columns() -> Iterator[Any]:
    """Yield the fields of the app's tables and of the users, by their columns."""
    for model in (*apps.get_app_config(UserSession._meta.app_label).get_models(), get_user_model()):
        yield from model._meta.local_concrete_fields


def _alterations(fields: list[Any], connection: Any) -> Iterator[str]:
    quote = connection.ops.quote_name
    for field in fields:
        table, column = quote(field.model._meta.db_table), quote(field.column)
        null = "NULL" if field.null else "NOT NULL"
        yield f"ALTER TABLE {table} MODIFY {column} {field.db_type(connection)} {null};"


def _keys_first(fields: list[Any]) -> str:
    if not any(field.is_relation or field.model is get_user_model() for field in fields):
        return ""
    return (
        "First drop the foreign keys to the users' table, and add them again at the end; convert the columns of your "
        "own tables that refer to users in the same way. "
    )


def _rows(connection: Any, statement: str, *values: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
