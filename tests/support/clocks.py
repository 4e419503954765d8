"""The moment at which tests stop time, and clocks that only a test moves."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from unittest import mock

import pytest
from django.db import connection
from django.db.models import DateTimeField, Expression, Value
from django.db.models.functions import Cast
from django.utils import timezone

from jwt_auth.process import clock

NOW = datetime.datetime(2026, 5, 17, 12, 30, 15, 250_000, tzinfo=datetime.timezone.utc)


def python_time() -> Expression:
    """Return the time by Python's clock, which tests can stop, as an expression for a query."""
    moment = Value(timezone.now(), output_field=DateTimeField())
    # MariaDB returns a text otherwise; SQLite would cut the microseconds off.
    return Cast(moment, DateTimeField()) if connection.vendor == "mysql" else moment


class NoSuspensions:
    """
    The suspensions of a machine that has none.

    The real ones are found by comparing two clocks. A thread that an earlier test has left, and that has read one clock
    before they were replaced and one after it, would find a suspension.
    """

    seconds = 0.0

    def note(self, difference: float) -> None:
        """See _Suspensions."""


class Ticks:
    """A clock that only goes forward, and only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds

    def replace_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this be the clock by which the process polls."""
        monkeypatch.setattr(clock, "_suspensions", NoSuspensions())
        monkeypatch.setattr(clock, "monotonic", self)


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """Move the clock by which this process polls forward in the block."""

    def ahead() -> float:
        return monotonic() + seconds

    with mock.patch.object(clock, "monotonic", ahead):
        yield
