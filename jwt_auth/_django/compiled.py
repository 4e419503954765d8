"""
Queries whose SQL is compiled once.

Django needs several times as long to build a query with joins, to write its SQL and to map its columns as a database
needs to answer it. All of that is the same each time; only the parameters differ.

Django does not document how it compiles a query. If a release does it in another way, the ORM builds and executes the
query each time, which is slower and gives the same rows.
"""

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from django.db import DatabaseError, connections, models

from jwt_auth._django.differences import note_difference
from jwt_auth._django.instances import from_row
from jwt_auth._django.prepared import PreparedQuery, with_placeholders


class CompiledQuery:
    """
    The compiled form of a query for one row, which can be executed with other parameters.

    It belongs to one database. Threads can share it: it is compiled with a copy of the connection, which is never
    opened for queries, so that it keeps no thread's connection open.

    Args:
        build: makes the queryset for the parameters, given by their names.
        fields: the model field that each parameter is compared with, by the parameter's name: a field for UUIDs, text,
            whole numbers or times.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Any]], **fields: Any) -> None:
        self._build, self._fields = build, fields
        # Values that occur nowhere else in the query, so that their places in its SQL can be found.
        stand_ins = {name: _stand_in(field) for name, field in fields.items()}
        queryset = build(**stand_ins)
        self._alias = queryset.db
        self.is_compiled = True
        connection = connections[self._alias].copy()
        try:
            self._compile(queryset, connection)
            self._find(stand_ins, connection)
        except DatabaseError:  # an outage, which says nothing about Django
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the ORM can do it
            self._give_up(error)
        finally:
            connection.close()

    @staticmethod
    def can_compare(field: Any) -> bool:
        """Return whether `field` can be one of `fields`: a field class of Django itself, of one of the kinds above."""
        kinds = (models.UUIDField, models.CharField, models.IntegerField, models.DateTimeField)
        return isinstance(field, kinds) and type(field).__module__ == models.Field.__module__

    def _compile(self, queryset: models.QuerySet[Any], connection: Any) -> None:
        from django.db.models.query import get_related_populators  # not documented, and so maybe not there

        # Django 6.1 added fetch modes, which say how a deferred field is loaded: one more argument below.
        fetch_mode = (models.FETCH_ONE,) if hasattr(models, "FETCH_ONE") else ()
        compiler: Any = queryset.query.get_compiler(connection=connection)
        self._sql, values = compiler.as_sql()
        self._values = values
        select, info = compiler.select, compiler.klass_info
        self._model = info["model"]
        self._columns = slice(info["select_fields"][0], info["select_fields"][-1] + 1)
        self._names = [column[0].target.attname for column in select[self._columns]]
        populators = get_related_populators(info, select, self._alias, *fetch_mode)
        self._related = [_faster(populator, self._alias) for populator in populators]
        self._annotations = list(compiler.annotation_col_map.items())
        converters = compiler.get_converters([column[0] for column in select])
        self._converters = [
            (i, convert, expression) for i, (all_, expression) in converters.items() for convert in all_
        ]

    def _find(self, stand_ins: dict[str, Any], connection: Any) -> None:
        """Give each value of the SQL a name: that of a parameter, or that of a constant."""
        wanted = self._compared(stand_ins, connection)
        names = [
            next((name for name, stand_in in wanted.items() if stand_in == value), f"constant{place}")
            for place, value in enumerate(self._values)
        ]
        if missing := wanted.keys() - set(names):
            raise LookupError(f"the parameters {sorted(missing)} are nowhere in the SQL")
        constants = {name: value for name, value in zip(names, self._values, strict=True) if name not in wanted}
        # For SQLite, Django rewrites the placeholders at each execution; names need a fifth of the time.
        self._prepared = PreparedQuery(with_placeholders(self._sql, [f"%({name})s" for name in names]), constants)

    def _compared(self, parameters: dict[str, Any], connection: Any) -> dict[str, Any]:
        """Return the values as the driver gets them. Prepared: MariaDB's backend refuses to store 0 as a new key."""
        return {
            name: field.get_db_prep_value(field.get_prep_value(parameters[name]), connection, prepared=True)
            for name, field in self._fields.items()
        }

    def _give_up(self, error: Exception) -> None:
        self.is_compiled = False
        note_difference("the ORM builds the query of each request anew", repr(error))

    def first(self, **parameters: Any) -> Any:
        """Return the first row as the queryset would, with related instances and annotations; None if there is none."""
        if self.is_compiled:
            connection = connections[self._alias]
            row = self._row(parameters, connection)
            try:
                return None if row is None else self._instance(row, connection)
            except DatabaseError:
                raise
            except Exception as error:  # noqa: BLE001  # as above
                self._give_up(error)
        return self._build(**parameters).first()

    def _row(self, parameters: dict[str, Any], connection: Any) -> list[Any] | None:
        wanted = self._compared(parameters, connection)
        with connection.cursor() as cursor:
            self._prepared.execute(cursor, connection, wanted)
            row = cursor.fetchone()
        return None if row is None else list(row)

    def _instance(self, row: list[Any], connection: Any) -> Any:
        for i, convert, expression in self._converters:
            row[i] = convert(row[i], expression, connection)
        instance = from_row(self._model, self._alias, self._names, row[self._columns])
        for populate in self._related:
            populate(row, instance)
        for name, column in self._annotations:
            setattr(instance, name, row[column])
        return instance


def _faster(populator: Any, using: str) -> Callable[[list[Any], Any], None]:
    """Return a faster equivalent of `populator.populate`, which sets the related instance."""
    if populator.reorder_for_init or populator.related_populators:
        populate: Callable[[list[Any], Any], None] = populator.populate
        return populate
    model, names, place_of_key = populator.model_cls, populator.init_list, populator.pk_idx
    columns = slice(populator.cols_start, populator.cols_end)
    set_related, set_back = populator.local_setter, populator.remote_setter

    def set_from_row(row: list[Any], instance: Any) -> None:
        values = row[columns]
        related = None if values[place_of_key] is None else from_row(model, using, names, values)
        set_related(instance, related)
        if related is not None:
            set_back(related, instance)

    return set_from_row


def _stand_in(field: Any) -> Any:
    value = uuid.uuid4()
    # For a number that its column can't hold, Django writes no SQL. Small ones hold 15 bits; the highest one is set,
    # so that the number is none of the query's own.
    is_small = "Small" in field.get_internal_type()
    number = 2**14 + (value.int >> 114) if is_small else value.int >> 97  # 31 bits
    if isinstance(field, models.DateTimeField):
        return datetime.fromtimestamp(number, timezone.utc)
    if isinstance(field, models.IntegerField):
        return number
    return value if isinstance(field, models.UUIDField) else value.hex
