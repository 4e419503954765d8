"""
Classify database errors by the drivers' error codes.

Drivers raise different classes for the same condition: a read-only database is an OperationalError in MariaDB and
SQLite, and an InternalError in PostgreSQL. Errors of a value are OperationalErrors in MariaDB. So the class decides
only if there is no code. Any code that is not listed here means a wrong query or value, or a missing migration.

The sources are PostgreSQL's appendix "Error Codes", the lists of error numbers of MySQL and MariaDB, and SQLite's
"Result Codes".
"""

import re

from django.db import Error, InterfaceError, OperationalError

# PostgreSQL: connection exceptions (08), insufficient resources (53), operator intervention (57), system errors (58)
# and internal errors, among them corrupted data (XX).
_OUTAGE_CLASSES = frozenset(("08", "53", "57", "58", "XX"))

# A conflict with another transaction: it could not be serialized, or there was a deadlock.
_CONFLICT_STATES = frozenset(("40001", "40P01"))

_OUTAGE_STATES = frozenset(
    (
        "25006",  # read-only: a replica, or a primary that is being replaced
        *("25P03", "25P04"),  # the transaction took too long
        *("28000", "28P01", "3D000"),  # only at connecting: the role, the password, the database
        *(*_CONFLICT_STATES, "40003"),  # a conflict may be with the recovery of a replica, too
        *("55P03", "72000"),  # a lock that is not available, a snapshot that is too old
    )
)

# A text with characters that the encoding of the database or of the connection lacks.
_TEXT_STATES = frozenset(("22021", "22P05"))

# A table or a column that does not exist.
_SCHEMA_STATES = frozenset(("42P01", "42703"))

# A prepared statement that is unknown, that exists already, or whose columns have changed.
_PREPARING_STATES = frozenset(("26000", "42P05", "0A000"))

# MariaDB and MySQL: a row that has changed since the transaction's snapshot, a deadlock, a conflict with another node.
_CONFLICT_NUMBERS = frozenset((1020, 1213, 3101))

_OUTAGE_NUMBERS = frozenset(
    (
        # The machine of the server: memory, files, full disks, broken tables. Those below 1000 are listed nowhere.
        *(*range(-1, 1000), 1015, 1016, 1017, 1021, 1023, 1024, 1026, 1028, 1030, 1034, 1037, 1038, 1041, 1114),
        *(1135, 1194, 1195, 1712, 1810, 1811, 1817, 1877, 1878),
        # Connecting: hosts, roles, databases, limits.
        *(1040, 1042, 1043, 1044, 1045, 1049, 1129, 1130, 1203, 1226, 1251, 1698, 1873),
        # A server that shuts down, that is offline or not yet ready (1047: a node of Galera), or a killed connection.
        *(1047, 1053, 1077, 1078, 1079, 1080, 1152, 1184, 1317, 1927, 3032, 3168, 3169, 4031),
        *(1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161),  # the network
        *(1036, 1207, 1290, 1792, 1836, 1874),  # read-only
        # Locks, time limits, and a commit that failed.
        *(*_CONFLICT_NUMBERS, 1180, 1181, 1205, 1206, 1613, 1614, 1622, 1637, 1689, 1964, 1969, 3024, 3100, 3572),
        *(*range(2000, 2014), 2026, 2027, 2047, 2048, 2055, 2059, 2061),  # of the client's library
        9001,  # ProxySQL reaches no server
    )
)

_SCHEMA_NUMBERS = frozenset((1054, 1146))

_TEXT_NUMBERS = frozenset((1267, 1270, 1271, 1300, 1366, 1977, 3854, 3988))

# SQLite: PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, SCHEMA, NOTADB.
_OUTAGE_RESULTS = frozenset((3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17, 26))

# The texts of these results: Python 3.10 does not tell the codes.
_OUTAGE_TEXT = re.compile(
    r"access permission denied|is locked|out of memory|readonly database|interrupted|disk I/O error|image is malformed"
    r"|disk is full|unable to open database|locking protocol|schema has changed|not a database"
)

# For errors without a code: some drivers raise OperationalError for a missing table or column.
_SCHEMA_FAULT = re.compile(r"no such (table|column)|Unknown column")


def is_of_server(error: Error) -> bool:
    """Return whether the database is down, overloaded, read-only or missing, and the query itself is not to blame."""
    cause = error.__cause__
    if (number := _number(error)) is not None:
        return number in _OUTAGE_NUMBERS
    if state := _state(cause):
        return state[:2] in _OUTAGE_CLASSES or state in _OUTAGE_STATES
    if type(cause).__module__ == "sqlite3":
        result = getattr(cause, "sqlite_errorcode", None)
        return bool(_OUTAGE_TEXT.search(str(error))) if result is None else result & 0xFF in _OUTAGE_RESULTS
    # A driver that lost the connection, or never had one; or Django itself.
    return isinstance(error, InterfaceError | OperationalError) and not _SCHEMA_FAULT.search(str(error))


def is_of_schema(error: BaseException) -> bool:
    """Return whether the database lacks a table or a column: a migration is missing."""
    if not isinstance(error, Error):
        return False
    return (
        _number(error) in _SCHEMA_NUMBERS
        or _state(error.__cause__) in _SCHEMA_STATES
        or bool(_SCHEMA_FAULT.search(str(error)))
    )


def is_of_conflict(error: Error) -> bool:
    """Return whether the transaction was ended for the sake of another one: it may succeed if it is repeated."""
    return _number(error) in _CONFLICT_NUMBERS or _state(error.__cause__) in _CONFLICT_STATES


def is_of_text(error: BaseException) -> bool:
    """Return whether the database can't store, or compare, the characters of a text that it was given."""
    if not isinstance(error, Error):
        return False
    return _number(error) in _TEXT_NUMBERS or _state(error.__cause__) in _TEXT_STATES


def is_of_preparing(error: BaseException) -> bool:
    """Return whether the query failed only because it is a prepared statement."""
    return _state(error.__cause__) in _PREPARING_STATES


def _number(error: Error) -> int | None:
    """Return the number of an error of MariaDB or MySQL."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, int) else None


def _state(cause: BaseException | None) -> str | None:
    """Return the SQLSTATE of an error of psycopg or psycopg2."""
    state: str | None = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state
