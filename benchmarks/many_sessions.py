"""
The time of each operation on a user who has very many sessions.

    python -m benchmarks.many_sessions [--sessions 50000] [--rounds 5] [--database postgresql] [--only NAME]

Each operation has the sessions of a script that signs in every 24 seconds and never signs out. The database is a new
one of the kind that `--database` names, found as tests/settings.py says, and is dropped at the end. Prints the median
and the longest milliseconds, and the number of queries. Operations that change rows get new ones in each round.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.scene import PASSWORD, Scene


@contextmanager
def database(kind: str) -> Iterator[None]:
    """Set up Django on a new database of `kind`."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["TEST_DATABASE"] = kind
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


OURS = "/admin/jwt_auth/"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """
    Something to measure.

    Args:
        changes: whether it changes the rows, so that each round needs new ones.
        prepare: called before each round, outside the measurement; it returns the function to measure.
    """

    changes: bool
    prepare: Callable[[], Callable[[], Any]]


def operations(scene: Scene) -> dict[str, Operation]:
    """Return each operation, by its name."""
    return {**endpoints(scene), **calls(scene), **admin_pages(scene)}


def endpoints(scene: Scene) -> dict[str, Operation]:
    """Return the requests of the user, with the token of the newest session."""

    def http(method: str, path: str) -> Operation:
        def prepare() -> Callable[[], Any]:
            client = scene.client()
            return lambda: _expect(client.send(path.format(session=scene.session.pk), method=method), 200, 204)

        return Operation(changes=method != "get", prepare=prepare)

    def sign_in(limit: int | None) -> Operation:
        from django.test.utils import override_settings

        from tests.support.clients import Client

        def do() -> None:
            with override_settings(JWT_AUTH={"SESSION_LIMIT": limit}):
                _expect(Client().login(scene.user, PASSWORD), 200)

        return Operation(changes=True, prepare=lambda: do)

    return {
        "GET sessions/": http("get", "sessions/"),
        "GET me/": http("get", "me/"),
        "DELETE sessions/<id>/": http("delete", "sessions/{session}/"),
        "DELETE sessions/": http("delete", "sessions/"),
        "POST logout/all/": http("post", "logout/all/"),
        "POST login/, SESSION_LIMIT 100": sign_in(100),
        "POST login/, SESSION_LIMIT 1000": sign_in(1000),
        "POST login/, no limit": sign_in(None),
    }


def calls(scene: Scene) -> dict[str, Operation]:
    """Return what a project's own code and an operator do."""
    from django.core.management import call_command

    from jwt_auth import revocation

    def change(do: Callable[[], Any]) -> Operation:
        return Operation(changes=True, prepare=lambda: do)

    def command(*arguments: str, changes: bool = False) -> Operation:
        return Operation(changes=changes, prepare=lambda: lambda: call_command(*arguments, stdout=StringIO()))

    def change_password() -> None:
        scene.user.set_password("another one")
        scene.user.save()

    def deactivate() -> None:
        scene.user.is_active = False
        scene.user.save()

    def delete() -> None:
        key = scene.user.pk
        scene.user.delete()
        scene.user.pk = key

    return {
        "revoke_user()": change(lambda: revocation.revoke_user(scene.user)),
        "revoke_users()": change(lambda: revocation.revoke_users([scene.user, scene.staff])),
        "password change": change(change_password),
        "deactivation": change(deactivate),
        "deletion": change(delete),
        "jwt_sessions": command("jwt_sessions", "--user", "robot"),
        "jwt_sessions --all": command("jwt_sessions", "--user", "robot", "--all"),
        "jwt_revoke --user": command("jwt_revoke", "--user", "robot", "--yes", changes=True),
    }


def admin_pages(scene: Scene) -> dict[str, Operation]:
    """Return the pages that members of staff see, and what these do."""
    from jwt_auth.administration.sessions import UserSessionAdmin

    def page(path: str, body: Callable[[], Any] | None = None, *, changes: bool = False) -> Operation:
        def prepare() -> Callable[[], Any]:
            browser, url = scene.admin(), path.format(user=scene.user.pk, session=scene.session.pk)
            return lambda: _expect(browser.get(url) if body is None else browser.post(url, body()), 200, 302)

        return Operation(changes=changes, prepare=prepare)

    def confirmed(path: str) -> Operation:
        return page(path, lambda: {"confirmed": "yes"}, changes=True)

    def selected(**more: str) -> dict[str, Any]:
        one = str(scene.session.pk)
        return {"action": "revoke_selected", "select_across": "1", "_selected_action": [one], "index": "0", **more}

    # `scene.number` sessions, and the one that acts.
    last_page = scene.number // UserSessionAdmin.list_per_page + 1
    user, listed, events = "/admin/auth/user/{user}/", f"{OURS}usersession/", f"{OURS}revocationevent/"
    return {
        "admin: user": page(f"{user}change/"),
        "admin: users": page("/admin/auth/user/"),
        "admin: revoke tokens, question": page(f"{user}revoke-tokens/"),
        "admin: revoke tokens": confirmed(f"{user}revoke-tokens/"),
        "admin: delete user, question": page(f"{user}delete/"),
        "admin: delete user": page(f"{user}delete/", lambda: {"post": "yes"}, changes=True),
        "admin: sessions": page(listed),
        "admin: sessions of the user": page(f"{listed}?user__exact={{user}}"),
        "admin: live sessions": page(f"{listed}?state=live"),
        "admin: ended sessions": page(f"{listed}?state=ended"),
        "admin: last page of sessions": page(f"{listed}?p={last_page}"),
        "admin: search": page(f"{listed}?q=robot"),
        "admin: session": page(f"{listed}{{session}}/change/"),
        "admin: revoke session": confirmed(f"{listed}{{session}}/revoke/"),
        "admin: select all, question": page(f"{listed}?user__exact={{user}}", selected),
        "admin: select all": page(
            f"{listed}?user__exact={{user}}", lambda: selected(confirmed="yes", reason=""), changes=True
        ),
        "admin: events": page(events),
        "admin: revoke everything, question": page(f"{events}revoke-everything/"),
    }


def _expect(response: Any, *statuses: int) -> None:
    assert response.status_code in statuses, (response.status_code, response.content[:500])


def measure(scene: Scene, operation: Operation, rounds: int) -> tuple[float, float, int]:
    """Return the median and the longest milliseconds of an operation, and its queries."""
    from django.db import connection

    taken, queries = [], 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    for number in range(rounds):
        if operation.changes or not number:
            scene.renew()
        do, queries = operation.prepare(), 0
        begin = perf_counter()
        with connection.execute_wrapper(count):
            do()
        taken.append((perf_counter() - begin) * 1000)
    return median(taken), max(taken), queries


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_sessions", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "mariadb"], default="postgresql")
    parser.add_argument("--sessions", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="a part of the names of the operations to measure")
    options = parser.parse_args()
    with database(options.database):
        import logging

        logging.getLogger("jwt_auth").addHandler(logging.StreamHandler(StringIO()))
        scene = Scene(options.sessions)
        print(f"{options.sessions:,} sessions, {options.database}: median ms, longest ms, queries", flush=True)
        for name, operation in operations(scene).items():
            if options.only in name:
                middle, most, queries = measure(scene, operation, options.rounds)
                print(f"{name:<36}{middle:>10,.0f}{most:>10,.0f}{queries:>8}", flush=True)


if __name__ == "__main__":
    main()
