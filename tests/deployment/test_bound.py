"""
The bound of memory mode, between real processes: gunicorn's workers and separate servers.

Time is real here. The measured value is the promised one: the time between the answer to a revocation and the last
accepted request.
"""

import json
import logging
import threading
import time

import pytest

from tests.support.bound import acceptances, statuses, until
from tests.support.deployment import BOUND, LATE
from tests.support.redis_server import redis_server

# pytest --log-cli-level=INFO shows them.
figures = logging.getLogger(__name__)


def test_workers_threads_and_separate_servers_refuse_within_the_bound(serve):
    servers = [
        serve("--workers=2", "--threads=4", "--preload"),
        serve("--workers=2"),
    ]
    lasts, workers = acceptances(servers, servers[1], 200)
    p99 = lasts[int(len(lasts) * 0.99) - 1]
    figures.info("accepted: median %.3f s, p99 %.3f s, longest %.3f s", lasts[100], p99, lasts[-1])
    assert p99 < BOUND + LATE
    assert lasts[-1] < BOUND + LATE
    assert len(workers) == 4
    # The control: the tests can see a delay, which is that of the memory.
    assert lasts[-1] > 0.1


def test_an_emptied_cache_in_the_middle_of_traffic_undoes_nothing(serve):
    redis = pytest.importorskip("redis")
    with redis_server() as url:
        options = {"redis": url, "REVOCATION_CACHE": "shared", "REVOCATION_PUSH": url}
        servers = [serve("--workers=2", "--threads=4", "--preload", **options), serve("--workers=1", **options)]
        done = threading.Event()

        def empty():
            with redis.Redis.from_url(url) as client:
                while not done.wait(0.1):
                    client.flushall()

        emptying = threading.Thread(target=empty)
        emptying.start()
        try:
            lasts, _ = acceptances(servers, servers[1], 40)
        finally:
            done.set()
            emptying.join()
    figures.info("accepted, with messages: median %.3f s, longest %.3f s", lasts[20], lasts[-1])
    assert lasts[-1] < BOUND + LATE
    assert lasts[20] < 0.3


def test_a_database_that_is_frozen_gives_503_beyond_the_bound_and_service_resumes(serve, cluster):
    server = serve("--workers=1", "--threads=8")
    token, gone = server.login(), server.login()
    assert statuses(server, token) == [200] * 8
    with cluster.frozen():
        frozen_at = time.monotonic()
        while time.monotonic() < frozen_at + BOUND + 1.5:
            statuses(server, token, 4)
        seen = statuses(server, token, 6)
        assert 200 not in seen
        assert seen.count(503) >= 5  # one thread may be waiting for the database
        body = until(server, token, 503)
        assert json.loads(body)["code"] == "revocation_unavailable"
    until(server, token, 200)
    server.logout(gone)
    assert server.plain(gone)[0] == 401


def test_a_database_that_is_restarted_gives_503_and_service_resumes(serve, cluster):
    server = serve("--workers=2")
    token = server.login()
    assert server.plain(token)[0] == 200
    cluster.kill()
    try:
        assert json.loads(until(server, token, 503))["code"] == "revocation_unavailable"
        time.sleep(BOUND + LATE)
        assert set(statuses(server, token)) == {503}
    finally:
        cluster.start()
    until(server, token, 200)
    server.logout(token)
    time.sleep(BOUND + LATE)
    assert set(statuses(server, token)) == {401}
