"""Servers as in production: gunicorn's workers and a PostgreSQL, which only the tests use and which stop afterwards."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.deployment import GUNICORN, PATIENCE, Cluster, Server, a_cluster, start_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    once = os.environ.get("TEST_DATABASE") == "postgresql" and os.environ.get("TEST_USER", "stock") == "stock"
    if once:
        return
    folder = f"{here.relative_to(ROOT).as_posix()}/"  # of an id: a path of each test of the suite would take a second
    for item in items:
        if item.nodeid.startswith(folder):
            item.add_marker(pytest.mark.skip(reason="starts servers: run with TEST_DATABASE=postgresql"))


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    with a_cluster() as cluster:
        yield cluster


@pytest.fixture
def serve(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`serve("--workers=2", REVOCATION_CACHE="shared")` starts a server. All servers of a test have the same user."""
    started: list[Server] = []
    username = next(cluster.usernames)

    def start(
        *options: str,
        program: Sequence[str] = GUNICORN,
        redis: str = "",
        settings: str = "settings",
        env: dict[str, str] | None = None,
        **jwt_auth: Any,
    ) -> Server:
        more = {"DEPLOYMENT_JWT_AUTH": json.dumps(jwt_auth), "DJANGO_SETTINGS_MODULE": f"tests.deployment.{settings}"}
        if redis:
            more["DEPLOYMENT_REDIS"] = redis
        server = start_server(cluster, username, options, program, **more, **(env or {}))
        started.append(server)
        return server

    try:
        yield start
    finally:
        for server in started:
            server.process.terminate()
        for server in started:
            server.process.wait(PATIENCE)
