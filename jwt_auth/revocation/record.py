"""
Read the table of `RevocationEvent`: what `window` asks for, and all unexpired events in pieces.

Each query reads a range of an index, and no more of it than it returns or counts.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from django.db import connections
from django.db.models import (
    BooleanField,
    Case,
    Count,
    DateTimeField,
    F,
    Field,
    Func,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, TruncSecond
from django.db.models.lookups import GreaterThanOrEqual

from jwt_auth.base_models import DatabaseNow
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation.window import MODULUS, Facts, Place, Position, Row, Tally

_SECOND = timedelta(seconds=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Microseconds(Func):
    """The microseconds from 1970 to a time: a driver in Python parses a number in a tenth of the time of a date."""

    arity = 1
    output_field: Any = Field()  # not an integer, which Django would convert once more

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(EXTRACT(EPOCH FROM %(expressions)s) * 1000000)::bigint"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', %(expressions)s)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # A text: "2026-05-17 12:30:15.250000", or without the fraction. STRFTIME would round it to milliseconds, and
        # from .9995 on return the next second, to which the fraction is then added once more.
        seconds, fraction = "STRFTIME('%%%%s', SUBSTR(%(expressions)s, 1, 19))", "SUBSTR(%(expressions)s, 21)"
        template = f"(CAST({seconds} AS INTEGER) * 1000000 + CAST({fraction} AS INTEGER))"
        return self.as_sql(compiler, connection, template=template, **context)


class _IsBeyond(Func):
    """PostgreSQL's condition that two values come after two others: the second ones decide if the first are equal."""

    arity = 4
    output_field: Any = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, *arguments: Any, **context: Any) -> Any:
        texts, parameters = zip(*map(compiler.compile, self.get_source_expressions()), strict=True)
        return "({}, {}) > ({}, {})".format(*texts), [each for some in parameters for each in some]


def _is_beyond(name: str, moment: datetime, number: int, vendor: str) -> Q:
    """
    Return the condition for the events after a place in the order of a time and the number.

    Any number of events may share a time. These are the forms in which a database begins to read an index at the place;
    in others it reads all that share the time again, with each page.
    """
    if vendor == "postgresql":
        return Q(_IsBeyond(F(name), F("pk"), Value(moment, DateTimeField()), Value(number)))
    later = Q(**{f"{name}__gt": moment})
    if vendor == "mysql":
        return later | Q(**{name: moment, "pk__gt": number})
    # SQLite finds the time in the index, and not the number.
    return Q(later | Q(pk__gt=number), **{f"{name}__gte": moment})


class _Moments(dict[Any, Any]):
    """The times that belong to numbers of microseconds."""

    def __missing__(self, number: int) -> datetime:
        self[number] = moment = _EPOCH + timedelta(microseconds=number)
        return moment


class Table:
    """
    The table, as `window.Record` wants it.

    Args:
        kind: the named tuples that events are read into: a `window.Row`, whose fields are columns.
    """

    def __init__(self, kind: type[Any]) -> None:
        self._kind = kind
        columns = map(RevocationEvent._meta.get_field, kind._fields)
        self._times = [place for place, column in enumerate(columns) if isinstance(column, DateTimeField)]

    def facts(self, since: datetime, newest: int | None) -> Facts:
        """See `window.Record`."""
        created_at = RevocationEvent.objects.filter(pk=newest or 0).values("created_at")[:1]
        found = _since(since).aggregate(
            rows=Count("*"),
            total=Coalesce(Sum(_remainder()), 0),
            now=_constant(DatabaseNow()),
            **({} if newest is None else {"newest": _constant(Subquery(created_at))}),
        )
        return Facts(found["now"], Tally(found["rows"], int(found["total"])), found.get("newest"))

    def by_second(self, since: datetime) -> dict[int, Tally]:
        """See `window.Record`."""
        second = TruncSecond("recorded_at", tzinfo=timezone.utc)
        tallies = _since(since).order_by().values_list(second).annotate(rows=Count("*"), total=Sum(_remainder()))
        return {int(second.timestamp()): Tally(rows, int(total)) for second, rows, total in tallies}

    def in_seconds(self, seconds: Iterable[int]) -> list[Row]:
        """See `window.Record`."""
        ranges = (Q(recorded_at__gte=since, recorded_at__lt=until) for since, until in _ranges(sorted(seconds)))
        return self._rows(RevocationEvent.objects.filter(Q(*ranges, _connector=Q.OR)))

    def after(self, position: Position, limit: int) -> list[Row]:
        """See `window.Record`."""
        return self._beyond("recorded_at", *position, limit)

    def unexpired(self, place: Place, limit: int) -> tuple[list[Row], Place | None]:
        """
        Return the first events after `place`, `limit` at most, and where to go on; None at the end.

        Begin with a place at the moment until which all events have expired.
        """
        if place.expires_at is None:
            rows = self._rows(RevocationEvent.objects.filter(expires_at=None, pk__gt=place.id).order_by("pk")[:limit])
        else:
            rows = self._beyond("expires_at", place.expires_at, place.id, limit)
        if len(rows) == limit:
            last = rows[-1]
            return rows, Place(last.expires_at, last.id)
        return rows, None if place.expires_at is None else Place(None)

    def _beyond(self, name: str, moment: datetime, number: int, limit: int) -> list[Row]:
        """Return the first events in the order of a time and the number, after a place in it."""
        events = RevocationEvent.objects.order_by(name, "pk")
        return self._rows(events.filter(_is_beyond(name, moment, number, connections[events.db].vendor))[:limit])

    def _rows(self, events: QuerySet[RevocationEvent]) -> list[Row]:
        names = enumerate(self._kind._fields)
        fields = [Microseconds(name) if place in self._times else F(name) for place, name in names]
        # Column by column: a new process may read hundreds of thousands of rows, and many of them share their times.
        columns: list[Iterable[Any]] = list(zip(*events.values_list(*fields), strict=True)) or [()] * len(fields)
        moments = _Moments({None: None})  # events that were written together share their times
        for place in self._times:
            columns[place] = map(moments.__getitem__, columns[place])
        return list(map(self._kind._make, zip(*columns, strict=True)))


def database_now() -> datetime:
    """Return the time by the clock of the database. One query, which reads no row."""
    now: datetime = RevocationEvent.objects.filter(pk=0).aggregate(now=_constant(DatabaseNow()))["now"]
    return now


def _since(moment: datetime) -> QuerySet[RevocationEvent]:
    return RevocationEvent.objects.filter(recorded_at__gte=moment)


def _remainder() -> Any:
    return F("pk") % MODULUS


def _constant(expression: Any) -> Case:
    """Return `expression` as an aggregate that does not depend on the rows: there may be none."""
    return Case(When(GreaterThanOrEqual(Count("*"), 0), then=expression))


def _ranges(seconds: list[int]) -> list[tuple[datetime, datetime]]:
    """Return ranges of time with exactly these seconds."""
    ranges: list[tuple[datetime, datetime]] = []
    for moment in (datetime.fromtimestamp(second, timezone.utc) for second in seconds):
        since = ranges.pop()[0] if ranges and ranges[-1][1] == moment else moment
        ranges.append((since, moment + _SECOND))
    return ranges
