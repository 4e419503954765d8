"""A socket in front of a plain application, for a user who has signed in."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync

from jwt_auth import sessions
from jwt_auth.contrib.channels import JWTWebSocketMiddleware
from tests.support.websockets import Echo, ServedSocket, scope_of


@pytest.fixture
def run():
    """`run(scenario)` runs an asynchronous function; its queries are made in the thread of the test."""

    def run(scenario):
        async def main():
            return await scenario()

        return async_to_sync(main)()

    return run


@pytest.fixture(params=["database", "memory"])
def mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param)
    return request.param


@pytest.fixture
def tokens(user) -> Any:
    return sessions.start(user, transport="bearer")


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def served(echo):
    """`served(headers, subprotocols)` is a socket at a server with the middleware around `echo`."""

    def serve(headers=(), subprotocols=(), *, options=None, **others):
        application = JWTWebSocketMiddleware(echo, **(options or {}))
        return ServedSocket(application, scope_of(headers, subprotocols, **others))

    return serve
