"""The errors of real servers and drivers: which of them are outages, and which are about a value or a query."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import DatabaseError, DataError, Error, InterfaceError, InternalError, OperationalError, connection

from jwt_auth._django.driver_errors import is_of_conflict, is_of_text
from jwt_auth._django.outages import is_outage
from tests.support.own_connections import error_of, execute, own_connection

SESSIONS = "jwt_auth_usersession"
CHANGE = f"UPDATE {SESSIONS} SET label = ''"

needs_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL says these")
needs_mariadb = pytest.mark.skipif(connection.vendor != "mysql", reason="MariaDB says these")
needs_server = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no server")


@pytest.fixture
def one(db):
    with own_connection() as own:
        execute(own, "SELECT 1")
        yield own


@pytest.fixture
def other(db):
    with own_connection() as own:
        yield own


@pytest.fixture
def file(db, tmp_path):
    """`file(**settings)` opens an SQLite database, whatever the run's own is."""
    opened = []

    def connect(name="a.db", timeout=0):
        sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / name, "OPTIONS": {"timeout": timeout}}
        manager = own_connection(**sqlite)
        opened.append(manager)
        return manager.__enter__()

    first = connect()
    execute(first, "CREATE TABLE things (id integer PRIMARY KEY, name varchar(10))")
    connect.path, connect.first = tmp_path, first
    yield connect
    for manager in opened:
        manager.__exit__(None, None, None)


# PostgreSQL


def read_only(one, other):
    return error_of(one, "SET default_transaction_read_only = on", CHANGE)


def out_of_time(one, other):
    return error_of(one, "SET statement_timeout = 10", "SELECT pg_sleep(5)")


def lock_not_available(one, other):
    execute(other, "BEGIN", f"LOCK TABLE {SESSIONS}")
    return error_of(one, "SET lock_timeout = 10", CHANGE)


def ended_by_an_administrator(one, other):
    (pid,) = execute(one, "SELECT pg_backend_pid()")
    execute(other, f"SELECT pg_terminate_backend({pid}, 5000)")
    return error_of(one, CHANGE)


def transaction_idle_for_too_long(one, other):
    (pid,) = execute(one, "SELECT pg_backend_pid()")
    execute(one, "SET idle_in_transaction_session_timeout = 10", "BEGIN")
    while execute(other, f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"):
        pass
    return error_of(one, CHANGE)


def conflict(one, other):
    execute(one, "DROP TABLE IF EXISTS weather", "CREATE TABLE weather (id integer)", "INSERT INTO weather SELECT 1")
    execute(one, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM weather")
    execute(other, "UPDATE weather SET id = 2")
    error = error_of(one, "UPDATE weather SET id = 3")
    execute(one, "ROLLBACK", "DROP TABLE weather")
    return error


def no_room_for_a_sort(one, other):
    execute(one, "SET temp_file_limit = 0", "SET work_mem = 64")
    return error_of(one, "SELECT * FROM generate_series(1, 9999) a ORDER BY a")


@needs_postgresql
@pytest.mark.parametrize(
    ("event", "state"),
    [
        (read_only, "25006"),
        (out_of_time, "57014"),
        (lock_not_available, "55P03"),
        (ended_by_an_administrator, "57P01"),
        (transaction_idle_for_too_long, "25P03"),
        (conflict, "40001"),
        (no_room_for_a_sort, "53400"),
    ],
)
def test_a_postgresql_that_cannot_work_is_an_outage(one, other, event, state):
    error = event(one, other)
    assert error.__cause__.sqlstate == state
    assert is_outage(error)


@needs_postgresql
@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("SELECT 99999999999::integer", "22003"),
        ("SELECT convert_to('\N{GRINNING FACE}', 'LATIN1')", "22P05"),
        ("SELECT convert_from('\\xff', 'UTF8')", "22021"),
        (f"INSERT INTO {SESSIONS} (label) VALUES (repeat('x', 500))", "22001"),
        ("SELECT * FROM nowhere", "42P01"),
        (f"SELECT nothing FROM {SESSIONS}", "42703"),
        ("SELECT 1/0", "22012"),
        ("FETCH nothing", "34000"),
    ],
)
def test_a_wrong_query_or_value_is_no_outage_of_postgresql(one, statement, state):
    error = error_of(one, statement)
    assert error.__cause__.sqlstate == state
    assert not is_outage(error)
    assert is_of_text(error) == (state in ("22P05", "22021"))


