"""
Measure how many honest clients lose their session while the server stalls.

    python -m benchmarks.stalls [--sessions 400] [--tabs 5] [--seconds 13] [--workers 2]

It starts a PostgreSQL and a gunicorn of its own.

    frozen    the database stands still for some seconds while clients refresh. Two tabs of each client ask at once,
              and repeat the request after five seconds without an answer.
    queued    all tabs of all clients ask at once, and wait for the answer in front of the app.

Prints JSON: the number of sessions that ended, of different successors of one token, and the longest time to an answer.
"""

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import ROOT
from tests.support.deployment import Cluster, environment

_START = """
import json
from django.contrib.auth import get_user_model
from jwt_auth import sessions
user = get_user_model().objects.create_user("alice-{name}")
print(json.dumps([sessions.start(user).refresh_token for _ in range({number})]))
"""
_ENDED = "from jwt_auth.models import UserSession; print(UserSession.objects.exclude(revoked_at=None).count())"
_LONGEST = 300  # seconds until a client gives up


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stalls", description=__doc__)
    parser.add_argument("--sessions", type=int, default=400)
    parser.add_argument("--tabs", type=int, default=5, help="tabs of each client, in the queue")
    parser.add_argument("--seconds", type=float, default=13, help="how long the database is frozen")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=["frozen", "queued"])
    options = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="jwt_auth_", dir="/tmp"))
    cluster = Cluster(max(Path("/usr/lib/postgresql").glob("*/bin")), directory)
    try:
        cluster.create()
        cluster.start()
        _manage(cluster, "migrate", "-v0")
        found = {}
        if options.only != "queued":
            with _server(cluster, f"--workers={options.workers}", "--threads=8") as port:
                found["frozen"] = _frozen(cluster, port, options)
        if options.only != "frozen":
            with _server(cluster, f"--workers={options.workers}") as port:
                found["queued"] = _queued(cluster, port, options)
        print(json.dumps(found, indent=1))
    finally:
        if (cluster.data / "postmaster.pid").exists():
            cluster.kill()
        shutil.rmtree(directory)


def _manage(cluster: Cluster, *command: str) -> str:
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        check=True,
        cwd=ROOT,
        env=environment(cluster),
        capture_output=True,
        text=True,
    ).stdout


@contextmanager
def _server(cluster: Cluster, *options: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "tests.deployment.server:application", "-b", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, "--log-level=error", "--backlog=4096", *options], cwd=ROOT, env=environment(cluster)
    )
    try:
        asyncio.run(_wait_for(port))
        yield port
    finally:
        process.terminate()
        process.wait(60)


async def _wait_for(port: int) -> None:
    if (await _tab(port, "x", 5))[0] not in (400, 401):
        raise RuntimeError("gunicorn does not answer")


async def _refresh(port: int, token: str) -> tuple[int, Any]:
    body = json.dumps({"refresh_token": token}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"POST /auth/refresh/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nConnection: close\r\n\r\n".encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(text)


async def _tab(port: int, token: str, timeout: float) -> tuple[int, Any, float]:
    """Repeat a refresh until it is answered, and not with 503; return the answer and the time that it took."""
    begun = time.monotonic()
    while time.monotonic() < begun + _LONGEST:
        try:
            status, body = await asyncio.wait_for(_refresh(port, token), timeout)
        except (TimeoutError, asyncio.TimeoutError, OSError, IndexError):  # IndexError: an empty answer
            status, body = 503, {}
        if status != 503:
            return status, body, time.monotonic() - begun
        await asyncio.sleep(0.1)
    return 0, {}, time.monotonic() - begun


def _sessions(cluster: Cluster, name: str, number: int) -> list[str]:
    tokens: list[str] = json.loads(_manage(cluster, "shell", "-v0", "-c", _START.format(name=name, number=number)))
    return tokens


def _report(cluster: Cluster, answers: list[list[tuple[int, Any, float]]]) -> dict[str, Any]:
    successors = [{body.get("refresh_token") for status, body, _ in each if status == 200} for each in answers]
    every = [answer for each in answers for answer in each]
    return {
        "sessions": len(answers),
        "requests": len(every),
        "sessions that ended": int(_manage(cluster, "shell", "-v0", "-c", _ENDED)),
        "answers": dict(Counter(f"{status} {body.get('code', '')}".strip() for status, body, _ in every)),
        "tokens with different successors": sum(len(each) > 1 for each in successors),
        "longest time to an answer": round(max(seconds for _, _, seconds in every), 1),
    }


def _frozen(cluster: Cluster, port: int, options: Any) -> dict[str, Any]:
    tokens = _sessions(cluster, "frozen", min(options.sessions, 60))

    async def client(number: int, token: str) -> list[tuple[int, Any, float]]:
        await asyncio.sleep(2 * number / len(tokens))
        return list(await asyncio.gather(*[_tab(port, token, 5) for _ in range(2)]))

    async def freeze() -> None:
        await asyncio.sleep(0.5)
        with cluster.frozen():
            await asyncio.sleep(options.seconds)

    async def run() -> list[Any]:
        clients = [client(*each) for each in enumerate(tokens)]
        return await asyncio.gather(*clients, freeze())

    return _report(cluster, asyncio.run(run())[:-1])


def _queued(cluster: Cluster, port: int, options: Any) -> dict[str, Any]:
    before = int(_manage(cluster, "shell", "-v0", "-c", _ENDED))
    tokens = _sessions(cluster, "queued", options.sessions)

    async def run() -> list[Any]:
        # One tab of each client after the other: the requests with one token are far apart in the queue.
        tabs = [[asyncio.ensure_future(_tab(port, token, _LONGEST)) for token in tokens] for _ in range(options.tabs)]
        columns = [await asyncio.gather(*each) for each in tabs]
        return [list(each) for each in zip(*columns, strict=True)]

    found = _report(cluster, asyncio.run(run()))
    return {**found, "sessions that ended": found["sessions that ended"] - before}


if __name__ == "__main__":
    main()
