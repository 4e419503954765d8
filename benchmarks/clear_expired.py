"""
The cost of `jwt_clear_expired` if half of two million rows have expired, compared to djangorestframework-simplejwt.

    python benchmarks/clear_expired.py [--rows 2000000] [--shuffled] [--explain]

It requires PostgreSQL at PGHOST and PGPORT (127.0.0.1:5432), where the user PGUSER (postgres) may create databases,
and `pip install djangorestframework-simplejwt`. It creates its own database, and drops it at the end.
Each command runs in a separate process, so that its memory can be measured.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from time import perf_counter

import django
import psycopg
from django.conf import settings
from django.core.management import call_command

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

NAME = f"bench_clear_expired_{os.environ.get('BENCH_RUN', 'main')}"
SERVER = {
    "host": os.environ.get("PGHOST", "127.0.0.1"),
    "port": os.environ.get("PGPORT", "5432"),
    "user": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD", ""),
}
USERS = 10_000

# Half of the rows have been expired for up to a year; the others live for up to a month more. `{place}` is a row's
# position in this period, from 0 to 2: in the order of the rows, as with real sign-ins, or random.
WHEN = """
    SELECT i, CASE WHEN {place} <= 1 THEN now() - {over} - (1 - {place}) * interval '364 days'
        ELSE now() + {live} + ({place} - 1) * interval '30 days' END AS t
    FROM (SELECT i, {chance} AS chance FROM generate_series(1, {rows}) AS i) AS numbers"""
FILL = {
    "jwt_auth_usersession": """
        INSERT INTO jwt_auth_usersession (id, created_at, user_id, handle, counter, started_at, last_issued_at,
            idle_expires_at, expires_at, auth_hash, upgraded_auth_hash, transport, label, ip_address, user_agent,
            last_ip_address, last_user_agent, shared_user_agent, shared_rotations, revoked_reason)
        SELECT gen_random_uuid(), t - interval '30 days', 1 + i % {users}, md5(i::text), 3, t - interval '30 days',
            t - interval '15 days', t, t, repeat('a', 64), '', 'bearer', 'laptop', '203.0.113.7', repeat('b', 110),
            '203.0.113.7', repeat('b', 110), '', 0, ''
        FROM ({when}) AS rows""",
    "jwt_auth_revocationevent": """
        INSERT INTO jwt_auth_revocationevent (created_at, scope, subject, expires_at, actor, reason)
        SELECT t - interval '8 minutes', 'session', md5(i::text), t - interval '365 days', '', 'logout'
        FROM ({when}) AS rows""",
    "token_blacklist_outstandingtoken": """
        INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
        SELECT repeat('c', 230), t - interval '1 day', t, 1 + i % {users}, md5(i::text)
        FROM ({when}) AS rows""",
}
# Each command with the table that it clears; the other tables have nothing to clear at that time.
RUNS = [
    ("jwt_clear_expired", "jwt_auth_usersession"),
    ("jwt_clear_expired", "jwt_auth_revocationevent"),
    ("flushexpiredtokens", "token_blacklist_outstandingtoken"),
]


def configure() -> None:
    settings.configure(
        SECRET_KEY="a secret key of the benchmark, as long as Django's checks want it to be",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            *("django.contrib.auth", "django.contrib.contenttypes", "rest_framework"),
            *("rest_framework_simplejwt.token_blacklist", "jwt_auth"),
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": NAME,
                **{key.upper(): value for key, value in SERVER.items()},
            }
        },
    )
    django.setup()


@contextmanager
def database():
    with psycopg.connect(dbname="postgres", autocommit=True, **SERVER) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME}")
        try:
            yield server.execute("SHOW server_version").fetchone()[0]
        finally:
            server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def make_users() -> None:
    with psycopg.connect(dbname=NAME, autocommit=True, **SERVER) as connection:
        connection.execute(
            "INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email, is_staff,"
            " is_active, date_joined) SELECT 'user' || i, '', false, '', '', '', false, true, now()"
            f" FROM generate_series(1, {USERS}) AS i"
        )


def fill(table: str, rows: int, shuffled: bool) -> None:
    place = "chance" if shuffled else f"(2.0 * i / {rows})"
    when = WHEN.format(
        place=place,
        chance="2 * random()" if shuffled else "0",
        over="interval '1 day'",
        live="interval '1 day'",
        rows=rows,
    )
    with psycopg.connect(dbname=NAME, autocommit=True, **SERVER) as connection:
        connection.execute(f"TRUNCATE {table} CASCADE")
        connection.execute(FILL[table].format(when=when, users=USERS))
        # The state in which autovacuum would have left it before a nightly run.
        connection.execute(f"VACUUM ANALYZE {table}")
        connection.execute("CHECKPOINT")


def measure(command: str) -> None:
    """Run `command`, in a separate process, and print its time, queries and memory as JSON."""
    from django.db import connection

    queries = 0

    def count(execute, *arguments):
        nonlocal queries
        queries += 1
        return execute(*arguments)

    connection.ensure_connection()
    before, began = peak(), perf_counter()
    with connection.execute_wrapper(count):
        call_command(command, stdout=StringIO())
    taken = {"seconds": perf_counter() - began, "queries": queries, "before": before, "peak": peak()}
    print(json.dumps(taken))


def peak() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(command: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--measure", command], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def left(table: str) -> int:
    with psycopg.connect(dbname=NAME, **SERVER) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def explain() -> None:
    """Print the query plans of a batch of sessions in the middle of the work, executed and rolled back."""
    from django.db import connection, transaction
    from django.utils import timezone

    from jwt_auth.management import cleaning

    rows = cleaning.expired_sessions(timezone.now())
    statements, batch_size = [], min(10_000, rows.count() // 10)

    def note(execute, sql, params, *arguments):
        statements.append((sql, params))
        return execute(sql, params, *arguments)

    with transaction.atomic():
        with connection.execute_wrapper(note):
            batches = cleaning.delete_in_batches(rows, batch_size)
            next(batches)
            next(batches)
        transaction.set_rollback(True)
    with transaction.atomic(), connection.cursor() as cursor:
        for sql, params in statements[2:4]:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql}", params)
            print("\n".join(line for (line,) in cursor.fetchall()), end="\n\n")
        transaction.set_rollback(True)
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="Rows in each table; half of them have expired.")
    parser.add_argument("--explain", action="store_true", help="Print the plans of one batch as well.")
    parser.add_argument("--shuffled", action="store_true", help="Rows in random order of time, the worst case.")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    configure()
    if options.measure:
        measure(options.measure)
        return
    with database() as version:
        call_command("migrate", verbosity=0)
        make_users()
        print(f"PostgreSQL {version}, Python {sys.version.split()[0]}, Django {django.__version__}")
        print(f"{options.rows:,} rows in each table, about {options.rows // 2:,} of them expired\n")
        print(
            f"{'command':<20}{'table':<34}{'deleted':>10}{'seconds':>9}{'queries':>9}{'memory: before':>16}{'most':>9}"
        )
        for command, table in RUNS:
            fill(table, options.rows, options.shuffled)
            before = left(table)
            taken = run(command)
            print(
                f"{command:<20}{table:<34}{before - left(table):>10,}{taken['seconds']:>9.1f}{taken['queries']:>9,}"
                f"{taken['before']:>13.0f} MB{taken['peak']:>6.0f} MB"
            )
        if options.explain:
            print("\nOne batch: the rows, and the end of the next one\n")
            fill("jwt_auth_usersession", options.rows, options.shuffled)
            explain()


if __name__ == "__main__":
    main()
