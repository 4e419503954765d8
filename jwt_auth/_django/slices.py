"""
Slices of tables that may have any number of rows: counts that look at some rows only, and ranges of keys.

A statement over a whole table will exceed the database's timeout some day, so no function here scans a whole table.
"""

from collections.abc import Iterable, Iterator
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


def count_any(rows: QuerySet[Any], condition: Q) -> Counted:
    """
    Return how many of `rows` meet `condition`, looking at some of them in any order.

    The condition is no part of `rows`: if hardly any row met it, a database would look at all of them to find some.
    """
    found = _numbers(rows.order_by()[: LOOKED_AT + 1], condition, ["pk"])
    return Counted(found["pk"], is_all=found["seen"] <= LOOKED_AT)


def count_newest(rows: QuerySet[Any], column: str, condition: Q, *fields: str, plain: QuerySet[Any]) -> list[Counted]:
    """
    Return the number of different values that each of `fields` has in the newest of `rows` that meet `condition`.

    Args:
        column: has an index, and grows from row to row.
        plain: the same rows without other tables. With them a database might sort all rows to find the newest ones.
    """
    last = boundary(plain, column, LOOKED_AT)
    found = _numbers(rows if last is None else rows.filter(**{f"{column}__gte": last}), condition, fields)
    return [Counted(found[name], is_all=last is None) for name in fields]


def boundary(rows: QuerySet[Any], column: str, number: int) -> Any:
    """Return the value of `column` in the last of the newest `number` rows; None if there are no older ones."""
    ends = list(rows.order_by(f"-{column}").values_list(column, flat=True)[number - 1 : number + 1])
    return ends[0] if len(ends) > 1 else None


def _numbers(rows: QuerySet[Any], condition: Q, fields: Iterable[str]) -> dict[str, int]:
    """Return the number of different values of each field, by its name, and that of all rows as `seen`."""
    hits: dict[str, Any] = {f"hit_{name}": Case(When(condition, then=F(name))) for name in fields}
    counts: dict[str, Any] = {f"number_{name}": Count(f"hit_{name}", distinct=name != "pk") for name in fields}
    found = rows.annotate(**hits).aggregate(seen=Count("pk"), **counts)
    return {name.removeprefix("number_"): number for name, number in found.items()}


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
