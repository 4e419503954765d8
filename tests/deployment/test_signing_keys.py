"""
Keys of running processes: a rotation under traffic loses no request, and a revoked key is refused within the bound.

The processes are gunicorn's workers, which get no message and are not restarted. Time is real.
"""

import json
import subprocess
import sys
import threading
import time

import pytest

from tests.support import ROOT
from tests.support.bound import answers_of_all, workers_of
from tests.support.deployment import BOUND, LATE, environment, keys_by_state

ANEW = (
    "from jwt_auth.models import SigningKey; from jwt_auth import signing_keys; "
    "SigningKey.objects.all().delete(); signing_keys.create(activate=True)"
)

# A standby key that was published long enough ago that all processes know it.
PUBLISH = (
    "from datetime import timedelta; from django.utils import timezone; from jwt_auth import signing_keys; "
    "print(signing_keys.create(now=timezone.now() - timedelta(minutes=10)).kid)"
)


@pytest.fixture(params=["database", "memory"])
def settings_of_keys(request):
    return {"KEYS": "database", "ALGORITHM": "ES256", "REVOCATION": request.param}


@pytest.fixture
def manage(cluster, settings_of_keys):
    """Run a command, as an operator does beside the servers."""
    env = environment(cluster, DEPLOYMENT_JWT_AUTH=json.dumps(settings_of_keys))

    def run(*command):
        done = subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def server(manage, serve, settings_of_keys):
    manage("shell", "-v0", "-c", ANEW)
    return serve("--workers=3", "--threads=4", "--preload", **settings_of_keys)


def active_key(cluster):
    return keys_by_state(cluster)["active"]


class Traffic:
    """Clients that sign in, send requests and refresh without a pause; `statuses` has the answers."""

    def __init__(self, server, clients=4):
        self.server, self.statuses, self._stop = server, [], threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        pair = self._ask("/auth/login/", self.server.credentials)
        while not self._stop.is_set():
            for _ in range(5):
                self.statuses.append(self.server.plain(pair["access_token"])[0])
            pair = self._ask("/auth/refresh/", {"refresh_token": pair["refresh_token"]})

    def _ask(self, path, body):
        status, document, _ = self.server.send("POST", path, body=body)
        self.statuses.append(status)
        return json.loads(document)


def test_a_rotation_under_traffic_loses_no_request(server, manage, cluster):
    first = active_key(cluster)
    with Traffic(server) as traffic:
        manage("shell", "-v0", "-c", PUBLISH)
        manage("jwt_keys", "retire", first)
        time.sleep(2 * BOUND)
    assert active_key(cluster) != first
    assert set(traffic.statuses) == {200}
    assert len(traffic.statuses) > 100


def test_a_revoked_key_is_refused_by_every_worker_within_the_bound(server, manage, cluster, settings_of_keys):
    token = server.login()
    workers = workers_of(server, token, 3)
    manage("jwt_keys", "revoke", active_key(cluster), "--emergency", "--yes")
    revoked_at = time.monotonic()
    bound = BOUND + LATE if settings_of_keys["REVOCATION"] == "memory" else 0
    time.sleep(bound)
    answers = answers_of_all(server, token, workers)
    assert {(status, json.loads(body)["code"]) for status, body in answers} == {(401, "token_revoked")}
    # By now each worker signs tokens with the key that took over.
    time.sleep(max(0, revoked_at + BOUND + LATE - time.monotonic()))
    assert {server.plain(server.login())[0] for _ in range(12)} == {200}
