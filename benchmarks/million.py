"""
The time of each list, question and command of operators when the tables are very long.

    python -m benchmarks.million [--sessions 1000000] [--users 100000] [--clients 100000] [--database postgresql]
        [--timeout MILLISECONDS] [--rounds 3] [--only NAME]

There are as many events as sessions. Half of both have expired, and one user has a twentieth of the sessions. The
database is a new one of the kind that `--database` names, found as tests/settings.py says, and is dropped at the end.
Prints the median and the longest milliseconds of each operation, its longest statement, and the number of its queries.
With `--timeout` the database ends statements that take longer, as in production; an operation that fails says so.
"""

import argparse
import re
from collections.abc import Callable
from io import StringIO
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

from benchmarks.many_sessions import OURS, database

# SQL of each database: the numbers from 1 to {rows}, the time {at} microseconds after now, and a random UUID.
DIALECTS = {
    "postgresql": {
        "numbers": "generate_series(CAST(1 AS bigint), {rows}) AS numbers(i)",
        "time": "(now() + ({at}) * interval '1 microsecond')",
        "uuid": "gen_random_uuid()",
        "text": "CAST({value} AS text)",
        "ip": "CAST({value} AS inet)",
        "boolean": ("false", "true"),
    },
    "mysql": {
        "numbers": "(SELECT CAST(seq AS SIGNED) AS i FROM seq_1_to_{rows}) AS numbers",
        "time": "(UTC_TIMESTAMP(6) + INTERVAL ({at}) MICROSECOND)",
        "uuid": "CONCAT(LEFT(MD5(i), 12), '4', MID(MD5(i), 14, 3), '8', MID(MD5(i), 18, 15))",
        "text": "CAST({value} AS char)",
        "ip": "{value}",
        "boolean": ("0", "1"),
    },
}
DAY = 86_400_000_000  # microseconds
AGENT = "'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Safari/537.36'"


class Tables:
    """The rows, written by the database itself."""

    def __init__(self, sessions: int, users: int, clients: int) -> None:
        from django.db import connection

        self.sessions, self.users, self.clients = sessions, users, clients
        self.connection, self.sql = connection, DIALECTS[connection.vendor]
        self.no, self.yes = self.sql["boolean"]

    def fill(self) -> None:
        from django.contrib.auth import get_user_model

        users: Any = get_user_model()._default_manager
        self.fill_users()
        self.first = users.order_by("pk").first().pk
        self.ordinary, self.robot = users.get(username="user000003"), users.get(username="user000001")
        self.staff = users.create_superuser("staff", password="a password for the benchmark")
        self.fill_sessions(self.robot.get_session_auth_hash())
        self.fill_events()
        self.fill_clients()
        with self.connection.cursor() as cursor:
            names = self.connection.introspection.table_names()
            ours = [name for name in names if name.startswith(("jwt_auth_", "auth_user"))]
            for name in ours:
                verb = "VACUUM ANALYZE" if self.connection.vendor == "postgresql" else "ANALYZE TABLE"
                cursor.execute(f"{verb} {name}")
                cursor.fetchall() if cursor.description else None

    def fill_users(self) -> None:
        name = f"CONCAT('user', LPAD({self.text('i')}, 6, '0'))"
        columns = {
            "username": name,
            "email": f"CONCAT({name}, '@example.org')",
            "password": "'!'",
            "first_name": "''",
            "last_name": "''",
            "date_joined": self.time("0"),
            "is_superuser": self.no,
            "is_staff": self.no,
            "is_active": self.yes,
        }
        self.insert("auth_user", columns, self.users)

    def fill_sessions(self, auth_hash: str) -> None:
        start = f"(-i * {60 * DAY // self.sessions})"
        used = f"LEAST(0, {start} + (i % 20) * {DAY})"
        user = f"{self.first} + CASE WHEN i % 20 = 0 THEN 0 ELSE (i * 7919) % {self.users} END"
        address = f"CONCAT('10.', {self.text('i % 200')}, '.', {self.text('i % 256')}, '.7')"
        columns = {
            "id": self.sql["uuid"],
            "handle": f"MD5({self.text('i')})",
            "user_id": user,
            "created_at": self.time(start),
            "started_at": self.time(start),
            "last_issued_at": self.time(used),
            "idle_expires_at": self.time(f"LEAST({used} + {14 * DAY}, {start} + {30 * DAY})"),
            "expires_at": self.time(f"{start} + {30 * DAY}"),
            "revoked_at": f"CASE WHEN i % 10 = 1 THEN {self.time(used)} END",
            "revoked_reason": "CASE WHEN i % 10 = 1 THEN 'logout' ELSE '' END",
            "shared_at": f"CASE WHEN i % 1000 = 7 THEN {self.time(used)} END",
            "auth_hash": f"'{auth_hash}'",
            "upgraded_auth_hash": "''",
            "counter": "3",
            "label": "''",
            "transport": "CASE WHEN i % 3 = 0 THEN 'cookie' ELSE 'bearer' END",
            "ip_address": self.sql["ip"].format(value=address),
            "user_agent": AGENT,
            "last_ip_address": self.sql["ip"].format(value=address),
            "last_user_agent": AGENT,
            "shared_user_agent": "''",
            "shared_rotations": "0",
        }
        self.insert("jwt_auth_usersession", columns, self.sessions)

    def fill_events(self) -> None:
        made = f"((i - {self.sessions}) * {730 * DAY // self.sessions})"
        user = self.text(f"{self.first} + (i * 7919) % {self.users}")
        columns = {
            "created_at": self.time(made),
            "recorded_at": self.time(made),
            "scope": "CASE i % 10 WHEN 0 THEN 'user' WHEN 1 THEN 'token' WHEN 2 THEN 'key' ELSE 'session' END",
            "subject": f"CASE i % 10 WHEN 0 THEN {user} ELSE MD5({self.text('i')}) END",
            "sub": f"CASE WHEN i % 10 > 2 THEN {user} ELSE '' END",
            "actor": user,
            "cutoff": f"CASE WHEN i % 10 = 0 THEN {self.time(made)} END",
            "expires_at": self.time(f"{made} + 480000000"),
            "reason": "CASE WHEN i % 100000 = 5 THEN 'lost in a taxi' ELSE 'logout' END",
        }
        self.insert("jwt_auth_revocationevent", columns, self.sessions)

    def fill_clients(self) -> None:
        made = f"(-i * {DAY // 100})"
        user = f"{self.first} + (i * 7919) % {self.users}"
        columns = {
            "client_id": f"CONCAT('client_', MD5({self.text('i')}))",
            "created_at": self.time(made),
            "name": f"CONCAT('device ', {self.text('i')})",
            "user_id": user,
            "scopes": "''",
            "requires_binding": self.no,
            "is_active": f"CASE WHEN i % 10 = 1 THEN {self.no} ELSE {self.yes} END",
            "created_by": f"CASE WHEN i % 2 = 0 THEN {self.text(user)} ELSE '{self.staff.pk}' END",
        }
        self.insert("jwt_auth_registeredclient", columns, self.clients)
        self.insert(
            "jwt_auth_clientkey",
            {
                "client_id": "id",
                "kid": f"MD5({self.text('id')})",
                "algorithm": "'ES256'",
                "reach": "'anyone'",
                "created_at": "created_at",
                "public_jwk": "'{}'",
                "encrypted_secret": "''",
                "created_by": "created_by",
            },
            source="jwt_auth_registeredclient",
        )

    def insert(self, table: str, columns: dict[str, str], rows: int = 0, source: str = "") -> None:
        source = source or self.sql["numbers"].format(rows=rows)
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM {source}"
            )

    def time(self, at: str) -> str:
        return self.sql["time"].format(at=at)

    def text(self, value: str) -> str:
        return self.sql["text"].format(value=value)


def operations(tables: Tables) -> dict[str, Callable[[], Any]]:
    """Return each operation, by its name."""
    return {**session_pages(tables), **other_pages(tables), **calls(tables), **commands()}


def session_pages(tables: Tables) -> dict[str, Callable[[], Any]]:
    """Return the pages of the list of sessions."""
    queries = {
        "": "",
        **{f", {state}": f"state={state}" for state in ("live", "ended")},
        ", shared": "shared=yes",
        ", cookies": "transport=cookie",
        ", last week": "started_at__gte={week}",
        **{f", search {term}": f"q={term}" for term in ("user000003", "user0000", "r00000", "@example", "nobody")},
        **{f", search {term}": f"q={term}" for term in ("10.3.", "user000001")},
        **{f", ordered by column {column}": f"o={column}" for column in (1, 4, -4, 5, 6, -6, 7)},
        ", of a user": "user__exact={user}",
        ", of the robot": "user__exact={robot}",
        ", of the robot, live": "user__exact={robot}&state=live",
    }
    pages = {f"sessions{name}": _page(tables, "usersession", query) for name, query in queries.items()}
    for name in ("", ", live", ", ended", ", of the robot", ", search user0000"):
        pages[f"sessions{name}, last page"] = _last_page(tables, "usersession", queries[name])
    chosen = {"action": "revoke_selected", "select_across": "1", "_selected_action": [str(UUID(int=0))], "index": "0"}
    pages["sessions, select all: question"] = _page(tables, "usersession", "state=live", chosen)
    return pages


def other_pages(tables: Tables) -> dict[str, Callable[[], Any]]:
    """Return the other lists, and the pages that ask before something is done."""
    events = {
        "": "",
        ", users": "scope=user",
        ", everybody": "scope=all",
        ", last week": "created_at__gte={week}",
        **{f", search {term}": f"q={term}" for term in ("user000003", "user0000", "taxi", "nobody")},
        **{f", ordered by column {column}": f"o={column}" for column in (1, -1, 2, 5)},
    }
    clients = {
        "": "",
        ", disabled": "is_active__exact=0",
        ", unused": "last_used_at__isnull=True",
        **{f", search {term}": f"q={term}" for term in ("user000003", "device+777", "client_1", "nobody")},
        **{f", ordered by column {column}": f"o={column}" for column in (1, 2, 4, 5)},
    }
    pages = {f"events{name}": _page(tables, "revocationevent", query) for name, query in events.items()}
    pages |= {f"clients{name}": _page(tables, "registeredclient", query) for name, query in clients.items()}
    for name in ("revocationevent", "registeredclient"):
        pages[f"{name}, last page"] = _last_page(tables, name, "")
    users = "/admin/auth/user/"
    across = {"action": "jwt_auth_revoke_tokens", "select_across": "1", "_selected_action": ["1"], "index": "0"}
    return {
        **pages,
        "revoke everything: question": _page(tables, "revocationevent/revoke-everything", ""),
        "user": _open(tables, f"{users}{{user}}/change/"),
        "robot": _open(tables, f"{users}{{robot}}/change/"),
        "robot, revoke tokens: question": _open(tables, f"{users}{{robot}}/revoke-tokens/"),
        "robot, delete: question": _open(tables, f"{users}{{robot}}/delete/"),
        "1,000 users, revoke tokens: question": _open(tables, f"{users}?q=user0001", across),
    }


def _open(tables: Tables, path: str, body: Any = None) -> Callable[[], Any]:
    from datetime import timedelta

    from django.test import Client
    from django.utils import timezone

    browser = Client()
    browser.force_login(tables.staff)
    week = (timezone.now() - timedelta(days=7)).strftime("%Y-%m-%d+%H:%M:%S%%2B00:00")
    url = path.format(user=tables.ordinary.pk, robot=tables.robot.pk, week=week)

    def do() -> Any:
        response = browser.get(url) if body is None else browser.post(url, body)
        assert response.status_code == 200, (response.status_code, response.headers, response.content[:500])
        return response

    return do


def _page(tables: Tables, name: str, query: str, body: Any = None) -> Callable[[], Any]:
    return _open(tables, f"{OURS}{name}/?{query}", body)


def _last_page(tables: Tables, name: str, query: str) -> Callable[[], Any]:
    last: list[Callable[[], Any]] = []

    def do() -> Any:
        if not last:
            first = _page(tables, name, query)().content.decode()
            number = max(map(int, re.findall(r"[?&;]p=(\d+)", first)), default=1)
            last.append(_page(tables, name, f"{query}&p={number}"))
            raise _NotMeasuredError
        return last[0]()

    return do


