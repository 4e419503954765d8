"""Django on a database for one run, which is dropped after the run."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django


@contextmanager
def set_up(kind: str) -> Iterator[None]:
    """
    Set up Django on a new database of `kind` (sqlite, postgresql) that has all tables.

    The settings are `benchmarks.settings`, if DJANGO_SETTINGS_MODULE does not name others.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    with _temporary_database(kind):
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()


@contextmanager
def _temporary_database(kind: str) -> Iterator[None]:
    """Create a database of `kind`, pass its name to the settings, and drop it at the end."""
    os.environ["BENCH_DATABASE"] = kind
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="jwt_auth_bench_") as directory:
            os.environ["BENCH_NAME"] = str(Path(directory) / "db.sqlite3")
            yield
        return
    name = f"jwt_auth_bench_{os.getpid()}"
    _administer(f'CREATE DATABASE "{name}"')
    os.environ["BENCH_NAME"] = name
    try:
        yield
    finally:
        _administer(f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(statement: str) -> None:
    import psycopg

    parameters = {
        "host": os.environ.get("PGHOST", "127.0.0.1"),
        "port": os.environ.get("PGPORT", "5432"),
        "user": os.environ.get("PGUSER", "postgres"),
        "password": os.environ.get("PGPASSWORD", ""),
    }
    with psycopg.connect(dbname="postgres", autocommit=True, **parameters) as connection:
        connection.execute(statement)
