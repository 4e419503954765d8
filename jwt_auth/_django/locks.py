"""
A lock for databases without row locks: in SQLite a write locks the whole database.
"""

from typing import Any

from django.db import connections
from django.db.models import F, QuerySet


def lock_by_writing(rows: QuerySet[Any], column: str) -> int | None:
    """
    Lock a database without row locks until the end of the transaction, by a write that changes nothing.

    Call this before the first read: a transaction that reads first and writes later fails at once if another one has
    written in between.

    Returns:
        The number of `rows`; None if the database has row locks, and nothing was done.
    """
    if connections[rows.db].features.has_select_for_update:
        return None
    return rows.update(**{column: F(column)})
