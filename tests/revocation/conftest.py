"""Memory mode with a clock of its own, and what other processes do, as this one sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection

from jwt_auth.conf import lifetimes
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation.memory import uncommitted, view as memory


class Ticks:
    """A clock that only goes forward, and only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def in_memory(jwt_settings: Any, ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`in_memory(NAME=value)` turns memory mode on, by the clock `ticks`; the view."""

    def switch(**values: Any) -> memory.View:
        jwt_settings(REVOCATION="memory", **values)
        view = memory.view()
        monkeypatch.setattr(view, "_clock", ticks)
        monkeypatch.setattr(view._asking, "_clock", ticks)
        return view

    return switch


@contextmanager
def by_another_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is revoked in the block is not announced to this process."""
    with monkeypatch.context() as patch:
        patch.setattr(uncommitted, "Announcement", lambda events, tell: _Silence())
        yield


class _Silence:
    def __call__(self) -> None:
        pass


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`with elsewhere():` stands for another process."""
    return lambda: by_another_process(monkeypatch)


def end(pair: dict[str, Any], number: int | None = None) -> RevocationEvent:
    """Commit the end of a session as another process does, with the number that it was given."""
    session = UserSession.objects.get(pk=UUID(pair["session"]))
    UserSession.objects.filter(pk=session.pk).update(revoked_at=session.started_at)
    return RevocationEvent.objects.create(
        pk=number,
        created_at=session.last_issued_at,
        scope="session",
        subject=session.sid,
        expires_at=session.last_issued_at + lifetimes.longest_life(),
    )


@contextmanager
def outage() -> Iterator[list[str]]:
    """The database fails; the statements that were tried."""
    tried: list[str] = []

    def fail(execute: Any, sql: str, *arguments: Any) -> None:
        tried.append(sql)
        raise OperationalError("server closed the connection")

    with connection.execute_wrapper(fail):
        yield tried