@needs_postgresql
def test_a_nul_in_a_text_is_no_outage(one):
    with pytest.raises(DataError) as caught, one.cursor() as cursor:
        cursor.execute("SELECT %s", ["\0"])
    assert not is_outage(caught.value)


# MariaDB


def forbidden_to_write(one, other):
    return error_of(one, "SET SESSION TRANSACTION READ ONLY", CHANGE)


def waiting_for_a_lock(one, other):
    execute(other, f"LOCK TABLES {SESSIONS} WRITE")
    return error_of(one, "SET lock_wait_timeout = 0", CHANGE)


def beyond_its_time(one, other):
    return error_of(one, "SET max_statement_time = 0.01", "SELECT SUM(SHA1(seq)) FROM seq_1_to_9999999")


def killed(one, other):
    (number,) = execute(one, "SELECT CONNECTION_ID()")
    execute(other, f"KILL {number}")
    return error_of(one, CHANGE)


@needs_mariadb
@pytest.mark.parametrize(
    ("event", "numbers"),
    [
        (forbidden_to_write, {1792}),
        (waiting_for_a_lock, {1205}),
        (beyond_its_time, {1969}),
        (killed, {1927, 2006, 2013}),
    ],
)
def test_a_mariadb_that_cannot_work_is_an_outage(one, other, event, numbers):
    error = event(one, other)
    assert error.args[0] in numbers
    assert is_outage(error)


@needs_mariadb
@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("SELECT * FROM old WHERE name = '\N{GRINNING FACE}'", 1267),
        ("INSERT INTO old (name) VALUES ('\N{GRINNING FACE}')", 1366),
        ("INSERT INTO old (number) VALUES (99999999999)", 1264),
        ("INSERT INTO old (name) VALUES ('too long for the column')", 1406),
        ("SELECT 'x' REGEXP '('", 1139),
        ("SELECT * FROM nowhere", 1146),
        (f"SELECT nothing FROM {SESSIONS}", 1054),
    ],
)
def test_a_wrong_query_or_value_is_no_outage_of_mariadb(one, statement, number):
    execute(one, "CREATE TEMPORARY TABLE old (name varchar(10) CHARACTER SET utf8mb3, number integer)")
    error = error_of(one, statement)
    assert error.args[0] == number
    assert not is_outage(error)
    assert is_of_text(error) == (number in (1267, 1366))


# Both


@needs_server
def test_a_deadlock_is_an_outage_and_a_conflict(one, other):
    execute(one, "DROP TABLE IF EXISTS weather", "CREATE TABLE weather (id integer PRIMARY KEY, n integer)")
    execute(one, "INSERT INTO weather VALUES (1, 0), (2, 0)")
    both = Barrier(2)

    def lock(own, first, second):
        execute(own, "BEGIN", f"UPDATE weather SET n = 1 WHERE id = {first}")
        both.wait(10)
        try:
            execute(own, f"UPDATE weather SET n = 1 WHERE id = {second}", "COMMIT")
        except Error as error:
            return error
        return None

    for own in (one, other):
        own.inc_thread_sharing()
        if connection.vendor == "postgresql":
            execute(own, "SET deadlock_timeout = 10")
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(lock, one, 1, 2), pool.submit(lock, other, 2, 1)]
        (error,) = filter(None, (each.result(20) for each in found))
    assert is_outage(error)
    assert is_of_conflict(error)
    for own in (one, other):
        execute(own, "ROLLBACK")
    execute(one, "DROP TABLE weather")


@needs_server
def test_a_row_that_has_changed_since_the_snapshot_is_a_conflict(one, other):
    """MariaDB tells it only if it is asked to, as its newer versions are by default."""
    execute(one, "DROP TABLE IF EXISTS weather", "CREATE TABLE weather (id integer PRIMARY KEY, n integer)")
    execute(one, "INSERT INTO weather VALUES (1, 0)")
    level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    if connection.vendor == "postgresql":
        execute(other, f"BEGIN; {level}", "SELECT n FROM weather")
    else:
        execute(other, "SET innodb_snapshot_isolation = ON", level, "BEGIN", "SELECT n FROM weather")
    execute(one, "UPDATE weather SET n = 1")
    error = error_of(other, "UPDATE weather SET n = 2")
    assert is_of_conflict(error)
    assert is_outage(error)
    execute(other, "ROLLBACK")
    execute(one, "DROP TABLE weather")


