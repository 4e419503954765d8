"""
Measure waits and answers while Redis fails in each of its roles.

    python -m benchmarks.redis_failures --database postgresql

Starts gunicorn (2 workers with 4 threads) and a Redis of its own for each role, and sends requests of each kind without
a break. After each failure Redis works again for a while, and "afterwards" shows what is answered then. It requires
redis-server and redis-py; the defaults take a quarter of an hour.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.databases import set_up

ROLES = ["marker", "push", "throttles", "used tokens", "everything"]
FAILURES = ["none", "frozen", "stopped", "full", "flushed"]
PASSWORD = "a password for the benchmark"
PATIENCE = 30.0  # seconds after which a request counts as unanswered
PER_SECOND = 5  # requests of each kind
USERS = ["reader", "signer", "refresher", "leaver", "target"]


class OwnRedis:
    """A Redis that can be frozen, stopped, filled and emptied."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = directory / "redis.sock"
        self.url = f"unix://{self._socket}"
        self.start()

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        command = ["redis-server", "--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self._process = subprocess.Popen([*command, "--dir", str(self._directory)], stdout=subprocess.DEVNULL)
        while not self._socket.exists():
            time.sleep(0.01)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _tell(self, *command: str) -> None:
        from redis import Redis

        with Redis.from_url(self.url) as client:
            client.execute_command(*command)

    @contextmanager
    def failure(self, name: str) -> Iterator[None]:
        with getattr(self, f"_{name}")():
            yield

    @contextmanager
    def _none(self) -> Iterator[None]:
        yield

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def _full(self) -> Iterator[None]:
        self._tell("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self._tell("CONFIG", "SET", "maxmemory", "1")
        try:
            yield
        finally:
            self._tell("CONFIG", "SET", "maxmemory", "0")

    @contextmanager
    def _flushed(self) -> Iterator[None]:
        done = threading.Event()

        def empty() -> None:
            while not done.wait(0.1):
                self._tell("FLUSHALL")

        emptying = threading.Thread(target=empty)
        emptying.start()
        try:
            yield
        finally:
            done.set()
            emptying.join()


@dataclass
class Answers:
    """The answers to the requests of one kind during one failure."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        cuts = quantiles([*self.seconds] * 2 or [0.0, 0.0], n=100, method="inclusive")
        return {
            "answers": dict(sorted(self.statuses.items())),
            "p50 ms": round(cuts[49] * 1000, 1),
            "p99 ms": round(cuts[98] * 1000, 1),
            "max ms": round(max(self.seconds, default=0) * 1000, 1),
        }


class Traffic:
    """A thread for each kind of request, which sends them until the end."""

    def __init__(self, port: int, signer: Any) -> None:
        self._port, self._signer = port, signer
        self._done = threading.Event()
        self._answers: dict[str, Answers] = {}
        self._pairs = {name: self._signed_in(name) for name in USERS}
        self._staff = self._signed_in("staff")
        kinds = [self.read, self.sign_in, self.refresh, self.sign_out, self.revoke, self.change]
        self._threads = [threading.Thread(target=self._repeat, args=(kind,)) for kind in kinds]

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in self._threads:
                thread.join()

    def phase(self, seconds: float) -> dict[str, Answers]:
        """Return the answers to the requests that are sent in the next seconds."""
        self._answers = answers = {}
        time.sleep(seconds)
        self._answers = {}
        return answers

    def _repeat(self, kind: Callable[[], None]) -> None:
        while not self._done.is_set():
            began = time.monotonic()
            kind()
            self._done.wait(max(0, began + 1 / PER_SECOND - time.monotonic()))

    def read(self) -> None:
        self._send("a request with a token", "GET", "/plain/", self._pairs["reader"]["access_token"])

    def sign_in(self) -> None:
        self._send("sign-in", "POST", "/auth/login/", body={"username": "signer", "password": PASSWORD})

    def refresh(self) -> None:
        body = {"refresh_token": self._pairs["refresher"]["refresh_token"]}
        _, answer = self._send("refresh", "POST", "/auth/refresh/", body=body)
        self._pairs["refresher"] = answer or self._pairs["refresher"]

    def sign_out(self) -> None:
        # The session is made here, because signing in may be what does not work.
        from jwt_auth import sessions

        pair = sessions.start(self._user("leaver"))
        self._send("sign-out", "POST", "/auth/logout/", pair.access_token)

    def revoke(self) -> None:
        body = {"user": str(self._user("target").pk)}
        self._send("revoking a user", "POST", "/auth/revoke/user/", self._staff["access_token"], body)

    def change(self) -> None:
        token = self._signer.token("POST", "https://api.example.com/change/")
        self._send("an API client's change", "POST", "/change/", token)

    def _user(self, name: str) -> Any:
        from django.contrib.auth import get_user_model

        users: Any = get_user_model()._default_manager
        return users.get(username=name)

    def _signed_in(self, name: str) -> dict[str, Any]:
        from jwt_auth import sessions

        pair = sessions.start(self._user(name))
        return {"access_token": pair.access_token, "refresh_token": pair.refresh_token}

    def _send(self, kind: str, method: str, path: str, token: str = "", body: Any = None) -> tuple[str, Any]:
        answers = self._answers.setdefault(kind, Answers())
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        began = time.monotonic()
        status, document = "none", b""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        with suppress(OSError):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            status, document = str(response.status), response.read()
        connection.close()
        answers.statuses[status] += 1
        answers.seconds.append(time.monotonic() - began)
        return status, json.loads(document) if status == "200" and document else None


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redis_failures", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--roles", nargs="*", choices=ROLES, default=ROLES)
    parser.add_argument("--failures", nargs="*", choices=FAILURES, default=FAILURES)
    parser.add_argument("--seconds", type=float, default=12, help="duration of each failure")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.failure_settings"
    with set_up(options.database):
        signer = _make_users()
        rows = [row for role in options.roles for row in _under(role, signer, options)]
    print(json.dumps(rows, indent=1) if options.json else _table(rows))


def _make_users() -> Any:
    """Make the users and an API client, and return its signer."""
    from django.contrib.auth import get_user_model

    from jwt_auth import clients
    from jwt_auth.client import Signer

    users: Any = get_user_model()._default_manager
    staff = users.create_superuser("staff", password=PASSWORD)
    for name in USERS:
        users.create_user(name, password=PASSWORD)
    client = clients.register("failures", staff, "read", actor=staff)
    new = clients.add_secret(client, actor=staff)
    return Signer(
        client_id=client.client_id, key=new.secret, kid=new.key.kid, algorithm=new.key.algorithm, audience="jwt_auth"
    )


def _under(role: str, signer: Any, options: Any) -> Iterator[dict[str, Any]]:
    from benchmarks.server import gunicorn

    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp"))
        stack.callback(shutil.rmtree, directory)
        redis = OwnRedis(directory)
        stack.callback(redis.stop)
        os.environ.update(FAILURE_ROLE=role, FAILURE_REDIS=redis.url)
        port = stack.enter_context(gunicorn(2, "--threads", "4", ready="/open/"))
        traffic = Traffic(port, signer)
        stack.enter_context(traffic.running())
        traffic.phase(3)
        for failure in options.failures:
            with redis.failure(failure):
                found = traffic.phase(options.seconds)
            time.sleep(6)  # the longest time for which a helper is left alone after it has answered again
            after = traffic.phase(4)
            for kind, answers in found.items():
                later = dict(after[kind].statuses) if kind in after else {}
                yield {"role": role, "failure": failure, "request": kind, **answers.row(), "afterwards": later}


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    for row in rows:
        cells = [_counts(cell) if isinstance(cell, dict) else str(cell) for cell in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _counts(statuses: dict[str, int]) -> str:
    return ", ".join(f"{number}x {status}" for status, number in sorted(statuses.items()))


if __name__ == "__main__":
    main()
