"""
One DELETE with the whole condition of a queryset, without signals and cascades.

`QuerySet.delete()` is not that: if a project has receivers for deletions, it loads the rows and then deletes them by
primary key, even those that no longer meet the condition.
"""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from jwt_auth._django.differences import note_difference


def delete_rows(rows: QuerySet[Any]) -> int:
    """Delete `rows`, to which no other row refers; return their number."""
    delete = getattr(rows, "_raw_delete", None)
    if delete is None:
        note_difference("rows are locked and read before they are deleted", "no _raw_delete")
        return _delete_locked(rows)
    deleted: int = delete(rows.db)
    return deleted


def _delete_locked(rows: QuerySet[Any]) -> int:
    with transaction.atomic(using=rows.db):
        keys = list(rows.select_for_update().values_list("pk", flat=True))
        same: QuerySet[Any] = rows.model._base_manager.using(rows.db).filter(pk__in=keys)
        same.delete()
    return len(keys)
