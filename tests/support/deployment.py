"""Servers as in production: a PostgreSQL that can be frozen, and the processes of WSGI and ASGI servers."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
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
    pytest.skip(f"{what} is not installed", allow_module_level=True)


def require(*packages: str) -> None:
    for name in packages:
        if find_spec(name) is None:
            missing(name)


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

    def start(self, more: str = "") -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.directory} -c fsync=off {more}"
        log = str(self.directory / "log")
        self.run(str(self.binaries / "pg_ctl"), "-D", str(self.data), "-w", "-o", options, "-l", log, "start")

    def kill(self) -> None:
        self.run(str(self.binaries / "pg_ctl"), "-D", str(self.data), "-m", "immediate", "stop")

    def connect(self) -> Any:
        """Return a connection of psycopg in autocommit mode, as the superuser."""
        import psycopg  # is not installed where these tests are skipped

        return psycopg.connect(host=str(self.directory), user="postgres", dbname="postgres", autocommit=True)

    def sql(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Have all sessions refuse to write, as on a replica."""
        self.sql("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        deadline = time.monotonic() + PATIENCE
        try:
            while True:
                with self.connect() as connection:
                    if connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",):
                        break
                assert time.monotonic() < deadline
            time.sleep(0.1)  # the other sessions are told at the same moment
            yield
        finally:
            write = "SET default_transaction_read_only = off"
            self.sql(write, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Let nobody read or write `table`, as a migration does."""
        with self.connect() as connection, connection.transaction():
            connection.execute(f"LOCK TABLE {table}")
            yield

    @contextlib.contextmanager
    def exhausted(self) -> Iterator[None]:
        """End all connections of the servers' role, and allow it none."""
        end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'"
        self.sql("ALTER ROLE app CONNECTION LIMIT 0", end)
        try:
            yield
        finally:
            self.sql("ALTER ROLE app CONNECTION LIMIT -1")

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


@contextlib.contextmanager
def a_cluster() -> Iterator[Cluster]:
    """Run a new PostgreSQL with the tables and users of these tests."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")] or [*map(Path, filter(None, [shutil.which("initdb")]))]
    if not found:
        missing("initdb of PostgreSQL")
    # Not below pytest's own directory, which the user postgres may not enter.
    directory = Path(tempfile.mkdtemp(prefix="jwt_auth_", dir="/tmp"))
    cluster = Cluster(max(found).parent, directory)
    try:
        cluster.create()
        cluster.start()
        migrate(cluster)
        yield cluster
    finally:
        if (cluster.data / "postmaster.pid").exists():
            cluster.kill()
        shutil.rmtree(directory, ignore_errors=True)


def migrate(cluster: Cluster) -> None:
    """Make the tables, the users of the tests, a member of staff, and the role `app`, which is no superuser."""
    django = [sys.executable, "manage.py"]
    subprocess.run([*django, "migrate", "-v0"], check=True, cwd=ROOT, env=environment(cluster))
    make_users = (
        "from django.contrib.auth.hashers import make_password; from django.contrib.auth.models import User; "
        f"password = make_password({PASSWORD!r}); "
        f"User.objects.bulk_create(User(username=name, password=password) for name in {USERNAMES}); "
        "User.objects.create(username='staff', password=password, is_staff=True, is_superuser=True)"
    )
    subprocess.run([*django, "shell", "-v0", "-c", make_users], check=True, cwd=ROOT, env=environment(cluster))
    cluster.sql(
        "CREATE ROLE app LOGIN",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO app",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app",
    )


def manage(cluster: Cluster, *arguments: str, **jwt_auth: Any) -> str:
    """Run a command of the first server and return its output."""
    env = environment(cluster, DEPLOYMENT_JWT_AUTH=json.dumps(jwt_auth))
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def keys_by_state(cluster: Cluster) -> dict[str, str]:
    """Return the names of the signing keys by their state, without a process of Django's."""
    with cluster.connect() as connection:
        rows = connection.execute("SELECT state, kid FROM jwt_auth_signingkey").fetchall()
    assert len(dict(rows)) == len(rows), rows
    return dict(rows)


GUNICORN = ("gunicorn", "tests.deployment.server:application", "--log-level=error", "-b=127.0.0.1:{port}")

_ASGI = "tests.deployment.asynchronous:application"
# Each has two processes but daphne, which has one and is started twice.
UVICORN = ("uvicorn", _ASGI, "--log-level=error", "--lifespan=off", "--workers=2", "--port={port}")
GRANIAN = (
    *("granian", _ASGI, "--interface=asginl", "--no-log", "--workers=2", "--port={port}"),
    *("--respawn-failed-workers", "--respawn-interval=0.1", "--workers-kill-timeout=1"),
)
SOCKETS = ("uvicorn", "tests.deployment.sockets:application", *UVICORN[2:], "--workers=1")
DAPHNE = ("daphne", _ASGI, "--verbosity=0", "--port={port}")


def start_server(
    cluster: Cluster, username: str, options: Sequence[str], program: Sequence[str] = GUNICORN, **more: str
) -> "Server":
    """Start a server with these options, and with `more` in its environment, and wait for its first answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", *(part.format(port=port) for part in program), *options]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(cluster, **more))
    server = Server(port, process, username)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if server.plain("")[0] == 401:
                    return server
            assert process.poll() is None, f"{program[0]} ended"
            assert time.monotonic() < deadline, f"{program[0]} does not answer"
            time.sleep(0.05)
    except BaseException:
        process.kill()
        raise


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
    """A server of HTTP, and the user who signs in to it."""

    port: int
    process: Any
    username: str

    def send(self, method: str, path: str, *, token: str = "", body: Any = None, timeout: float = PATIENCE) -> Any:
        """Return the status, the body and the worker that answered, or None if no answer came in time."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        document = None if body is None else json.dumps(body)
        answer = self.answer(method, path, document, {**headers, "Content-Type": "application/json"}, timeout)
        return answer and (answer.status, answer.body, answer.headers.get("X-Worker"))

    def answer(
        self, method: str, path: str, document: Any = None, headers: Any = None, timeout: float = PATIENCE
    ) -> Any:
        """Return the response with its `body`, or None if no answer came in time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, document, headers or {})
            response: Any = connection.getresponse()
            response.body = response.read()
            return response
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
