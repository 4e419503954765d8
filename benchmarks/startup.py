"""
How long a process needs to know a million kept revocations, and a hundred thousand that are committed at once.

    python -m benchmarks.startup --database postgresql --step 3

A new process in memory mode shows one token to `verify` again and again, as requests would. Meanwhile a second thread
wakes up every millisecond: the longest time for which it could not is the longest stall of other requests.
"""

import argparse
import gc
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

# SQL for the row number `n` of a sequence, by vendor.
_NUMBERS = {
    "postgresql": "generate_series(0, {last}) AS numbers(n)",
    "mysql": "(SELECT seq AS n FROM seq_0_to_{last}) AS numbers",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < {last}) SELECT n FROM c)",
}
# SQL for a subject of 32 hexadecimal digits.
_SUBJECT = {
    "postgresql": "md5('{name}' || n)",
    "mysql": "md5(concat('{name}', n))",
    "sqlite": "printf('%032x', n + {salt})",
}


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Make a database of `kind` with all tables, and yield its name."""
    _begin(kind)
    from django.db import connection

    name = f"jwt_auth_startup_{os.getpid()}"
    connection.settings_dict["TEST"]["NAME"] = name
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield name
    finally:
        connection.creation.destroy_test_db("postgres", verbosity=0)


def _begin(kind: str) -> None:
    os.environ["TEST_DATABASE"] = kind
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.conf import settings

    settings.JWT_AUTH = {**settings.JWT_AUTH, "REVOCATION": "memory", "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15)}
    django.setup()


def insert(name: str, number: int, step: int, first: int, *, age: float, spread: float, endless: bool = False) -> int:
    """Write events of sessions that began `age` to `age + spread` seconds ago; return the number of the last one."""
    from django.db import connection
    from django.utils import timezone

    from jwt_auth.conf.lifetimes import longest_life

    vendor = connection.vendor
    now, last = timezone.now().replace(tzinfo=None), first + step * (number - 1)
    seconds = f"-({age} + n * {spread / number})"
    moment = {
        "postgresql": f"timestamptz '{now}+00' + ({seconds}) * interval '1 second'",
        "mysql": f"TIMESTAMPADD(MICROSECOND, ({seconds}) * 1000000, TIMESTAMP '{now}')",
        "sqlite": f"strftime('%Y-%m-%d %H:%M:%f', '{now}', ({seconds}) || ' seconds')",
    }[vendor]
    life = longest_life().total_seconds()
    end = moment.replace(f"({seconds})", f"({seconds} + {life})") if not endless else "NULL"
    subject = _SUBJECT[vendor].format(name=name, salt=len(name) * 10**9)
    source = _NUMBERS[vendor].format(last=number - 1)
    scope = "key" if endless else "session"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jwt_auth_revocationevent "
            "(id, created_at, recorded_at, scope, subject, sub, expires_at, actor, reason) "
            f"SELECT {first} + {step} * n, {moment}, {moment}, '{scope}', {subject}, '', {end}, '', '' FROM {source}"
        )
    return last


class Pulse(threading.Thread):
    """Measures the longest time for which this thread could not run."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0

    def run(self) -> None:
        before = time.perf_counter()
        while True:
            time.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - before - 0.001)
            before = now

    def taken(self) -> float:
        """Return the longest time in milliseconds, and begin anew."""
        longest, self.longest = self.longest, 0.0
        return 1000 * longest


def child(kind: str, name: str, raw: str, bulk: str) -> None:
    """Be the new process."""
    _begin(kind)
    from django.db import connection

    connection.settings_dict["NAME"] = name
    connection.ensure_connection()
    from jwt_auth.exceptions import JWTAuthError
    from jwt_auth.revocation.memory import view
    from jwt_auth.verification import verify

    def show() -> str:
        try:
            verify(raw)
        except JWTAuthError as error:
            return error.code
        return "good"

    pulse, answers = Pulse(), []
    pulse.start()
    gc.collect()
    floor, began = _memory(), time.perf_counter()
    answers.append(show())
    first = 1000 * (time.perf_counter() - began)
    pulse.taken()
    while not view.view().was_ever_read:
        time.sleep(0.005)
        answers.append(show())
    complete, peak = time.perf_counter() - began, _memory()
    print(
        f"first answer {first:.0f} ms; complete after {complete:.2f} s and {len(answers)} requests; longest stall "
        f"{pulse.taken():.0f} ms; {peak - floor:.0f} MB above {floor:.0f}; answers {set(answers)}",
        flush=True,
    )
    until = time.perf_counter() + 8
    while time.perf_counter() < until:
        time.sleep(0.005)
        answers.append(show())
    print(f"the next 8 s: longest stall {pulse.taken():.0f} ms; answers {set(answers)}", flush=True)
    print("ready", flush=True)
    sys.stdin.readline()
    began, listed, answers = time.perf_counter(), view.view()._list, []
    while bulk not in listed._sessions:
        time.sleep(0.005)
        answers.append(show())
    print(
        f"100,000 at once: taken after {time.perf_counter() - began:.2f} s and {len(answers)} requests; longest stall "
        f"{pulse.taken():.0f} ms; answers {set(answers)}",
        flush=True,
    )


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Fill a database, start the process, and then write the hundred thousand."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=["sqlite", "postgresql", "mariadb"], default="postgresql")
    parser.add_argument("--kept", type=int, default=1_000_000)
    parser.add_argument("--unexpired", type=int, default=200_000)
    parser.add_argument("--step", type=int, default=1, help="the distance of two numbers")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.database, *options.child)
        return
    with database(options.database) as name:
        _measure(options, name)


def _measure(options: Any, name: str) -> None:
    from django.contrib.auth import get_user_model
    from django.db import connection, transaction

    from jwt_auth.sessions import start

    model = get_user_model()
    raw = start(model._default_manager.create_user(**{model.USERNAME_FIELD: "alice"})).access_token
    last = insert("k", options.kept - options.unexpired, options.step, 1, age=86_400, spread=86_400 * 300)
    last = insert("e", 2000, options.step, last + options.step, age=86_400, spread=86_400 * 300, endless=True)
    last = insert("u", options.unexpired, options.step, last + options.step, age=60, spread=600)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE jwt_auth_revocationevent")
            cursor.execute("SELECT md5('b99999')")
        else:
            cursor.execute(
                "SELECT md5('b99999')" if connection.vendor == "mysql" else "SELECT printf('%032x', 1000099999)"
            )
        bulk = cursor.fetchone()[0]
    command = [sys.executable, "-m", "benchmarks.startup", "--database", options.database, "--child", name, raw, bulk]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    for line in process.stdout:
        if line == "ready\n":
            began = time.perf_counter()
            with transaction.atomic():
                insert("b", 100_000, options.step, last + options.step, age=0, spread=0)
            print(f"written in {time.perf_counter() - began:.1f} s", flush=True)
            process.stdin.write("\n")
            process.stdin.flush()
        else:
            print(line, end="", flush=True)
    process.wait()


if __name__ == "__main__":
    main()
