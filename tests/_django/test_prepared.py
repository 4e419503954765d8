"""Prepared statements: where the query of database mode becomes one, and the way back."""

import logging
from types import SimpleNamespace

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from jwt_auth import sessions
from jwt_auth._django import prepared
from jwt_auth._django.differences import note_difference
from jwt_auth._django.prepared import PreparedQuery, with_placeholders
from jwt_auth.revocation import database, revoke_token
from jwt_auth.verification import identify_only
from tests.support.own_connections import execute, own_connection
from tests.support.prepared import a_query, ask, ask_often, prepared_on

needs_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL prepares statements")

OFF, ON = [False] * 8, [False] * 5 + [True] * 3


@pytest.fixture
def own(db):
    with own_connection() as own:
        own.ensure_connection()
        yield own


@pytest.fixture
def warned(caplog):
    """The warnings so far; each is logged once per process, and again in this test."""
    note_difference.cache_clear()
    yield lambda: [record.event for record in caplog.records if record.levelno == logging.WARNING]
    note_difference.cache_clear()


@needs_postgresql
def test_a_connection_that_is_used_again_and_again_prepares_it_once(own):
    assert ask_often(own, a_query()) == ON
    assert prepared_on(own) == ["SELECT $1::int + 40, '100%'"]


@needs_postgresql
@pytest.mark.parametrize(("threshold", "expected"), [(None, OFF), (5, ON), (0, ON)])
def test_what_the_project_says_decides(db, threshold, expected):
    with own_connection(OPTIONS={"prepare_threshold": threshold}) as own:
        own.ensure_connection()
        assert ask_often(own, a_query()) == expected
        assert own.connection.prepare_threshold == threshold


@needs_postgresql
def test_a_connection_whose_other_end_is_another_process_prepares_nothing(own, monkeypatch):
    """As behind a pooler; tests/deployment has a real one."""
    monkeypatch.setattr(type(own.connection.info), "backend_pid", 1)
    assert ask_often(own, a_query()) == OFF
    assert prepared_on(own) == []


@needs_postgresql
def test_a_transaction_prepares_nothing(own):
    query = a_query()
    assert ask_often(own, query) == ON
    own.set_autocommit(False)
    assert ask_often(own, query) == OFF
    own.rollback()
    own.set_autocommit(True)
    execute(own, "BEGIN")
    assert ask_often(own, query) == OFF
    execute(own, "COMMIT")
    assert ask(own, query, 1) == ((41, "100%"), True)


@needs_postgresql
def test_wrappers_of_queries_are_called_for_it(own):
    query, seen = a_query(), []
    ask_often(own, query)

    def watch(run, sql, params, many, context):
        seen.append((sql, dict(params)))
        return run(sql, params, many, context)

    with own.execute_wrapper(watch):
        assert ask(own, query, 2) == ((42, "100%"), True)
    assert seen == [("SELECT %(number)s::int + 40, '100%%'", {"number": 2})]


@needs_postgresql
def test_where_queries_are_logged_their_text_has_the_values(own):
    query = a_query()
    ask_often(own, query)
    with CaptureQueriesContext(own) as captured:
        assert ask(own, query, 2) == ((42, "100%"), False)
    assert [each["sql"] for each in captured] == ["SELECT 2::int + 40, '100%'"]


@needs_postgresql
@pytest.mark.parametrize("forget", ["DEALLOCATE ALL", "SELECT 1"])
def test_a_statement_that_is_unknown_or_taken_is_executed_as_any_other(own, warned, forget):
    """As the project's pooler does, if it says that it can do it, and can't."""
    query = a_query()
    ask_often(own, query)
    if forget == "DEALLOCATE ALL":
        own.connection.pgconn.exec_(forget.encode())  # behind the driver's back
    else:
        taken = f"_pg3_{own.connection._prepared._prepared_idx}"
        own.connection.pgconn.prepare(taken.encode(), b"SELECT 1")
        query = PreparedQuery("SELECT %(number)s::int + %(constant0)s, '100%%' AS other", {"constant0": 40})
    assert not warned()
    assert ask_often(own, query) == OFF
    assert warned() == ["django_differs"]


