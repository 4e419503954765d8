"""
Many open WebSockets over two processes of uvicorn: the memory of each, and when those of revoked users are closed.

    pip install uvicorn websockets
    python -m benchmarks.sockets [--users 500] [--revoked 100]

Each user has a socket at each process. In memory mode, and with REVOCATION_PUSH if Redis is installed, one process
revokes some of the users, one after the other; each with their own time. The memory is compared with that of as many
sockets of an application without authentication. It starts a PostgreSQL and the servers, and prints a table.
"""

import argparse
import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import report
from benchmarks.bound import a_server
from benchmarks.versions import versions
from tests.support.deployment import BOUND, SOCKETS, Cluster, Server, a_cluster
from tests.support.open_sockets import close, open_sockets, revoke_meanwhile, tokens_of
from tests.support.redis_server import redis_server

_WARM_UP = 20  # users


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    The results of one kind of sockets.

    Args:
        kilobytes: what a socket adds to the memory of its process.
        seconds: after which the sockets of revoked users were closed: the median, 99 % of them, the last one.
    """

    sockets: int
    kilobytes: float
    closed: int = 0
    seconds: tuple[float, float, float] | None = None


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sockets", description=__doc__)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--revoked", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = {}
    with ExitStack() as stack:
        cluster = stack.enter_context(a_cluster())
        push = {}
        if shutil.which("redis-server"):
            url = stack.enter_context(redis_server())
            push = {"REVOCATION_CACHE": "shared", "REVOCATION_PUSH": url}
        kinds: list[tuple[str, str, int, dict[str, Any]]] = [
            ("open", "/open/", 0, {}),
            ("memory", "/", options.revoked, {}),
            *([("push", "/", options.revoked, push)] if push else []),
        ]
        for name, path, revoked, settings in kinds:
            with _servers(cluster, settings) as servers:
                tokens = tokens_of(cluster, options.users)
                found[name] = asdict(asyncio.run(_measure(servers, tokens, path, revoked)))
    results = {"versions": versions("Django", "uvicorn", "websockets"), "sockets": found}
    print(json.dumps(results, indent=1) if options.json else report.sockets(results))


@contextmanager
def _servers(cluster: Cluster, jwt_auth: Mapping[str, Any]) -> Iterator[list[Server]]:
    more = {
        "DEPLOYMENT_JWT_AUTH": json.dumps(jwt_auth),
        "DJANGO_SETTINGS_MODULE": "tests.deployment.asynchronous_settings",
    }
    if jwt_auth:
        more["DEPLOYMENT_REDIS"] = jwt_auth["REVOCATION_PUSH"]
    with ExitStack() as stack:
        yield [stack.enter_context(a_server(cluster, "user0", SOCKETS, **more)) for _ in range(2)]


async def _measure(servers: list[Server], tokens: Mapping[str, str], path: str, revoked: int) -> Found:
    """Open the sockets, after some that only warm the servers up, and revoke the first users."""
    await close(await open_sockets(servers, dict(list(tokens.items())[:_WARM_UP]), path))
    before = sum(map(_kilobytes, servers))
    sockets = await open_sockets(servers, tokens, path)
    kilobytes = (sum(map(_kilobytes, servers)) - before) / len(sockets)
    if not revoked:
        await close(sockets)
        return Found(sockets=len(sockets), kilobytes=kilobytes)
    took = await revoke_meanwhile(servers[0], sockets, list(tokens)[:revoked], BOUND + 5)
    await close(sockets)
    seconds = (median(took), took[int(len(took) * 0.99) - 1], took[-1])
    return Found(sockets=len(sockets), kilobytes=kilobytes, closed=len(took), seconds=seconds)


def _kilobytes(server: Server) -> int:
    """Return the memory of a process."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main()
