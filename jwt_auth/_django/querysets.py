"""
Querysets: one that is empty without a database, and whether one has conditions or takes more of them.
"""

from typing import Any

from django.db import NotSupportedError
from django.db.models import QuerySet


class NoRows(QuerySet[Any]):
    """An empty result without any query: `none()` needs a database in the settings, even if it never asks it."""

    def _fetch_all(self) -> None:
        self._result_cache: list[Any] = []

    def exists(self) -> bool:
        return False

    def count(self) -> int:
        return 0


def has_conditions(rows: QuerySet[Any]) -> bool:
    """Return whether `rows` may lack rows of its table; True if a Django that differs does not tell."""
    return bool(getattr(rows.query, "where", True))


def takes_conditions(rows: QuerySet[Any]) -> bool:
    """Return whether `rows` can be filtered: Django refuses that for slices and unions. No query."""
    try:
        rows.filter(pk__in=())
    except (TypeError, NotSupportedError):
        return False
    return True
