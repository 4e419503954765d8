"""A database that does not answer, and the answer of the app to that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection

GONE = "server closed the connection unexpectedly"


@contextmanager
def outage(
    error: Exception | type[Exception] = OperationalError, *, after: int = 0, of: Callable[[str], bool] | None = None
) -> Iterator[list[str]]:
    """
    Make queries fail as if the server were gone; the value is the list of failed statements.

    Args:
        error: what is raised, or its class.
        after: how many queries pass before the first one fails.
        of: which statements fail, by their text; without it all of them do.
    """
    passed = 0
    failed: list[str] = []

    def fail(execute: Any, sql: str, *arguments: Any) -> Any:
        nonlocal passed
        if passed < after or (of and not of(sql)):
            passed += 1
            return execute(sql, *arguments)
        failed.append(sql)
        raise error(GONE) if isinstance(error, type) else error

    with connection.execute_wrapper(fail):
        yield failed


def down(*arguments: Any, **options: Any) -> None:
    """Stand for a function that queries the database."""
    raise OperationalError(GONE)


def assert_unavailable(answer: Any, code: str | None = "unavailable") -> None:
    assert (answer.status_code, answer.json().get("code")) == (503, code)
    assert answer["Retry-After"] == "1"
    assert "WWW-Authenticate" not in answer
    assert "server closed" not in answer.content.decode()


@contextmanager
def read_only() -> Iterator[None]:
    """Have the real database refuse to write, as a replica does. For tests with transactions of their own."""
    begin, end = _READ_ONLY[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(begin)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(end)


_READ_ONLY = {
    "postgresql": ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
    "sqlite": ("PRAGMA query_only = on", "PRAGMA query_only = off"),
}
