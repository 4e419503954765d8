"""Memory mode with its own clock, and the actions of other processes, as this one sees them."""

from typing import Any

import pytest

from jwt_auth.revocation.memory import view as memory
from tests.support.clocks import Ticks
from tests.support.other_processes import by_another_process


@pytest.fixture
def in_memory(jwt_settings: Any, ticks: Ticks) -> Any:
    """`in_memory(NAME=value)` switches memory mode on, with the clock `ticks`, and returns the view."""

    def switch(**values: Any) -> memory.View:
        jwt_settings(REVOCATION="memory", **values)
        return memory.view()

    return switch


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`with elsewhere():` runs the block as another process."""
    return lambda: by_another_process(monkeypatch)


@pytest.fixture(params=["database", "memory"])
def revocation(request, jwt_settings):
    """Both ways to look revocations up, which have the same contract."""
    jwt_settings(REVOCATION=request.param)
    return request.param
