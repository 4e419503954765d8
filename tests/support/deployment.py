"""Servers as in production: a PostgreSQL that can be frozen, and gunicorn's workers."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT

PATIENCE = 60  # seconds
PASSWORD = "secret"

# One for each test: what one test does to its user, such as ending hundreds of sessions, changes nothing for the next.
USERNAMES = [f"user{number}" for number in range(100)]


def missing(what: str) -> None:
    if os.environ.get("REQUIRE_DEPLOYMENT"):
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


@dataclass
class Cluster:
    """A PostgreSQL that can be frozen and killed."""

    binaries: Path
    directory: Path
    usernames: Iterator[str] = field(default_factory=lambda: iter(USERNAMES))

    def run(self, *command: str) -> None:
        user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)

    def create(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        self.run(str(self.binaries / "initdb"), "-D", str(self.data), "-A", "trust", "-U", "postgres", "--no-sync")

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.directory} -c fsync=off"
        log = str(self.directory / "log")
        self.run(str(self.binaries / "pg_ctl"), "-D", str(self.data), "-w", "-o", options, "-l", log, "start")

    def kill(self) -> None:
        self.run(str(self.binaries / "pg_ctl"), "-D", str(self.data), "-m", "immediate", "stop")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        processes = self._processes()
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

    def _processes(self) -> list[int]:
        postmaster = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True)
        return [postmaster, *map(int, children.stdout.split())]


def manage(cluster: Cluster, *arguments: str, **jwt_auth: Any) -> str:
    """Run a command of the first server and return its output."""
    env = environment(cluster, DEPLOYMENT_JWT_AUTH=json.dumps(jwt_auth))
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(cluster: Cluster, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.deployment.settings",
        "DEPLOYMENT_DATABASE": str(cluster.directory),
        "TEST_DATABASE": "sqlite",
        "TEST_USER": "stock",
        "PYTHONPATH": str(ROOT),
        **more,
    }


@dataclass
class Server:
    """A gunicorn, and the user who signs in to it."""

    port: int
    process: Any
    username: str

    def send(self, method: str, path: str, *, token: str = "", body: Any = None, timeout: float = PATIENCE) -> Any:
        """Return the status, the body and the worker that answered, or None if no answer came in time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            document = None if body is None else json.dumps(body)
            connection.request(method, path, document, {**headers, "Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("X-Worker")
        except TimeoutError:
            return None
        finally:
            connection.close()

    @property
    def credentials(self) -> dict[str, str]:
        return {"username": self.username, "password": PASSWORD}

    def login(self) -> str:
        status, body, _ = self.send("POST", "/auth/login/", body=self.credentials)
        assert status == 200, body
        return json.loads(body)["access_token"]

    def logout(self, token: str) -> None:
        assert self.send("POST", "/auth/logout/", token=token)[0] == 204

    def plain(self, token: str, timeout: float = PATIENCE) -> Any:
        return self.send("GET", "/plain/", token=token, timeout=timeout)


BOUND = 1.0  # the default of REVOCATION_MAX_STALENESS


LATE = 0.2  # of a machine that may be busy
