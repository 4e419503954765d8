"""Connections of a test's own to the database of the run, or to another: to break them, or to lock rows with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import Error, connection
from django.db.utils import ConnectionHandler


@contextmanager
def own_connection(**settings: Any) -> Iterator[Any]:
    """Yield a connection that shares nothing with that of the test, with these values in place of the run's."""
    own = ConnectionHandler({"default": {**connection.settings_dict, **settings}})["default"]
    try:
        yield own
    finally:
        own.close()


def error_of(own: Any, *statements: str) -> Error:
    """Return the error that the statements raise."""
    with pytest.raises(Error) as caught:
        execute(own, *statements)
    return caught.value


def execute(own: Any, *statements: str) -> Any:
    """Execute the statements, and return the first row of the last one if it has any."""
    with own.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None
