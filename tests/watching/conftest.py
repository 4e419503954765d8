"""Watches of alice's tokens, in a mode that the test chooses."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from jwt_auth import sessions
from jwt_auth.watching import watcher


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Give threads more time than a busy machine takes; tests of a database that hangs give them less."""
    monkeypatch.setattr(watcher, "PATIENCE", 60)


@pytest.fixture(params=["memory", "database"])
def mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param)
    return request.param


@pytest.fixture
def pair(user: Any) -> Any:
    return sessions.start(user)


@pytest.fixture
def run():
    """`run(coroutine)` runs it on an event loop, for 30 seconds at most, and returns its result."""

    def call(coroutine):
        async def limited():
            return await asyncio.wait_for(coroutine, 30)

        return async_to_sync(limited)()

    return call
