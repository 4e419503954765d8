"""
Managers: whether their querysets give the bare rows of their model, as a join of another table does.

Other querysets give annotations, related objects, deferred columns, or instances of child classes. Only the manager
itself can make such an instance.

Django does not document which attributes of a queryset cause that. An attribute that is not known here counts as a
difference: if a release has new ones, the app makes one query more, and its instances stay right.
"""

from functools import lru_cache
from inspect import getattr_static
from typing import Any

from django.db.models import Manager, QuerySet

# Names of a class of querysets that a project may override without changing which rows are read.
_WRITERS = frozenset(
    f"{prefix}{name}"
    for name in ("create", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "delete", "update")
    for prefix in ("", "a")
)
_INCIDENTAL = frozenset(
    (
        *("__module__", "__doc__", "__dict__", "__weakref__", "__repr__", "as_manager"),
        *("__firstlineno__", "__static_attributes__"),  # which each class has since Python 3.13
    )
)

# Attributes of a queryset, and of its query, that decide only which rows are read, in which order, where and when.
_OF_ROWS = frozenset(("_db", "_hints", "_query", "_result_cache", "_for_write", "_sticky_filter", "_deferred_filter"))
_OF_CONDITIONS = frozenset(
    (
        *("where", "alias_map", "alias_refcount", "table_map", "used_aliases", "external_aliases", "subq_aliases"),
        *("order_by", "default_ordering", "extra_order_by", "standard_ordering", "filter_is_sticky", "base_table"),
        *("_annotation_select_cache", "_lookup_joins"),
    )
)


def is_plain(manager: Any) -> bool:
    """
    Return whether the querysets of `manager` always give the bare rows, and all of them, without asking for one.

    A manager with its own `get_queryset` may look at the time or at a tenant, so it is not plain.
    """
    return (
        getattr(manager.get_queryset, "__func__", None) is Manager.get_queryset
        and getattr(manager.using, "__func__", None) is getattr(Manager, "using", None)
        and _reads_as_django(getattr(manager, "_queryset_class", object))
    )


def gives_bare_rows(rows: QuerySet[Any], model: Any) -> bool:
    """Return whether `rows`, which may lack some rows of `model`, gives bare ones."""
    if rows.model is not model or not _reads_as_django(type(rows)):
        return False
    query, fresh = rows.query, QuerySet(model).query
    same = _differences(rows, QuerySet(model)) <= _OF_ROWS and _differences(query, fresh) <= _OF_CONDITIONS
    return same and type(query) is type(fresh)


def _differences(one: object, other: object) -> set[str]:
    mine, others = vars(one), vars(other)
    missing = object()
    names = mine.keys() | others.keys()
    return {name for name in names if mine.get(name, missing) != others.get(name, missing)}


@lru_cache
def _reads_as_django(rows: type[Any]) -> bool:
    """Return whether a class of querysets only adds methods to Django's, or overrides those that write."""
    if not issubclass(rows, QuerySet):
        return False
    names = vars(QuerySet).keys() - _WRITERS - _INCIDENTAL
    return all(getattr_static(rows, name) is getattr_static(QuerySet, name) for name in names)
