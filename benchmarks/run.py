"""
All measurements in one process, on one kind of database; prints JSON to standard output.

    python -m benchmarks.run --rounds 300
"""

import argparse
import json
from typing import Any
from unittest import mock

from benchmarks.databases import set_up
from benchmarks.versions import versions


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--rounds", type=int, default=300, help="number of rounds; each round measures all packages")
    parser.add_argument("--operations", type=int, default=50, help="number of repetitions of each operation")
    parser.add_argument("--sessions", type=int, default=1000, help="number of sessions of the user that is revoked")
    parser.add_argument("--growth", type=int, nargs="*", default=[], help="numbers of users, sessions, revocations")
    options = parser.parse_args(arguments)
    with set_up(options.database):
        print(json.dumps(run(options), indent=1))


def run(options: Any) -> dict[str, Any]:
    from django.contrib.auth import get_user_model
    from django.db import connection

    from benchmarks import growth, operations, signatures

    user = get_user_model()._default_manager.create_user("alice", password="x")  # type: ignore[attr-defined]
    return {
        "database": options.database,
        "versions": {
            **versions("Django", "djangorestframework", "djangorestframework-simplejwt", "django-rest-knox"),
            connection.display_name: ".".join(map(str, connection.get_database_version())),
        },
        "requests": requests(user, options.rounds),
        "signatures": signatures.measure(user, options.rounds),
        "operations": operations.measure(user, options.operations, options.sessions),
        "growth": growth.measure(user, options.growth, options.rounds),
    }


def requests(user: Any, rounds: int) -> dict[str, dict[str, float]]:
    """Measure a request's microseconds over a request to an open view, and its queries and cache reads."""
    from benchmarks.contenders import CONTENDERS
    from benchmarks.measure import Server, interleaved

    server = Server()
    calls = {item.name: server.get(f"/ping/{item.name}/", item.credentials(user)) for item in CONTENDERS}
    medians = interleaved(calls, rounds=rounds, per_round=10)
    results = {}
    for name, call in calls.items():
        # The minimum of several, because now and then a request in memory mode queries for new events.
        queries, reads = min(_count(call) for _ in range(5))
        over_open = (medians[name] - medians["open"]) * 1e6
        results[name] = {"microseconds": over_open, "queries": queries, "cache_reads": reads}
    return results


def _count(call: Any) -> tuple[int, int]:
    from django.core.cache.backends.locmem import LocMemCache
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    watched = mock.patch.object(LocMemCache, "get", autospec=True, side_effect=LocMemCache.get)
    with watched as get, CaptureQueriesContext(connection) as captured:
        status = call()
    assert status == 200, status
    return len(captured), get.call_count


if __name__ == "__main__":
    main()
