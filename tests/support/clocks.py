"""The moment at which tests stop time, and clocks that only a test moves."""

from datetime import datetime, timezone

NOW = datetime(2026, 5, 17, 12, 30, 15, 250_000, tzinfo=timezone.utc)


class Ticks:
    """A clock that only goes forward, and only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds
