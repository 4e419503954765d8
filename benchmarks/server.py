"""
Requests per second under gunicorn, with two workers of its default kind. Requires wrk.

Each request has its own connection, because persistent connections are not distributed evenly over the workers.

    python -m benchmarks.server --database postgresql --seconds 5
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from statistics import median
from typing import Any

from benchmarks.databases import set_up

CLIENTS = 8


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seconds", type=int, default=2, help="duration for each package in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    results = {}
    with set_up(options.database):
        headers = user_headers()
        for age in ("None", "0"):
            os.environ["BENCH_CONN_MAX_AGE"] = age
            with gunicorn(options.workers) as port:
                results[f"CONN_MAX_AGE = {age}"] = _measure(port, headers, options)
    print(json.dumps({"database": options.database, "server": results}, indent=1))


def user_headers() -> dict[str, dict[str, str]]:
    """Create a user, and return the headers of the user's requests for each package."""
    from django.contrib.auth import get_user_model

    from benchmarks.contenders import CONTENDERS

    user = get_user_model()._default_manager.create_user("alice", password="x")  # type: ignore[attr-defined]
    # The bare limit only knows the tokens of its own process.
    return {item.name: dict(item.credentials(user)) for item in CONTENDERS if item.name != "bare_limit"}


@contextmanager
def gunicorn(workers: int, *arguments: str, ready: str = "/ping/open/") -> Iterator[int]:
    """Run a server on a free port, whose path `ready` answers."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(workers)),
        *("--log-level", "error", *arguments),
        "benchmarks.wsgi",
    ]
    process = subprocess.Popen(command)
    try:
        wait_for(port, ready)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port


def wait_for(port: int, path: str) -> None:
    """Wait until a request is answered, because the port is open before the workers have started."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection, suppress(OSError):
            connection.request("GET", path)
            if connection.getresponse().status == HTTPStatus.OK:
                return
        time.sleep(0.1)
    raise TimeoutError("the server did not start")


def _measure(port: int, headers: dict[str, dict[str, str]], options: Any) -> dict[str, float]:
    """Return the requests per second of each package: the median over the rounds, each of which measures all."""
    seen: dict[str, list[float]] = {name: [] for name in headers}
    for _ in range(options.rounds):
        for name, carried in headers.items():
            seen[name].append(rate(port, f"/ping/{name}/", carried, options.seconds))
    return {name: median(rates) for name, rates in seen.items()}


def rate(port: int, path: str, carried: Mapping[str, str], seconds: float) -> float:
    """Return the requests per second according to wrk; a load generator in Python would limit the result."""
    headers = [("--header", f"{name.removeprefix('HTTP_').title()}: {value}") for name, value in carried.items()]
    command = ["wrk", "--threads", "1", "--connections", str(CLIENTS), "--duration", f"{seconds}s"]
    command += [*(word for pair in headers for word in pair), f"http://127.0.0.1:{port}{path}"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(told)
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", told)[1])  # type: ignore[index]


if __name__ == "__main__":
    main()
