"""The benchmarks run, at a size that measures nothing."""

import importlib.util
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import django
import pytest

from benchmarks import report

MISSING = [name for name in ("rest_framework_simplejwt", "knox", "gunicorn") if not importlib.util.find_spec(name)]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"without the extra `benchmarks`: {MISSING}")


def run(module, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BENCH_", "DJANGO_"))}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def small():
    return run("benchmarks.run", "--rounds", "1", "--operations", "1", "--sessions", "3", "--growth", "10", "20")


def test_each_contender_is_measured_and_costs_the_queries_it_is_known_for(small):
    queries = {name: found["queries"] for name, found in small["requests"].items()}
    assert queries["open"] == queries["bare_limit"] == queries["jwt_auth_memory"] == 0
    assert queries["jwt_auth_database"] == queries["jwt_auth_unprepared"] == queries["simplejwt"] == 1
    assert {name: found["cache_reads"] for name, found in small["requests"].items() if name.startswith("jwt_auth")} == {
        "jwt_auth_memory": 0,
        "jwt_auth_database": 0,
        "jwt_auth_unprepared": 0,
    }


@pytest.mark.thorough
def test_refreshing_costs_two_queries_and_revoking_does_not_grow(small):
    assert small["operations"]["jwt_auth refresh"]["queries"] == 2
    assert small["operations"]["jwt_auth revoke a user with 3 sessions"]["queries"] <= 8


@pytest.mark.thorough
def test_the_tables_name_everybody(small):
    text = report.tables(small)
    assert all(label in text for label in report.LABELS.values())
    assert "20 revocations" in text


def test_the_tables_say_what_they_were_measured_with(small):
    versions = small["versions"]
    assert versions["Django"] == django.__version__
    assert versions["SQLite"] == sqlite3.sqlite_version
    assert f"With CPython {platform.python_version()}, Django {django.__version__}, " in report.tables(small)


@pytest.mark.thorough
def test_the_plot_is_drawn(small, tmp_path):
    pytest.importorskip("matplotlib")
    report.plot([small], tmp_path / "plot.svg")
    assert "jwt_auth, memory" in Path(tmp_path / "plot.svg").read_text() or (tmp_path / "plot.svg").stat().st_size


def test_a_new_revocation_costs_a_reader_of_the_feed_one_piece():
    found = run("benchmarks.feed", "--events", "600", "--rounds", "2", "--readers", "2", "--seconds", "1.1")
    assert found["alone"]["first reading, pieces"] == 3  # the last one is empty
    assert min(found["alone"].values()) > 0
    assert list(found["together"]) == ["nobody reads", "all read everything", "all ask for new revocations"]
    for delays in found["together"].values():
        assert list(delays) == ["median, ms", "p99, ms", "longest, ms"]


@pytest.mark.thorough
def test_with_fifty_thousand_events_a_new_revocation_costs_milliseconds():
    """Bounds that a busy machine keeps, too: a complete list needs a second, and half a second."""
    alone = run("benchmarks.feed", "--rounds", "20", "--seconds", "1")["alone"]
    assert alone["new revocation, issuer, ms"] < 50
    assert alone["new revocation, reader, ms"] < 20


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@pytest.mark.thorough
def test_the_server_is_asked():
    found = run("benchmarks.server", "--seconds", "1", "--rounds", "1", "--workers", "1")
    for rates in found["server"].values():
        assert min(rates.values()) > 0


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@pytest.mark.thorough
def test_asynchronous_and_synchronous_views_are_asked():
    pytest.importorskip("uvicorn")
    found = run("benchmarks.asynchronous", "--rounds", "1", "--json")
    text = report.asynchronous(found)
    assert all(label in text for path, label in report.ASYNCHRONOUS.items() if "adrf" not in path)
    assert min(view["per second"] for view in found["views"].values()) > 0


@pytest.mark.thorough
def test_sockets_of_revoked_users_are_closed():
    for package in ("psycopg", "uvicorn", "websockets"):
        pytest.importorskip(package)
    found = run("benchmarks.sockets", "--users", "5", "--revoked", "2", "--json")
    assert found["sockets"]["memory"]["closed"] == 4
    assert "10, memory |" in report.sockets(found)


@pytest.mark.thorough
def test_each_text_of_a_stranger_is_sent_and_answered():
    command = [sys.executable, "-m", "benchmarks.texts", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    statuses = {line.split(" | ")[2] for line in done.stdout.splitlines()[2:]}
    assert statuses == {"200", "204", "400", "401", "429"}


@pytest.mark.thorough
def test_each_operation_with_many_sessions_is_done():
    command = [sys.executable, "-m", "benchmarks.many_sessions", "--sessions", "300", "--rounds", "1"]
    done = subprocess.run([*command, "--database", "sqlite"], capture_output=True, text=True, timeout=300, check=True)
    queries = {line[:36].strip(): int(line.split()[-1]) for line in done.stdout.splitlines()[1:]}
    assert len(queries) == 34
    assert min(queries.values()) > 0


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
@pytest.mark.thorough
def test_requests_are_answered_while_redis_is_frozen():
    options = ("--database", "sqlite", "--roles", "marker", "--failures", "frozen", "--seconds", "2", "--json")
    rows = run("benchmarks.redis_failures", *options)
    assert len(rows) == 6
    assert rows[0].keys() >= {"role", "failure", "request", "answers", "max ms", "afterwards"}
