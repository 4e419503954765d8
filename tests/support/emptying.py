"""How the tables are emptied after a test that commits."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def empty_quickly(connection: BaseDatabaseWrapper) -> None:
    """
    Have `flush` delete rows on PostgreSQL, as it does on the other databases.

    TRUNCATE writes new files for each table and each index, and waits for the disk: for most tests that takes longer
    than the test. As TRUNCATE does, this waits until no other transaction uses a table: one that is left open is found.
    """
    if connection.vendor != "postgresql":
        return
    truncate, quote = connection.ops.sql_flush, connection.ops.quote_name

    def sql_flush(
        style: Any, tables: Sequence[str], *, reset_sequences: bool = False, allow_cascade: bool = False
    ) -> list[str]:
        if reset_sequences or allow_cascade or not tables:
            return truncate(style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade)
        names = [quote(table) for table in tables]
        return [f"LOCK TABLE {', '.join(names)}", *(f"DELETE FROM {name}" for name in names)]

    connection.ops.sql_flush = sql_flush  # type: ignore[method-assign]  # of this run's connection only
