"""
System checks that query the database: its availability, and the encoding of its text columns.
"""

from collections.abc import Callable, Iterator
from typing import Any

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


def _rows(connection: Any, statement: str, *values: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
