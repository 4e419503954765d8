"""A query that may be prepared, and what a connection of PostgreSQL has prepared."""

from typing import Any

from jwt_auth._django.prepared import PreparedQuery

SQL = "SELECT %(number)s::int + %(constant0)s, '100%%'"


def a_query() -> PreparedQuery:
    return PreparedQuery(SQL, {"constant0": 40})


def ask(own: Any, query: PreparedQuery, number: int) -> tuple[Any, bool]:
    """Return the row, and whether the connection prepared the query for it."""
    with own.cursor() as cursor:
        was_prepared = query.execute(cursor, own, {"number": number})
        return cursor.fetchone(), was_prepared


def ask_often(own: Any, query: PreparedQuery, times: int = 8) -> list[bool]:
    """Ask several times, and return for each whether the query was prepared. All answers have to be right."""
    found = [ask(own, query, number) for number in range(times)]
    assert [row for row, _ in found] == [(40 + number, "100%") for number in range(times)]
    return [was_prepared for _, was_prepared in found]


def prepared_on(own: Any) -> list[str]:
    """Return the texts of the prepared statements of a connection."""
    with own.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]