@needs_server
@pytest.mark.parametrize(
    "settings",
    [{"PORT": "1"}, {"NAME": "nowhere"}, {"USER": "nobody at all", "PASSWORD": "wrong"}],
    ids=["a server", "a database", "a role"],
)
def test_a_server_or_a_database_that_is_not_there_is_an_outage(db, settings):
    with own_connection(**settings) as own:
        error = error_of(own, "SELECT 1")
    assert is_outage(error)
    assert not is_of_conflict(error)


# SQLite


def sqlite_read_only(file):
    return error_of(file.first, "PRAGMA query_only = on", "INSERT INTO things VALUES (1, '')")


def sqlite_full(file):
    return error_of(file.first, "PRAGMA max_page_count = 2", "INSERT INTO things VALUES (1, hex(randomblob(9999)))")


def sqlite_busy(file):
    execute(file.first, "BEGIN IMMEDIATE")
    return error_of(file("a.db"), "INSERT INTO things VALUES (1, '')")


def sqlite_missing(file):
    return error_of(file("no/such.db"), "SELECT 1")


def sqlite_of_another_kind(file):
    (file.path / "b.db").write_text("x" * 5000)
    return error_of(file("b.db"), "SELECT * FROM things")


def sqlite_damaged(file):
    file.first.close()
    (file.path / "c.db").write_bytes((file.path / "a.db").read_bytes()[:4096] + b"\xff" * 4096)
    return error_of(file("c.db"), "SELECT * FROM things")


@pytest.mark.parametrize(
    "event",
    [sqlite_read_only, sqlite_full, sqlite_busy, sqlite_missing, sqlite_of_another_kind, sqlite_damaged],
    ids=lambda event: event.__name__,
)
def test_an_sqlite_that_cannot_work_is_an_outage(file, event):
    error = event(file)
    assert is_outage(error)
    assert is_outage(without_code(error))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM nowhere",
        "SELECT nothing FROM things",
        "SELEKT",
        "SELECT json('{')",
        "SELECT abs(-9223372036854775808)",
        "INSERT INTO things VALUES ('x', '')",
        "SELECT zeroblob(3000000000)",
        "SELECT CAST(X'ff' AS text)",
    ],
)
def test_a_wrong_query_or_value_is_no_outage_of_sqlite(file, statement):
    error = error_of(file.first, statement)
    assert not is_outage(error)
    assert not is_outage(without_code(error))


def without_code(error):
    """Return the error as Python 3.10 has it, whose errors have no code."""
    bare = type(error)(*error.args)
    bare.__cause__ = type(error.__cause__)(*error.args)
    assert not hasattr(bare.__cause__, "sqlite_errorcode")
    assert isinstance(bare.__cause__, sqlite3.Error)
    return bare


# What no server can be made to say here, as the drivers raise it


@pytest.mark.parametrize(
    "number", [0, 3, 28, 126, 1021, 1040, 1047, 1053, 1114, 1203, 1290, 1836, 1927, 2002, 2006, 2013, 3024, 3032, 9001]
)
def test_numbers_of_outages(number):
    for kind in (OperationalError, InternalError, InterfaceError):
        assert is_outage(kind(number, "of the server"))


@pytest.mark.parametrize("number", [1048, 1064, 1118, 1153, 1267, 1292, 1366, 2014, 2020, 3819, 3988, 4025])
def test_numbers_of_faults(number):
    assert not is_outage(OperationalError(number, "of a query or a value"))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        *[(state, True) for state in ("08006", "08P01", "53100", "53300", "57P02", "57P03", "57P05", "58030", "XX001")],
        *[(state, False) for state in ("23505", "25P02", "26000", "42501", "54000", "0A000", "P0001")],
    ],
)
@pytest.mark.parametrize("name", ["sqlstate", "pgcode"])
def test_states_of_postgresql(state, expected, name):
    error = DatabaseError("as either release of psycopg has it")
    error.__cause__ = Exception()
    setattr(error.__cause__, name, state)
    assert is_outage(error) is expected


def test_an_error_that_is_not_of_a_database_is_neither():
    assert not is_outage(ValueError(1290))
    assert not is_of_text(ValueError(1366))
    assert not is_outage(OperationalError("no such table: t"))
    assert is_outage(OperationalError())
