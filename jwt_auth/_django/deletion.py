"""
One DELETE with the whole condition of a queryset, without signals and cascades.

`QuerySet.delete()` is not that: if a project has receivers for deletions, it loads the rows and then deletes them by
primary key, even those that no longer meet the condition.
"""

from typing import Any

from django.db import connections
from django.db.models import QuerySet

from jwt_auth._django.differences import note_difference
from jwt_auth._django.transactions import write_atomic

_AT_ONCE = 500  # parameters of one statement


def delete_rows(rows: QuerySet[Any]) -> int:
    """Delete `rows`, to which no other row refers; return their number."""
    delete = getattr(rows, "_raw_delete", None)
    if delete is None:
        note_difference("rows are locked and read before they are deleted", "no _raw_delete")
        return _delete_locked(rows)
    deleted: int = delete(rows.db)
    return deleted


def _delete_locked(rows: QuerySet[Any]) -> int:
    connection, meta = connections[rows.db], rows.model._meta
    table, column = map(connection.ops.quote_name, (meta.db_table, meta.pk.column))
    with write_atomic(rows.db), connection.cursor() as cursor:
        keys = list(rows.select_for_update().values_list("pk", flat=True))
        for start in range(0, len(keys), _AT_ONCE):
            values = [meta.pk.get_db_prep_value(key, connection) for key in keys[start : start + _AT_ONCE]]
            places = ", ".join(["%s"] * len(values))
            cursor.execute(f"DELETE FROM {table} WHERE {column} IN ({places})", values)  # noqa: S608  # our own names
    return len(keys)
