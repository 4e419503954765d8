"""
Measure how long revoked tokens are accepted in memory mode, under each kind of server.

    pip install gevent uvicorn
    python -m benchmarks.bound [--sessions 200]

Each kind runs twice, with two processes each, on a PostgreSQL of their own. All sessions are revoked at one of the two
servers, while requests with their tokens go to both without a pause. Prints a table of the seconds from the answer to a
revocation until the beginning of the last request that was accepted.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from tests.support.bound import acceptances
from tests.support.deployment import BOUND, GUNICORN, Cluster, Server, a_cluster, start_server

_UVICORN = ("uvicorn", "benchmarks.asgi:application", "--log-level=error", "--port={port}")

SERVERS = {
    "gunicorn, 4 threads, preloaded": (GUNICORN, ["--workers=2", "--threads=4", "--preload"]),
    "gunicorn, gevent": (GUNICORN, ["--workers=2", "--worker-class=gevent"]),
    "uvicorn": (_UVICORN, ["--workers=2"]),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bound", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    options = parser.parse_args(arguments)
    print("| server | median, s | 99 % | longest | processes |\n| --- | --: | --: | --: | --: |")
    with a_cluster() as cluster:
        for name, (program, more) in SERVERS.items():
            username = next(cluster.usernames)
            with (
                a_server(cluster, username, program, more) as first,
                a_server(cluster, username, program, more) as second,
            ):
                lasts, refused_by = acceptances([first, second], second, options.sessions)
            highest = lasts[int(len(lasts) * 0.99) - 1]
            print(f"| {name} | {median(lasts):.2f} | {highest:.2f} | {lasts[-1]:.2f} | {len(refused_by)} |", flush=True)
    print(f"\nThe bound is {BOUND} s.")


@contextmanager
def a_server(
    cluster: Cluster, username: str, program: Sequence[str], options: Sequence[str] = (), **more: str
) -> Iterator[Server]:
    """Run a server, with `more` in its environment."""
    server = start_server(cluster, username, options, program, **more)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(60)


if __name__ == "__main__":
    main()
