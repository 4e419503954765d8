"""
WebSockets over two real processes: when users are revoked in one of them, their sockets in both are closed in time.

Time is real, as in `test_bound`. `python -m benchmarks.sockets` has more sockets.
"""

import asyncio
import logging

import pytest

from tests.support.deployment import BOUND, LATE, SOCKETS, require
from tests.support.open_sockets import close, open_sockets, revoke_meanwhile, tokens_of
from tests.support.redis_server import redis_server

require("uvicorn", "websockets")

# pytest --log-cli-level=INFO shows them.
figures = logging.getLogger(__name__)

SETTINGS = "asynchronous_settings"


def seconds_until_closed(servers, tokens, revoked):
    """Open a socket of each user at each server, revoke some users, and return when their sockets were closed."""

    async def run():
        sockets = await open_sockets(servers, tokens)
        took = await revoke_meanwhile(servers[0], sockets, revoked, BOUND + 1)
        await close(sockets)
        return took

    took = asyncio.run(run())
    figures.info("closed: median %.3f s, longest %.3f s", took[len(took) // 2], took[-1])
    return took


@pytest.mark.parametrize("mode", ["memory", "database"])
def test_exactly_the_sockets_of_revoked_users_are_closed_within_the_bound(serve, cluster, mode):
    servers = [serve(program=SOCKETS, settings=SETTINGS, REVOCATION=mode) for _ in range(2)]
    tokens = tokens_of(cluster, 50)
    took = seconds_until_closed(servers, tokens, list(tokens)[::5])
    assert len(took) == 20
    assert took[-1] < BOUND + LATE


@pytest.mark.thorough
def test_with_messages_they_are_closed_at_once(serve, cluster):
    pytest.importorskip("redis")
    with redis_server() as url:
        options = {"redis": url, "REVOCATION_CACHE": "shared", "REVOCATION_PUSH": url}
        servers = [serve(program=SOCKETS, settings=SETTINGS, **options) for _ in range(2)]
        tokens = tokens_of(cluster, 50)
        took = seconds_until_closed(servers, tokens, list(tokens)[::5])
    assert took[len(took) // 2] < 0.3
    assert took[-1] < BOUND + LATE
