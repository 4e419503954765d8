"""Threads that start at once, each with a database connection of its own."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections

MAX_THREADS = 20
PATIENCE = 60  # seconds, after which a deadlock fails the test instead of hanging it


@pytest.fixture
def at_once(request: pytest.FixtureRequest) -> Iterator[Callable[..., list[Any]]]:
    """`at_once(f, g)` calls both at the same moment, in two threads; their results, in this order."""
    request.getfixturevalue("transactional_db")  # torn down after the connections of the threads are closed
    assert not connection.in_atomic_block, "mark the test with django_db(transaction=True): threads commit"
    pool = ThreadPoolExecutor(MAX_THREADS)

    def run(*actions: Callable[[], Any]) -> list[Any]:
        barrier = Barrier(len(actions))

        def start(action: Callable[[], Any]) -> Any:
            barrier.wait(PATIENCE)
            return action()

        futures = [pool.submit(start, action) for action in actions]
        return [future.result(PATIENCE) for future in futures]

    try:
        yield run
    finally:
        # A barrier hands exactly one of these to each thread, and only a thread can close its connection.
        run(*[connections.close_all] * MAX_THREADS)
        pool.shutdown()


@pytest.fixture(autouse=True)
def _many_requests(jwt_settings: Callable[..., None], settings: Any) -> None:
    """Races are repeated hundreds of times from one address."""
    jwt_settings(LOGIN_THROTTLE="100000/min")
    rates = {"jwt_auth_refresh": "100000/min", "jwt_auth_revoke": "100000/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
