"""
Have PostgreSQL prepare a query, unless a pooler between the driver and the server could mix up prepared statements.

PostgreSQL needs five times as long to plan the query of a request as to run it. A prepared statement is planned once,
but belongs to one process of the server. A pooler may assign another process to each transaction; there the same name
may be unknown, or be a statement of another program. So each connection decides:

    OPTIONS["prepare_threshold"]   the query is prepared
    ----------------------------   ----------------------------------------------------------------------------------
    is not set                     if the process that answers has the id that the connection got when it was opened.
                                   A pooler that changes processes gives its clients ids of its own, because it must
                                   find the process of a query that the client cancels
    a number                       yes: the project declares that its pooler, if any, supports prepared statements
    None                           no

A connection prepares nothing in its first uses: one that is closed after each request would gain nothing. In a
transaction nothing is prepared, because an error would abort the transaction. Outside of a transaction, if a prepared
statement fails as such, the query is executed again without preparation, and the connection prepares nothing from then
on. If Django logs queries, nothing is prepared, because the log needs the query's text with its values.

Neither Django nor psycopg documents all of this. If a release differs, nothing is prepared.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from django.db import Error

from jwt_auth._django.differences import note_difference
from jwt_auth._django.driver_errors import is_of_preparing

# The uses of a connection before the first preparation; psycopg's own number.
_USES = 5

_UNNAMED = re.compile("%[%s]")
_NAMED = re.compile(r"%(?:%|\((\w+)\)s)")


@dataclass(slots=True)
class _Use:
    """The uses of a connection; `is_allowed` is None until there are enough."""

    uses: int = 0
    is_allowed: bool | None = None


# By the driver's connection, because a pool lends one to several connections of Django.
_known: WeakKeyDictionary[Any, _Use] = WeakKeyDictionary()


class PreparedQuery:
    """
    A query that PostgreSQL can prepare, and that other databases execute without preparation.

    Args:
        sql: with named placeholders.
        constants: the values that are always the same, by their names. For PostgreSQL they become part of the text, so
            that the plan is made for them: with a parameter for the scope it would expect to read most events. psycopg
            also needs less time for fewer values.
    """

    def __init__(self, sql: str, constants: Mapping[str, Any]) -> None:
        # Always read and replaced together, because threads share this instance.
        self._statement = sql, constants
        self._was_written = False

    def execute(self, cursor: Any, connection: Any, values: Mapping[str, Any]) -> bool:
        """
        Execute the query with a new cursor of Django, prepared if the connection allows it; return whether it was.

        The `execute_wrappers` of `connection` are called for this query, too.
        """
        is_postgresql = connection.vendor == "postgresql"
        if is_postgresql and not self._was_written:
            self._write_constants(connection)
        sql, constants = self._statement
        if is_postgresql and not constants and _execute_prepared(cursor, connection, sql, values):
            return True
        cursor.execute(sql, {**constants, **values})
        return False

    def _write_constants(self, connection: Any) -> None:
        """Make the constants part of the text."""
        sql, constants = self._statement

        def literal(found: re.Match[str]) -> str:
            if found[1] not in constants:
                return found[0]
            text: str = connection.ops.compose_sql("%s", [constants[found[1]]])
            return text.replace("%", "%%")

        try:
            self._statement = _NAMED.sub(literal, sql), {}
        except Error:
            raise
        except Exception as error:  # noqa: BLE001  # after any error, the constants can be sent with the values
            note_difference("the constants of a query are sent with each request", repr(error))
        self._was_written = True


def _execute_prepared(cursor: Any, connection: Any, sql: str, values: Mapping[str, Any]) -> bool:
    """Execute the query if the connection may prepare it; return False if not."""
    ordinary, raw = cursor.cursor, connection.connection
    try:
        if not _may_prepare(connection):
            return False
        cursor.cursor = _server_side_cursor(raw)
    except Error:
        raise
    except Exception as error:  # noqa: BLE001  # after any error, the query can be executed without preparation
        _give_up(raw, error)
        return False
    threshold, raw.prepare_threshold = raw.prepare_threshold, 0
    try:
        cursor.execute(sql, values)
    except Error as error:
        if not is_of_preparing(error):
            raise
        _give_up(raw, error)
        cursor.cursor = ordinary
        return False
    finally:
        raw.prepare_threshold = threshold
    return True


def with_placeholders(sql: str, placeholders: Sequence[str]) -> str:
    """Return `sql` with other placeholders, in the order in which it has them."""
    others = iter(placeholders)
    return _UNNAMED.sub(lambda found: "%%" if found[0] == "%%" else next(others), sql)


def _may_prepare(connection: Any) -> bool:
    raw = connection.connection
    if not hasattr(raw, "prepare_threshold"):  # psycopg 2
        return False
    if connection.queries_logged or not raw.autocommit or raw.pgconn.transaction_status:
        return False
    use = _known.get(raw) or _known.setdefault(raw, _Use())
    use.uses += 1
    if use.is_allowed is None and use.uses > _USES:
        use.is_allowed = _is_allowed(connection, raw)
    return bool(use.is_allowed)


def _is_allowed(connection: Any, raw: Any) -> bool:
    options = connection.settings_dict["OPTIONS"]
    if "prepare_threshold" in options:
        return options["prepare_threshold"] is not None
    with connection.wrap_database_errors:
        answering = raw.execute("SELECT pg_backend_pid()").fetchone()[0]
    return bool(answering == raw.info.backend_pid)


def _give_up(raw: Any, error: Exception) -> None:
    _known[raw] = _Use(is_allowed=False)
    note_difference("a connection to PostgreSQL prepares no statements any more", repr(error))


def _server_side_cursor(raw: Any) -> Any:
    from psycopg import Cursor  # psycopg may not be installed

    return Cursor(raw)
