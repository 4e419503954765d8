"""
Have PostgreSQL prepare a query, where nothing between the driver and the server can mix up prepared statements.

PostgreSQL plans the query of a request for five times as long as it runs it. A prepared statement is planned once. But
it belongs to one process of the server. A pooler may give each transaction another process, in which the same name is
unknown, or stands for a statement of another program. So this decides for each connection:

    OPTIONS["prepare_threshold"]   the query is prepared
    ----------------------------   ----------------------------------------------------------------------------------
    is not set                     if the process that answers is the one whose number the connection was opened with.
                                   A pooler that changes processes gives the client a number of its own: by that
                                   number it finds the process in which the client's query is to be cancelled
    a number                       yes: the project says that nothing in between mixes them up
    None                           no

The first uses of a connection prepare nothing: one that is closed after each request would gain nothing. In a
transaction nothing is prepared either, because an error would end the transaction. Outside of one, what can't be
executed as a prepared statement is executed without, and that connection prepares nothing from then on. Where Django
logs queries, it needs their text with the values, which a prepared statement doesn't have.

Neither Django nor psycopg documents all that is needed. If a release differs, nothing is prepared.
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
    """The use of a connection; `is_allowed` is None until it has been used often enough."""

    uses: int = 0
    is_allowed: bool | None = None


# By the driver's connection, because a pool lends one to several connections of Django.
_known: WeakKeyDictionary[Any, _Use] = WeakKeyDictionary()


class PreparedQuery:
    """
    A query in the form in which it is prepared.

    Args:
        sql: with named placeholders.
        constants: those of its values that are always the same, by their names. They become part of the text, because
            the plan has to be made for them: for "any scope" PostgreSQL would plan to read most events.
    """

    def __init__(self, sql: str, constants: Mapping[str, Any]) -> None:
        self._sql, self._constants = sql, constants
        self._text = ""

    def execute(self, cursor: Any, connection: Any, values: Mapping[str, Any]) -> bool:
        """
        Execute it with a new cursor of Django, if the connection may prepare it; return False if not.

        The wrappers of the queries of `connection` are called for this one, too.
        """
        ordinary, raw = cursor.cursor, connection.connection
        try:
            if not _may_prepare(connection):
                return False
            self._text = self._text or self._write(connection)
            cursor.cursor = _server_side_cursor(raw)
        except Error:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the query can be executed as any other
            _give_up(raw, error)
            return False
        threshold, raw.prepare_threshold = raw.prepare_threshold, 0
        try:
            cursor.execute(self._text, values)
        except Error as error:
            if not is_of_preparing(error):
                raise
            _give_up(raw, error)
            cursor.cursor = ordinary
            return False
        finally:
            raw.prepare_threshold = threshold
        return True

    def _write(self, connection: Any) -> str:
        def literal(found: re.Match[str]) -> str:
            if found[1] not in self._constants:
                return found[0]
            text: str = connection.ops.compose_sql("%s", [self._constants[found[1]]])
            return text.replace("%", "%%")

        return _NAMED.sub(literal, self._sql)


def with_placeholders(sql: str, placeholders: Sequence[str]) -> str:
    """Return `sql` with other placeholders, in the order in which it has them."""
    others = iter(placeholders)
    return _UNNAMED.sub(lambda found: "%%" if found[0] == "%%" else next(others), sql)


def _may_prepare(connection: Any) -> bool:
    raw = connection.connection
    if not hasattr(raw, "prepare_threshold"):  # psycopg 3 has it
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
    from psycopg import Cursor  # need not be installed

    return Cursor(raw)
