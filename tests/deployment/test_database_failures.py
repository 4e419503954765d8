"""
Database failures under traffic: 503 with Retry-After, never 500, and everything works again soon after.

Time is real. `python -m benchmarks.database_failures` has more kinds of failures, and prints how long each lasted.
"""

import subprocess
import sys
import time

import pytest

from tests.support import ROOT
from tests.support.deployment import environment, manage
from tests.support.failures import STAFF_COOKIE, Clients
from tests.support.pgbouncer import pgbouncer

BACK = 2.0  # seconds
LATE = 1.0  # of a machine that may be busy
ROLE = {"DEPLOYMENT_ROLE": "app"}
OPTIONS = ["--workers=2", "--threads=8"]


@pytest.fixture(scope="package")
def cookie(cluster):
    return manage(cluster, "shell", "-v0", "-c", STAFF_COOKIE).strip()


def answers_during(clients, event):
    """Let the event last for a while; return the statuses meanwhile, and the seconds until everything worked again."""
    with event:
        clients.begin()
        clients.wait_for_answers(3)
        meanwhile = clients.begin()
    ended = time.monotonic()
    clients.begin()
    back = clients.wait_for_all(ended)
    for name, seen in meanwhile.items():
        assert set(seen.statuses) <= {200, 204, 503}, (name, seen.statuses)
        assert seen.without_retry_after == 0, name
    return {name: set(seen.statuses) for name, seen in meanwhile.items()}, back


def test_a_read_only_database_ends_no_session_and_hides_none(serve, cluster, cookie):
    server = serve(*OPTIONS, env=ROLE)
    with Clients(server, cookie) as clients:
        statuses, back = answers_during(clients, cluster.read_only())
        with cluster.read_only():
            command = [sys.executable, "manage.py", "jwt_revoke", "--user", server.username, "--yes"]
            done = subprocess.run(command, cwd=ROOT, env=environment(cluster), capture_output=True, text=True)
    assert back < BACK + LATE
    for name in ("sign in", "refresh", "revoke a token", "sign out everywhere"):
        assert statuses[name] == {503}, name
    for name in ("use a token", "list sessions", "admin list"):
        assert statuses[name] == {200}, name
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: The database is unavailable: ")
    assert "Traceback" not in done.stderr


def test_without_free_connections_nobody_waits_and_nothing_crashes(serve, cluster, cookie):
    with Clients(serve(*OPTIONS, env=ROLE), cookie) as clients:
        statuses, back = answers_during(clients, cluster.exhausted())
    assert back < BACK + LATE
    assert {503} == statuses["sign in"] == statuses["refresh"] == statuses["list sessions"]


def test_a_table_that_a_migration_has_locked_is_waited_for_as_long_as_the_timeout_says(serve, cluster, cookie):
    cluster.sql("ALTER ROLE app SET statement_timeout = '200ms'")
    try:
        with Clients(serve(*OPTIONS, env=ROLE), cookie) as clients:
            statuses, back = answers_during(clients, cluster.locked("jwt_auth_usersession"))
    finally:
        cluster.sql("ALTER ROLE app RESET statement_timeout")
    assert back < BACK + LATE
    assert {503} == statuses["sign in"] == statuses["refresh"] == statuses["list sessions"] == statuses["admin list"]


def test_all_works_behind_pgbouncer_in_transaction_mode(serve, cluster, cookie):
    cluster.sql("ALTER ROLE app SET statement_timeout = '5s'")
    try:
        with pgbouncer(cluster) as bouncer:
            server = serve(*OPTIONS, env=bouncer.environment)
            with Clients(server, cookie) as clients:
                clients.begin()
                clients.wait_for_answers(5)
                fine = clients.begin()
                # The bouncer stops, and is started again.
                bouncer.kill()
                clients.wait_for_answers(3)
                meanwhile = clients.begin()
                bouncer.start()
                clients.begin()
                back = clients.wait_for_all(time.monotonic())
            shown = through(bouncer, cluster, "shell", "-v0", "-c", COMMANDS)
    finally:
        cluster.sql("ALTER ROLE app RESET statement_timeout")
    assert all(set(seen.statuses) <= {200, 204} for seen in fine.values())
    assert all(set(seen.statuses) <= {200, 204, 503} for seen in meanwhile.values())
    assert 503 in meanwhile["sign in"].statuses
    assert back < BACK + LATE
    assert "There are no clients." in shown
    assert shown.endswith("5s\n")


# In one process, which is cheaper.
COMMANDS = """
from django.core.management import call_command
from django.db import connection
for command in (["jwt_client", "list"], ["jwt_client", "audit"], ["jwt_clear_expired"], ["jwt_revocations", "export"]):
    call_command(*command)
with connection.cursor() as cursor:
    cursor.execute("SHOW statement_timeout")
    print(cursor.fetchone()[0])
"""


def through(bouncer, cluster, *arguments):
    env = environment(cluster, **bouncer.environment)
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
