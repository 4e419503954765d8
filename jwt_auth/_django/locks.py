"""
Locks where there are none for rows: SQLite has one for the whole database, and a write is what takes it.
"""

from typing import Any

from django.db import connections
from django.db.models import F, QuerySet


def lock_by_writing(rows: QuerySet[Any], column: str) -> int | None:
    """
    On a database without row locks, hold it until the end of the transaction, by a write that changes nothing.

    It comes before the first read: a transaction that reads first and writes later fails at once when another has
    written in between.

    Returns:
        How many `rows` there are; None where rows can be locked, and nothing was done.
    """
    if connections[rows.db].features.has_select_for_update:
        return None
    return rows.update(**{column: F(column)})
