"""
The operations of the app on a SQLite file, while another process writes to it after each read.

    python -m tests.support.sqlite_file DIRECTORY

Prints JSON: for each operation "done", or the error. SQLite refuses the first write of a transaction at once if another
process has written since the transaction's first read. The other process never waits for the lock.
"""

import json
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any


class OtherProcess:
    """Writes a row of its own after each query that reads, if it gets the lock."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("CREATE TABLE notes (text)")
        self.written = 0

    def __call__(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        result = execute(sql, *arguments)
        if sql.startswith("SELECT"):
            with suppress(sqlite3.OperationalError):  # it is locked
                self._connection.execute("INSERT INTO notes VALUES ('written')")
                self.written += 1
        return result


def set_up(path: str) -> None:
    """Set up Django with the settings of the tests and a database at `path`."""
    os.environ.update(DJANGO_SETTINGS_MODULE="tests.settings", TEST_DATABASE="sqlite", TEST_USER="stock")
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = path
    settings.JWT_AUTH = {"KEYS": "database", "ALGORITHM": "ES256", "LOGIN_THROTTLE": "1000/s"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {}}
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        # With a log a reader does not keep others from writing, so the other process always gets its turn.
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = OFF")


def operations() -> dict[str, Callable[[], Any]]:
    """Return operations that write, by their names; they run in this order."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import transaction

    from jwt_auth import clients, revocation, sessions, signing_keys
    from jwt_auth.models import SigningKey, UserSession
    from tests.support.admin import client_url, session_url, signed_in, user_url
    from tests.support.clients import PASSWORD, Client

    users: Any = get_user_model()._default_manager
    signing_keys.create(activate=True)
    staff = users.create_superuser("staff", password=PASSWORD)
    alice, bob, carol = (users.create_user(name, password=PASSWORD) for name in ("alice", "bob", "carol"))
    browser, http = signed_in(staff), Client()
    registered = clients.register("reports", alice)

    def read_and_write() -> None:
        with transaction.atomic():
            staff.refresh_from_db()
            users.filter(pk=staff.pk).update(last_name="x")

    def over_http(method: str, path: str, body: Any = None, *, number: int = 3, user: Any = alice) -> Callable[[], Any]:
        def do() -> None:
            pairs = [sessions.start(user) for _ in range(number)]
            values = {"refresh_token": pairs[0].refresh_token} if body is None else body
            answer = Client().bearer(pairs[0].access_token).send(path, values, method=method)
            assert answer.status_code in (200, 201, 204), (answer.status_code, answer.content)

        return do

    def in_admin(url: Callable[[], str], body: Callable[[], Any]) -> Callable[[], Any]:
        def do() -> None:
            answer = browser.post(url(), body())
            assert answer.status_code == 302, (answer.status_code, answer.content[-2000:])

        return do

    def change(name: str, **values: Any) -> Callable[[], Any]:
        def do() -> None:
            user = users.get(username=name)
            for field, value in values.items():
                setattr(user, field, value)
            user.save()

        return do

    def move_key(*arguments: str) -> Callable[[], Any]:
        def do() -> None:
            kid = SigningKey.objects.order_by("-created_at").first().kid  # type: ignore[union-attr]  # there is one
            call_command("jwt_keys", *(kid if word == "KID" else word for word in arguments), stdout=StringIO())

        return do

    def form_of(user: Any) -> dict[str, Any]:
        times = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        return {"username": user.username, "is_active": "", **times}

    chosen = {"action": "revoke_selected", "select_across": "1", "index": "0", "confirmed": "yes"}
    key = {"algorithm": "HS256"}
    return {
        "control": read_and_write,
        "POST login/": lambda: http.tokens(alice),
        "POST refresh/": over_http("post", "refresh/"),
        "POST logout/": over_http("post", "logout/"),
        "POST logout/all/": over_http("post", "logout/all/"),
        "DELETE sessions/": over_http("delete", "sessions/"),
        "DELETE sessions/ of many": over_http("delete", "sessions/", number=105),
        "POST revoke/": lambda: http.send("revoke/", {"token": http.tokens(alice)["access_token"]}),
        "POST revoke/user/": over_http("post", "revoke/user/", {"user": str(bob.pk)}, user=staff),
        "POST clients/": over_http(
            "post", "clients/", {"client_name": "x", "user": str(bob.pk), "key": key}, user=staff
        ),
        "register": lambda: clients.add_secret(clients.register("sensors", bob, actor=alice)),
        "change a client": lambda: clients.change(registered, scopes="read"),
        "rotate a key of a client": lambda: clients.rotate(clients.add_secret(registered).key),
        "revoke a key of a client": lambda: revocation.revoke_client_key(clients.add_secret(registered).key),
        "delete a key of a client": lambda: clients.add_secret(registered).key.delete(),
        "revoke a client": lambda: revocation.revoke_client(registered),
        "disable a client": lambda: revocation.disable_client(clients.register("x", bob)),
        "delete a client": lambda: clients.add_secret(clients.register("x", bob)).key.client.delete(),
        "jwt_client create": lambda: call_command(
            "jwt_client", "create", "x", f"--user={carol.pk}", "--algorithm=HS256", stdout=StringIO()
        ),
        "revoke_users": lambda: revocation.revoke_users([alice, bob], with_clients=True),
        "revoke_all": revocation.revoke_all,
        "new password": change("bob", password="another"),
        "deactivation": change("bob", is_active=False),
        "deletion": lambda: users.get(username="bob").delete(),
        "jwt_keys create": move_key("create"),
        "jwt_keys activate": move_key("activate", "KID", "--emergency", "--yes"),
        "jwt_keys revoke": move_key("revoke", "KID", "--emergency", "--yes"),
        "admin: end sessions": in_admin(
            lambda: session_url("changelist"),
            lambda: {**chosen, "_selected_action": [str(sessions.start(carol).session_id)]},
        ),
        "admin: change a client": in_admin(
            lambda: client_url("change", clients.register("x", carol).pk),
            lambda: {"name": "renamed", "scopes": "read write"},
        ),
        "admin: deactivate a user": in_admin(lambda: user_url("change", carol.pk), lambda: form_of(carol)),
        "admin: delete a user": in_admin(lambda: user_url("delete", carol.pk), lambda: {"post": "yes"}),
        "jwt_clear_expired": lambda: (
            UserSession.objects.update(expires_at="2026-01-01T00:00:00Z"),
            call_command("jwt_clear_expired", stdout=StringIO()),
        ),
    }


def attempt(do: Callable[[], Any]) -> str:
    """Return "done", or the error of an operation."""
    try:
        do()
    except Exception as error:  # noqa: BLE001  # whatever it is, the test shows it
        return repr(error)
    return "done"


def main(directory: str) -> None:
    path = str(Path(directory) / "db.sqlite3")
    set_up(path)
    import logging

    from django.db import connection

    logging.disable(logging.CRITICAL)
    do, other, found = operations(), OtherProcess(path), {}
    with connection.execute_wrapper(other):
        for name, operation in do.items():
            found[name] = attempt(operation)
    found["written by the other process"] = str(other.written > len(do))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
