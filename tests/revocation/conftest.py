"""Memory mode with a clock of its own, and what other processes do, as this one sees it."""

from typing import Any

import pytest

from jwt_auth.revocation.memory import view as memory
from tests.support.clocks import Ticks
from tests.support.other_processes import by_another_process


@pytest.fixture
def in_memory(jwt_settings: Any, ticks: Ticks) -> Any:
    """`in_memory(NAME=value)` turns memory mode on, by the clock `ticks`; the view."""

    def switch(**values: Any) -> memory.View:
        jwt_settings(REVOCATION="memory", **values)
        return memory.view()

    return switch


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`with elsewhere():` stands for another process."""
    return lambda: by_another_process(monkeypatch)


@pytest.fixture(params=["database", "memory"])
def revocation(request, jwt_settings):
    """One contract for both ways of asking."""
    jwt_settings(REVOCATION=request.param)
    return request.param