class _NotMeasuredError(Exception):
    """Raised by an operation that had to be prepared."""


def calls(tables: Tables) -> dict[str, Callable[[], Any]]:
    """Return what a project's code, and users and staff over HTTP, do."""
    from django.utils import timezone

    from jwt_auth import revocation, sessions, signing_keys
    from jwt_auth.models import SigningKey
    from tests.support.clients import Client

    def get(path: str, user: Any) -> Callable[[], Any]:
        def do() -> None:
            response = Client().bearer(sessions.start(user).access_token).send(path, method="get")
            assert response.status_code == 200, response.content

        return do

    def emergency() -> Any:
        return signing_keys.blast_radius(SigningKey(activated_at=None), timezone.now())

    return {
        "GET sessions/ of the robot": get("sessions/", tables.robot),
        "GET clients/": get("clients/", tables.staff),
        "GET clients/, last page": get(f"clients/?page={tables.clients // 100}", tables.staff),
        "sign-in": lambda: sessions.start(tables.ordinary),
        "blast_radius()": emergency,
        "revoke_user()": lambda: revocation.revoke_user(tables.ordinary),
        "revoke_user() of the robot": lambda: revocation.revoke_user(tables.robot),
        "revoke_all()": revocation.revoke_all,
    }


def commands() -> dict[str, Callable[[], Any]]:
    """Return the commands, in an order in which none takes away what another one works on."""
    from django.core.management import call_command

    lines = (
        *("jwt_revoke --all --dry-run", "jwt_revoke --user user000001 --dry-run", "jwt_sessions --user user000001"),
        *("jwt_reencrypt", "jwt_client audit", "jwt_clear_expired --dry-run", "jwt_revoke --all --yes"),
        "jwt_clear_expired",
    )
    return {line: lambda line=line: call_command(*line.split(), stdout=StringIO()) for line in lines}


def measure(do: Callable[[], Any], rounds: int) -> str:
    """Return the median and the longest milliseconds of an operation, its longest statement, and its queries."""
    from django.core.cache import cache
    from django.db import connection

    taken, statements = list[float](), list[float]()

    def watch(execute: Any, *arguments: Any) -> Any:
        begin = perf_counter()
        try:
            return execute(*arguments)
        finally:
            statements.append((perf_counter() - begin) * 1000)

    while len(taken) < rounds:
        cache.clear()
        statements.clear()
        begin = perf_counter()
        try:
            with connection.execute_wrapper(watch):
                do()
        except _NotMeasuredError:
            continue
        except Exception as error:  # noqa: BLE001  # whatever an operation raises is its result
            return f"FAILED after {(perf_counter() - begin) * 1000:,.0f} ms: {str(error).strip()[:120]}"
        taken.append((perf_counter() - begin) * 1000)
    longest = max(statements, default=0)
    return f"{median(taken):>8,.0f}{max(taken):>10,.0f}{longest:>12,.0f}{len(statements):>9,}"


def limit_statements(milliseconds: int) -> None:
    """Have the database end statements of this connection that take longer."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SET statement_timeout = {milliseconds}")
        else:
            cursor.execute(f"SET SESSION max_statement_time = {milliseconds / 1000}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--database", choices=["postgresql", "mariadb"], default="postgresql")
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--timeout", type=int, default=0, help="milliseconds; 0 is none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="a part of the names of the operations to measure")
    options = parser.parse_args()
    with database(options.database):
        import logging

        logging.getLogger("jwt_auth").addHandler(logging.StreamHandler(StringIO()))
        logging.getLogger("django.request").addHandler(logging.NullHandler())
        tables = Tables(options.sessions, options.users, options.clients)
        tables.fill()
        limit_statements(options.timeout)
        print(f"{options.sessions:,} sessions of {options.users:,} users, {options.database}")
        print(f"{'':<40}{'median':>8}{'longest':>10}{'statement':>12}{'queries':>9}", flush=True)
        for name, do in operations(tables).items():
            if options.only in name:
                rounds = 1 if name == "jwt_clear_expired" else options.rounds
                print(f"{name:<40}{measure(do, rounds)}", flush=True)


if __name__ == "__main__":
    main()