@needs_postgresql
def test_a_migration_that_changes_a_column_is_survived(own, warned):
    execute(own, "CREATE TEMPORARY TABLE things (id integer, name varchar(10))")
    query = PreparedQuery("SELECT name FROM things WHERE id = %(id)s", {})

    def read():
        with own.cursor() as cursor:
            query.execute(cursor, own, {"id": 1})
            return cursor.fetchone()

    execute(own, "INSERT INTO things VALUES (1, 'a')")
    assert {read() for _ in range(8)} == {("a",)}
    # As another process does it, of which the driver here knows nothing.
    own.connection.pgconn.exec_(b"ALTER TABLE things ALTER COLUMN name TYPE text")
    assert {read() for _ in range(3)} == {("a",)}
    assert warned() == ["django_differs"]


@needs_postgresql
def test_with_another_driver_the_query_is_executed_as_any_other(own, warned, monkeypatch):
    def fail(raw):
        raise TypeError("no such cursor")

    monkeypatch.setattr(prepared, "_server_side_cursor", fail)
    assert ask_often(own, a_query()) == OFF
    assert warned() == ["django_differs"]


def test_a_connection_of_psycopg_2_prepares_nothing():
    assert not prepared._may_prepare(SimpleNamespace(connection=object()))


@needs_postgresql
def test_with_another_django_constants_are_sent_and_nothing_is_prepared(own, warned, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr(type(own.ops), "compose_sql")
        query = a_query()
        assert ask_often(own, query) == OFF
    assert ask_often(own, query) == OFF
    assert warned() == ["django_differs"]
    assert ask_often(own, a_query()) == ON


@needs_postgresql
def test_an_outage_while_constants_are_written_is_one(own, monkeypatch):
    def fail(*args):
        raise OperationalError("down")

    query = a_query()
    with monkeypatch.context() as patch, own.cursor() as cursor:
        patch.setattr(type(own.ops), "compose_sql", fail)
        with pytest.raises(OperationalError):
            query.execute(cursor, own, {"number": 1})
    assert ask_often(own, query) == ON


@needs_postgresql
def test_any_other_error_is_raised(own):
    query = PreparedQuery("SELECT 1 / %(number)s::int", {})
    for _ in range(6):
        with own.cursor() as cursor:
            query.execute(cursor, own, {"number": 1})
    with own.cursor() as cursor, pytest.raises(Exception, match="division by zero"):
        query.execute(cursor, own, {"number": 0})
    with own.cursor() as cursor:
        assert query.execute(cursor, own, {"number": 1})
    with own.cursor() as cursor, pytest.raises(ProgrammingError):
        PreparedQuery("SELECT nothing", {}).execute(cursor, own, {})


@needs_postgresql
def test_an_outage_when_it_is_asked_for_the_process_is_one(own):
    query = a_query()
    for number in range(5):
        ask(own, query, number)
    with own_connection() as other, own.cursor() as cursor:
        execute(other, f"SELECT pg_terminate_backend({own.connection.info.backend_pid}, 5000)")
        with pytest.raises(OperationalError):
            query.execute(cursor, own, {"number": 1})


@pytest.mark.skipif(connection.vendor == "postgresql", reason="this one prepares statements")
def test_other_databases_prepare_nothing_here(db):
    query = PreparedQuery("SELECT %(number)s + %(constant0)s", {"constant0": 40})
    with connection.cursor() as cursor:
        assert not query.execute(cursor, connection, {"number": 1})
        assert cursor.fetchone() == (41,)


def test_placeholders_are_replaced_in_their_order():
    assert with_placeholders("a = %s AND b LIKE '%%s' AND c = %s", ["%(b)s", "%(a)s"]) == (
        "a = %(b)s AND b LIKE '%%s' AND c = %(a)s"
    )


@needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_the_session_is_the_same_with_and_without(user, make_user):
    pairs = [sessions.start(owner) for owner in (user, make_user("bob"))]
    claims = [identify_only(pair.access_token) for pair in pairs]
    before = [database.state_of(database.find_by_token(each)) for each in claims]
    for _ in range(5):
        database.find_by_token(claims[0])
    assert prepared._known[connection.connection].is_allowed
    asked = []
    with connection.execute_wrapper(lambda run, sql, *rest: asked.append(sql) or run(sql, *rest)):
        found = [database.find_by_token(each) for each in claims]
    assert [database.state_of(each) for each in found] == before
    parameters = 3 if database._can_name_user() else 2  # and the constants are part of the text
    assert [sql.count("%") for sql in asked] == [parameters] * 2
    assert [each.user for each in found] == [user, found[1].user]
    revoke_token(claims[0])
    assert [database.find_by_token(each).token_denied for each in claims] == [True, False]
    with transaction.atomic():
        assert database.find_by_token(claims[0]).token_denied
