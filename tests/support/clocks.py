"""The moment at which tests stop time, and clocks that only a test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from time import monotonic
from unittest import mock

import pytest

from jwt_auth.process import clock

NOW = datetime(2026, 5, 17, 12, 30, 15, 250_000, tzinfo=timezone.utc)


class Ticks:
    """A clock that only goes forward, and only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds

    def replace_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this be the clock by which the process polls; the wall clock then tells it of no suspension."""
        monkeypatch.setattr(clock, "monotonic", self)
        monkeypatch.setattr(clock, "time", self)


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """Move the clock by which this process polls forward in the block."""

    def ahead() -> float:
        return monotonic() + seconds

    with mock.patch.object(clock, "monotonic", ahead):
        yield
