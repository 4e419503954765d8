"""
A query whose SQL is written once.

For a query with joins Django takes several times as long to build it, to write its SQL and to find out what
the columns mean as a database takes to answer it. All of that is the same each time; only parameters differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connections, models
from django.db.models.query import get_related_populators

# From Django 6.1 on instances know how what is missing of them is fetched.
_FETCH_MODE = (models.FETCH_ONE,) if hasattr(models, "FETCH_ONE") else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """
    What differs from one execution to the next.

    Args:
        field: what it is compared with, and so is prepared for the database by.
        stand_in: the value that the query was built with; one that occurs nowhere else in it.
    """

    field: Any
    stand_in: Any


class CompiledQuery:
    """
    What the ORM makes of `queryset`, a query for one row, ready to be executed with other parameters.

    It belongs to one database. Threads can share it: it is compiled with a copy of the connection that is
    never opened for queries, and so keeps no thread's connection open.
    """

    def __init__(self, queryset: models.QuerySet[Any], parameters: Mapping[str, Parameter]) -> None:
        self._alias = queryset.db
        self._fields = {name: parameter.field for name, parameter in parameters.items()}
        connection = connections[self._alias].copy()
        try:
            self._compile(queryset, connection)
            self._find(parameters, connection)
        finally:
            connection.close()

    def _compile(self, queryset: models.QuerySet[Any], connection: Any) -> None:
        compiler: Any = queryset.query.get_compiler(connection=connection)
        self._sql, values = compiler.as_sql()
        self._values = list(values)
        select, info = compiler.select, compiler.klass_info
        self._model = info["model"]
        self._columns = slice(info["select_fields"][0], info["select_fields"][-1] + 1)
        self._names = [column[0].target.attname for column in select[self._columns]]
        self._related = get_related_populators(info, select, self._alias, *_FETCH_MODE)
        self._annotations = list(compiler.annotation_col_map.items())
        converters = compiler.get_converters([column[0] for column in select])
        self._converters = [
            (i, convert, expression) for i, (all_, expression) in converters.items() for convert in all_
        ]

    def _find(self, parameters: Mapping[str, Parameter], connection: Any) -> None:
        """Where in the SQL's values each parameter stands."""
        self._places = []
        for name, parameter in parameters.items():
            stand_in = parameter.field.get_db_prep_value(parameter.stand_in, connection)
            self._places += [(i, name) for i, value in enumerate(self._values) if value == stand_in]

    def first(self, **parameters: Any) -> Any:
        """The row as an instance, with all that `queryset` would have given it; None when there is none."""
        connection = connections[self._alias]
        prepared = {name: field.get_db_prep_value(parameters[name], connection) for name, field in self._fields.items()}
        values = self._values.copy()
        for place, name in self._places:
            values[place] = prepared[name]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, values)
            row = cursor.fetchone()
        return None if row is None else self._instance(list(row), connection)

    def _instance(self, row: list[Any], connection: Any) -> Any:
        for i, convert, expression in self._converters:
            row[i] = convert(row[i], expression, connection)
        instance = self._model.from_db(self._alias, self._names, row[self._columns])
        for related in self._related:
            related.populate(row, instance)
        for name, column in self._annotations:
            setattr(instance, name, row[column])
        return instance
