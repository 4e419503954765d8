"""Servers as in production: gunicorn's workers and a PostgreSQL, which only the tests use and which stop afterwards."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.deployment import PASSWORD, PATIENCE, USERNAMES, Cluster, Server, environment, missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    once = os.environ.get("TEST_DATABASE") == "postgresql" and os.environ.get("TEST_USER", "stock") == "stock"
    for item in items:
        if here in item.path.parents and not once:
            item.add_marker(pytest.mark.skip(reason="starts servers: run with TEST_DATABASE=postgresql"))


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
        Path(path) for path in [shutil.which("initdb")] if path
    ]
    if not found:
        missing("initdb of PostgreSQL")
    # Not below pytest's own directory, which the user postgres may not enter.
    directory = Path(tempfile.mkdtemp(prefix="jwt_auth_", dir="/tmp"))
    cluster = Cluster(found[-1].parent, directory)
    try:
        cluster.create()
        cluster.start()
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], check=True, cwd=ROOT, env=environment(cluster))
        make_users = (
            "from django.contrib.auth.hashers import make_password; from django.contrib.auth.models import User; "
            f"password = make_password({PASSWORD!r}); "
            f"User.objects.bulk_create(User(username=name, password=password) for name in {USERNAMES})"
        )
        subprocess.run([*manage, "shell", "-v0", "-c", make_users], check=True, cwd=ROOT, env=environment(cluster))
        yield cluster
    finally:
        if (cluster.data / "postmaster.pid").exists():
            cluster.kill()
        shutil.rmtree(directory)


@pytest.fixture
def serve(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`serve("--workers=2", REVOCATION_CACHE="shared")` starts a server. All servers of a test have the same user."""
    started: list[Server] = []
    username = next(cluster.usernames)

    def start(*options: str, redis: str = "", settings: str = "settings", **jwt_auth: Any) -> Server:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "tests.deployment.server:application", "-b", f"127.0.0.1:{port}"]
        more = {"DEPLOYMENT_JWT_AUTH": json.dumps(jwt_auth), **({"DEPLOYMENT_REDIS": redis} if redis else {})}
        more["DJANGO_SETTINGS_MODULE"] = f"tests.deployment.{settings}"
        process = subprocess.Popen(
            [*command, "--log-level=error", *options], cwd=ROOT, env=environment(cluster, **more)
        )
        server = Server(port, process, username)
        started.append(server)
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if server.plain("")[0] == 401:
                    return server
            assert process.poll() is None, "gunicorn ended"
            assert time.monotonic() < deadline, "gunicorn does not answer"
            time.sleep(0.05)

    try:
        yield start
    finally:
        for server in started:
            server.process.terminate()
        for server in started:
            server.process.wait(PATIENCE)
