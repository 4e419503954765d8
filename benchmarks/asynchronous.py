"""
Requests per second of asynchronous and synchronous views under uvicorn, with one process. Requires wrk and uvicorn.

    pip install uvicorn uvloop httptools adrf
    python -m benchmarks.asynchronous [--database postgresql]

All views are in one process, and take turns in short rounds. Prints a table: the medians of requests per second, what
they are of the open asynchronous view's in the same round, and the least CPU time of a request over that view's.
The open views have no middleware; the views of `JWTUserMiddleware` have that and `VaryMiddleware`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import report
from benchmarks.databases import set_up
from benchmarks.server import free_port, rate, user_headers, wait_for
from benchmarks.versions import versions

OPEN = "open/anyone/"

# The paths of the views, and the contender whose headers a request has.
PATHS = {
    OPEN: "open",
    "memory/signed_in/": "jwt_auth_memory",
    "open/verified/": "jwt_auth_memory",
    "database/signed_in/": "jwt_auth_memory",
    "open/drf/open/": "open",
    "open/drf/jwt_auth_memory/": "jwt_auth_memory",
    "open/drf/jwt_auth_database/": "jwt_auth_database",
    "open/drf/simplejwt_stateless/": "simplejwt_stateless",
    "open/drf/simplejwt/": "simplejwt",
}
ADRF = {"open/adrf/open/": "open", "open/adrf/simplejwt/": "simplejwt"}

# What serves the views, and what makes uvicorn faster if it is installed.
_PACKAGES = ("uvicorn", "uvloop", "httptools", "adrf")

_TICKS = os.sysconf("SC_CLK_TCK")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asynchronous", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seconds", type=int, default=1, help="duration for each view in each round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="*", help="the paths of some views")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with set_up(options.database):
        headers = user_headers()
        with uvicorn() as (port, pid):
            found = _measure(port, pid, headers, options)
    packages = [name for name in _PACKAGES if find_spec(name)]
    results = {"versions": versions("Django", *packages), "database": options.database, "views": found}
    print(json.dumps(results, indent=1) if options.json else report.asynchronous(results))


@contextmanager
def uvicorn() -> Iterator[tuple[int, int]]:
    """Run the server, and yield its port and the id of its only process."""
    port = free_port()
    application = "benchmarks.asynchronous_asgi:application"
    command = [sys.executable, "-m", "uvicorn", application, f"--port={port}", "--no-access-log", "--lifespan=off"]
    process = subprocess.Popen([*command, "--log-level=error"])
    try:
        wait_for(port, f"/{OPEN}")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


def _measure(
    port: int, pid: int, headers: Mapping[str, Mapping[str, str]], options: Any
) -> dict[str, dict[str, float]]:
    """
    Return the requests per second of each path, their part of the open view's, and the CPU time of a request.

    The time is the least of all rounds: that of the round that other processes disturbed least.
    """
    paths = {**PATHS, **(ADRF if find_spec("adrf") else {})}
    paths = {path: name for path, name in paths.items() if not options.only or path in (OPEN, *options.only)}
    rates: dict[str, list[float]] = {path: [] for path in paths}
    microseconds: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(options.rounds):
        for path, name in paths.items():
            begun = _cpu_seconds(pid)
            per_second = rate(port, f"/{path}", headers[name], options.seconds)
            rates[path].append(per_second)
            microseconds[path].append((_cpu_seconds(pid) - begun) / per_second / options.seconds * 1e6)
    return {
        path: {
            "per second": median(rates[path]),
            "of open": median(one / of_open for one, of_open in zip(rates[path], rates[OPEN], strict=True)),
            "CPU, microseconds": min(microseconds[path]),
        }
        for path in paths
    }


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
