"""Watches of alice's tokens, in a mode that the test chooses."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from jwt_auth import sessions


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
