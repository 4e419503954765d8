"""
Nothing optional takes the site down: a Redis that has every role freezes, stops, is full or is emptied.

`benchmarks/redis_failures.py` measures each role in each failure by itself.
"""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.support.deployment import PATIENCE
from tests.support.redis_server import redis_server

redis = pytest.importorskip("redis")

DURATION = 2.0  # seconds

# A request may wait for each of three roles, half a second at most, and the machine may be busy. The limits of the
# clients themselves are five seconds and more, for each attempt.
LONG = 4.0  # seconds


@contextmanager
def frozen(client):
    pid = client.info()["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def stopped(client):
    os.kill(client.info()["process_id"], signal.SIGKILL)
    yield


@contextmanager
def full(client):
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    try:
        yield
    finally:
        client.config_set("maxmemory", "0")


@contextmanager
def emptied(client):
    done = threading.Event()

    def empty():
        while not done.wait(0.05):
            client.flushall()

    emptying = threading.Thread(target=empty)
    emptying.start()
    try:
        yield
    finally:
        done.set()
        emptying.join()


class Visitors:
    """Users of a server, and the longest time that one of them had to wait."""

    def __init__(self, server):
        self.server = server
        self.longest = 0.0
        self.until = 0.0

    def send(self, *arguments, **options):
        began = time.monotonic()
        answer = self.server.send(*arguments, **options)
        self.longest = max(self.longest, time.monotonic() - began)
        return answer[0], answer[1]

    def pair(self):
        status, body = self.send("POST", "/auth/login/", body=self.server.credentials)
        assert status == 200, body
        return json.loads(body)

    def repeated(self, action):
        statuses = []
        while time.monotonic() < self.until or not statuses:
            statuses.append(action())
            time.sleep(0.05)
        return set(statuses)

    def kinds(self):
        """Return a function for each kind of request, with sessions that were made before."""
        reading, refreshing, leaving = self.pair(), self.pair(), [self.pair() for _ in range(6)]
        last = {"refresh_token": refreshing["refresh_token"]}

        def refresh():
            status, body = self.send("POST", "/auth/refresh/", body=last)
            last["refresh_token"] = json.loads(body)["refresh_token"]
            return status

        def leave():
            return self.send("POST", "/auth/logout/", token=leaving.pop()["access_token"])[0] if leaving else 204

        return {
            "read": lambda: self.send("GET", "/plain/", token=reading["access_token"])[0],
            "refresh": refresh,
            "sign out": leave,
            "sign in": lambda: self.send("POST", "/auth/login/", body=self.server.credentials)[0],
        }

    def run(self, kinds, duration):
        """Send requests of all kinds at once for `duration`, and return the statuses of each kind."""
        self.longest, self.until = 0.0, time.monotonic() + duration
        with ThreadPoolExecutor(len(kinds)) as pool:
            return dict(zip(kinds, pool.map(self.repeated, kinds.values()), strict=True))


@pytest.mark.parametrize(
    ("failure", "sign_in"),
    [
        (frozen, 503),
        pytest.param(stopped, 503, marks=pytest.mark.thorough),
        pytest.param(full, 503, marks=pytest.mark.thorough),
        pytest.param(emptied, 200, marks=pytest.mark.thorough),
    ],
)
def test_only_signing_in_needs_redis_and_nobody_waits_for_it(serve, failure, sign_in):
    with redis_server() as url, redis.Redis.from_url(url) as client:
        server = serve("--workers=2", "--threads=4", redis=url, settings="failure_settings")
        visitors = Visitors(server)
        fine = {"read": {200}, "refresh": {200}, "sign out": {204}, "sign in": {200}}
        assert visitors.run(visitors.kinds(), 0.5) == fine  # the control
        kinds = visitors.kinds()
        with failure(client):
            assert visitors.run(kinds, DURATION) == {**fine, "sign in": {sign_in}}
            assert visitors.longest < LONG
        if failure is not stopped:
            deadline = time.monotonic() + PATIENCE
            while server.send("POST", "/auth/login/", body=server.credentials)[0] != 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)
