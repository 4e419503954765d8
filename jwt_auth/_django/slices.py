"""
Slices of tables that may have any number of rows: counts that look at some rows only, and ranges of keys.

A statement over a whole table is ended by the database's timeout one day. No job depends on one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Case, Count, F, Q, QuerySet, When

Rows = TypeVar("Rows", bound=QuerySet[Any])

# The number of rows that a count looks at: a fraction of a second's work, whatever the condition is.
LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class Counted:
    """
    The number of rows that meet a condition.

    Args:
        number: how many were found.
        is_all: False if there are rows that were not looked at, so that there may be more.
    """

    number: int
    is_all: bool = True


def count_some(rows: QuerySet[Any]) -> Counted:
    """Return the number of `rows`, which an index finds."""
    number = rows.order_by()[: LOOKED_AT + 1].count()
    return Counted(min(number, LOOKED_AT), is_all=number <= LOOKED_AT)


def count_among(rows: QuerySet[Any], condition: Q, *fields: str) -> list[Counted]:
    """
    Return the number of different values that each of `fields` has in the first of `rows` that meet `condition`.

    Args:
        rows: in the order of an index, or in none. The condition is no part of it: if hardly any row met it, a database
            would look at all of them to find some.
    """
    hits: dict[str, Any] = {f"hit_{name}": Case(When(condition, then=F(name))) for name in fields}
    looked_at = rows.annotate(**hits)[: LOOKED_AT + 1]
    numbers: dict[str, Any] = {f"number_{name}": Count(f"hit_{name}", distinct=name != "pk") for name in fields}
    found = looked_at.aggregate(seen=Count("pk"), **numbers)
    return [Counted(found[f"number_{name}"], is_all=found["seen"] <= LOOKED_AT) for name in fields]


def ranges_of_keys(rows: Rows, size: int) -> Iterator[Rows]:
    """
    Yield `rows` in parts: each has the keys of one range, and `size` rows at most.

    Add conditions to a part, and not to `rows`: if hardly any row met them, the end of a range would be far away.
    """
    rest = rows.order_by("pk")
    while True:
        last = rest.values_list("pk", flat=True)[size - 1 : size].first()
        yield rest if last is None else rest.filter(pk__lte=last)
        if last is None:
            return
        rest = rest.filter(pk__gt=last)
