"""
Measure the answers of a server during database failures, and the time until it recovers.

gunicorn, PostgreSQL, a replica and PgBouncer run on their own; clients of each kind ask without end. For a full disk
it mounts a tmpfs, and so must run as root.

    python -m benchmarks.database_failures                    five minutes
    python -m benchmarks.database_failures --only "disk full" "failover"
    python -m benchmarks.database_failures --sessions 1000000 --only "a timeout of 500 ms"
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import ROOT
from tests.support.deployment import Cluster, Server, a_cluster, environment, manage, start_server
from tests.support.failures import STAFF_COOKIE, Clients
from tests.support.pgbouncer import pgbouncer

LASTS = 5.0  # seconds of each failure
GUNICORN = ["--workers=2", "--threads=8"]
ROLE = {"DEPLOYMENT_ROLE": "app"}
TABLES = ("jwt_auth_usersession", "jwt_auth_revocationevent", "jwt_auth_usertokencutoff")


@dataclass
class Scene:
    """The database of one run, and servers that use it."""

    cluster: Cluster
    cookie: str
    sessions: int
    stack: ExitStack

    def serve(self, **more: str) -> Server:
        server = start_server(self.cluster, next(self.cluster.usernames), GUNICORN, **{**ROLE, **more})
        self.stack.callback(server.process.wait)
        self.stack.callback(server.process.terminate)
        return server

    def watch(self, server: Server, event: AbstractContextManager[Any], lasts: float = LASTS) -> dict[str, Any]:
        """Return the statuses by kind of request, the slowest answer, and the seconds until it recovered."""
        with Clients(server, self.cookie, patience=40) as clients:
            with event:
                clients.begin()
                time.sleep(lasts)
                clients.wait_for_answers(1)
                commands = self.commands(server)
                meanwhile = clients.begin()
            ended = time.monotonic()
            clients.begin()
            back = clients.wait_for_all(ended, 60)
        return {
            "statuses": {name: dict(seen.statuses) for name, seen in meanwhile.items()},
            "without Retry-After": sum(seen.without_retry_after for seen in meanwhile.values()),
            "slowest": max(seen.slowest for seen in meanwhile.values()),
            "back": back,
            **commands,
        }

    def commands(self, server: Server) -> dict[str, str]:
        """Return how the commands that people need now end."""
        named = {"jwt_sessions": ["--user", server.username], "jwt_revoke": ["--user", "user98", "--yes"]}
        return {name: self._command(name, *arguments) for name, arguments in named.items()}

    def _command(self, *arguments: str) -> str:
        env = environment(self.cluster, **ROLE)
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        if "Traceback" in done.stderr:
            return "a traceback"
        return "done" if done.returncode == 0 else f"exit {done.returncode}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.database_failures", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=[*FAILURES], default=[*FAILURES])
    parser.add_argument("--sessions", type=int, default=100_000, help="number of rows for the timeout")
    options = parser.parse_args(arguments)
    print("| failure | answers meanwhile | slowest, s | recovers after, s | `jwt_sessions` | `jwt_revoke` |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in options.only:
        with a_cluster() as cluster, ExitStack() as stack:
            cookie = manage(cluster, "shell", "-v0", "-c", STAFF_COOKIE).strip()
            print(_row(name, FAILURES[name](Scene(cluster, cookie, options.sessions, stack))), flush=True)


def _row(name: str, found: dict[str, Any]) -> str:
    assert not found["without Retry-After"]
    shown = "; ".join(f"{kind}: {_counts(statuses)}" for kind, statuses in found["statuses"].items())
    return (
        f"| {name} | {shown} | {found['slowest']:.1f} | {found['back']:.1f} | {found['jwt_sessions']} "
        f"| {found['jwt_revoke']} |" + "".join(f" {key}: {found[key]}" for key in found if key.startswith("!"))
    )


def _counts(statuses: dict[Any, int]) -> str:
    return ", ".join(f"{number} x {status}" for status, number in sorted(statuses.items(), key=str))


# Kinds of failures


def read_only(scene: Scene) -> dict[str, Any]:
    return scene.watch(scene.serve(), scene.cluster.read_only())


def exhausted(scene: Scene) -> dict[str, Any]:
    return scene.watch(scene.serve(), scene.cluster.exhausted())


def restarted(scene: Scene) -> dict[str, Any]:
    @contextmanager
    def stopped() -> Iterator[None]:
        scene.cluster.kill()
        try:
            yield
        finally:
            scene.cluster.start()

    return scene.watch(scene.serve(), stopped())


def locked(scene: Scene) -> dict[str, Any]:
    scene.cluster.sql("ALTER ROLE app SET statement_timeout = '500ms'")
    return scene.watch(scene.serve(), scene.cluster.locked("jwt_auth_usersession"))


def disk_full(scene: Scene) -> dict[str, Any]:
    """Move the tables to a small disk of their own, which another file then fills."""
    disk = scene.cluster.directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)], check=True)
    # Undone after the server has ended; PostgreSQL keeps files open there.
    scene.stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=True)
    space = disk / "space"
    space.mkdir()
    shutil.chown(space, "postgres", "postgres")
    moves = [f"ALTER TABLE {table} SET TABLESPACE small" for table in TABLES]
    scene.cluster.sql(f"CREATE TABLESPACE small LOCATION '{space}'", *moves)

    @contextmanager
    def full() -> Iterator[None]:
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
            # The pages that the tables have already are filled by the clients.
            time.sleep(3)
            yield
        ballast.unlink()

    return scene.watch(scene.serve(), full(), lasts=10)


def through_pgbouncer(scene: Scene) -> dict[str, Any]:
    bouncer = scene.stack.enter_context(pgbouncer(scene.cluster))

    @contextmanager
    def stopped() -> Iterator[None]:
        bouncer.kill()
        try:
            yield
        finally:
            bouncer.start()

    return scene.watch(scene.serve(**bouncer.environment), stopped())


def postgresql_behind_pgbouncer(scene: Scene) -> dict[str, Any]:
    bouncer = scene.stack.enter_context(pgbouncer(scene.cluster))

    @contextmanager
    def stopped() -> Iterator[None]:
        scene.cluster.kill()
        try:
            yield
        finally:
            scene.cluster.start()

    return scene.watch(scene.serve(**bouncer.environment), stopped())


def no_free_connection_of_pgbouncer(scene: Scene) -> dict[str, Any]:
    bouncer = scene.stack.enter_context(pgbouncer(scene.cluster, query_wait_timeout=1))

    @contextmanager
    def taken() -> Iterator[None]:
        import psycopg

        with ExitStack() as stack:
            for _ in range(3):
                one = stack.enter_context(psycopg.connect(host=str(bouncer.directory), user="app", dbname="postgres"))
                one.execute("SELECT 1")  # its transaction keeps the server's connection
            yield

    return scene.watch(scene.serve(**bouncer.environment), taken())


def failover(scene: Scene) -> dict[str, Any]:
    """
    Kill the primary, and promote a replica that is three seconds behind.

    The server names both, and connects to the one that can be written to. A session that was revoked within these
    seconds is valid again in the database; whether the processes that knew of it still refuse its token is measured.
    """
    replica = Cluster(scene.cluster.binaries, Path(tempfile.mkdtemp(prefix="jwt_auth_replica_", dir="/tmp")))
    scene.stack.callback(shutil.rmtree, replica.directory, ignore_errors=True)
    if os.geteuid() == 0:
        shutil.chown(replica.directory, "postgres", "postgres")
    source = ["-h", str(scene.cluster.directory), "-U", "postgres"]
    scene.cluster.run(str(replica.binaries / "pg_basebackup"), *source, "-D", str(replica.data), "-R", "-c", "fast")
    replica.start("-c recovery_min_apply_delay=3s -c hot_standby=on")
    scene.stack.callback(lambda: (replica.data / "postmaster.pid").exists() and replica.kill())
    both = f"{scene.cluster.directory},{replica.directory}"
    options = '{"target_session_attrs": "read-write", "connect_timeout": 2}'
    server = scene.serve(DEPLOYMENT_DATABASE=both, DEPLOYMENT_OPTIONS=options)
    time.sleep(4)  # the replica has what came before
    token, reader = server.login(), server.login()
    time.sleep(4)
    refused: Counter[Any] = Counter()

    @contextmanager
    def lost() -> Iterator[None]:
        server.logout(token)
        time.sleep(1.2)  # every process knows of it
        assert server.plain(token)[0] == 401
        scene.cluster.kill()
        try:
            yield
        finally:
            replica.run(str(replica.binaries / "pg_ctl"), "-D", str(replica.data), "-w", "promote")

    scene.commands = lambda server: {"jwt_sessions": "", "jwt_revoke": ""}  # type: ignore[method-assign]  # of the primary
    found = scene.watch(server, lost())
    assert server.plain(reader)[0] == 200
    for _ in range(50):
        refused[server.plain(token)[0]] += 1
    server.logout(reader)
    revoked_at = last = time.monotonic()
    while (now := time.monotonic()) < revoked_at + 3:
        if server.plain(reader)[0] == 200:
            last = now
    return {**found, "! the token revoked last": dict(refused), "! accepted, s": round(last - revoked_at, 1)}


def short_timeout(scene: Scene) -> dict[str, Any]:
    """No failure, but many rows, and 500 ms for each statement."""
    _fill(scene.cluster, scene.sessions)
    scene.cluster.sql("ALTER ROLE app SET statement_timeout = '500ms'")

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    return scene.watch(scene.serve(), nothing())


def _fill(cluster: Cluster, sessions: int) -> None:
    """Write many sessions, ten for each of as many users."""
    users = {"id": "1000 + n", "username": "'more' || n"}
    _copy(cluster, "auth_user", "username = 'user99'", sessions // 10, users)
    manage(cluster, "shell", "-v0", "-c", ONE_SESSION)
    rows = {
        "id": "gen_random_uuid()",
        "handle": "md5(n::text)",
        "user_id": "1001 + (n - 1) / 10",
        "started_at": "one.started_at - n * interval '1 second'",
    }
    _copy(cluster, "jwt_auth_usersession", "true", sessions, rows)
    cluster.sql("ANALYZE")


def _copy(cluster: Cluster, table: str, where: str, number: int, changes: dict[str, str]) -> None:
    """Write copies of one row, with other values in some columns."""
    named = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
    with cluster.connect() as connection:
        columns = [name for (name,) in connection.execute(named, [table])]
        values = ", ".join(changes.get(name, f"one.{name}") for name in columns)
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} "
            f"FROM (SELECT * FROM {table} WHERE {where} LIMIT 1) one, generate_series(1, {number}) n"
        )


ONE_SESSION = (
    "from django.contrib.auth.models import User; from jwt_auth.sessions import start; "
    "start(User.objects.get(username='user99'))"
)

FAILURES: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "read-only": read_only,
    "no connection left": exhausted,
    "stopped": restarted,
    "a locked table, a timeout of 500 ms": locked,
    "disk full": disk_full,
    "PgBouncer stopped": through_pgbouncer,
    "PostgreSQL stopped behind PgBouncer": postgresql_behind_pgbouncer,
    "no free connection of PgBouncer": no_free_connection_of_pgbouncer,
    "failover": failover,
    "a timeout of 500 ms": short_timeout,
}


if __name__ == "__main__":
    main()
