"""
The time of each operation on a user who has very many sessions.

    python -m benchmarks.many_sessions [--sessions 50000] [--rounds 5] [--database postgresql] [--only NAME]

Each operation has the sessions that a script leaves that signs in every 24 seconds, and never out. The database is a
new one of the kind that `--database` names, found as tests/settings.py says, and is dropped at the end. Prints the
median and the longest milliseconds, and the number of queries. Operations that change rows get new ones in each round.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from statistics import median
from time import perf_counter
from typing import Any

PASSWORD = "a password for the benchmark"

# How each database makes a new id and a new handle.
NEW = {
    "postgresql": ("gen_random_uuid()", "md5(random()::text || clock_timestamp()::text)"),
    "mysql": ("UUID()", "REPLACE(UUID(), '-', '')"),
    "sqlite": ("lower(hex(randomblob(16)))", "lower(hex(randomblob(16)))"),
}


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


class Scene:
    """A user with `number` sessions, one sign-in every 24 seconds; the newest is the one that acts."""

    def __init__(self, number: int) -> None:
        from django.contrib.auth import get_user_model

        self.number = number
        users: Any = get_user_model()._default_manager
        self.staff = users.create_superuser("staff", password=PASSWORD)
        self.user = users.create_user("robot", password=PASSWORD)
        self._make(self.user)
        with _cursor() as cursor:
            cursor.execute("CREATE TABLE pattern AS SELECT * FROM jwt_auth_usersession")

    def renew(self) -> None:
        """Replace all that the last operation has left."""
        from django.contrib.auth.hashers import make_password
        from django.core.cache import cache
        from django.db import connection

        from jwt_auth import sessions
        from jwt_auth.models import RevocationEvent, UserSession, UserTokenCutoff

        cache.clear()
        for model in (RevocationEvent, UserTokenCutoff):
            model.objects.all()._raw_delete("default")
        UserSession.objects.all()._raw_delete("default")
        users: Any = type(self.user)._default_manager
        users.filter(pk=self.user.pk).delete()
        self.user.password = make_password(PASSWORD)
        self.user.is_active = True
        self.user.save(force_insert=True)
        self._copy()
        if connection.vendor == "postgresql":
            with _cursor() as cursor:
                cursor.execute("VACUUM ANALYZE jwt_auth_usersession")
        self.pair = sessions.start(self.user)
        self.session = UserSession.objects.get(pk=self.pair.session_id)

    def _make(self, user: Any) -> None:
        from datetime import timedelta

        from django.utils import timezone

        from jwt_auth.models import UserSession

        now = timezone.now()
        begins = (now - timedelta(seconds=24 * i, microseconds=i) for i in range(1, self.number + 1))
        rows = (
            UserSession(
                user=user,
                started_at=begin,
                last_issued_at=begin,
                idle_expires_at=begin + timedelta(days=14),
                expires_at=begin + timedelta(days=30),
                auth_hash="x",
                user_agent=f"robot/{begin.microsecond}",
                ip_address="203.0.113.7",
            )
            for begin in begins
        )
        UserSession.objects.bulk_create(rows, batch_size=5000)

    def _copy(self) -> None:
        from django.db import connection

        names = [field.column for field in self.session_fields() if field.column not in ("id", "handle")]
        chosen = {"user_id": str(self.user.pk), "auth_hash": f"'{self.user.get_session_auth_hash()}'"}
        values = ", ".join(chosen.get(name, name) for name in names)
        new_id, new_handle = NEW[connection.vendor]
        with _cursor() as cursor:
            cursor.execute(
                f"INSERT INTO jwt_auth_usersession (id, handle, {', '.join(names)})"
                f" SELECT {new_id}, {new_handle}, {values} FROM pattern"
            )

    @staticmethod
    def session_fields() -> Any:
        from jwt_auth.models import UserSession

        return UserSession._meta.concrete_fields

    # The operations

    def client(self) -> Any:
        from tests.support.clients import Client

        return Client().bearer(self.pair.access_token)

    def admin(self) -> Any:
        from django.test import Client

        browser = Client()
        browser.force_login(self.staff)
        return browser

    def operations(self) -> dict[str, tuple[bool, Callable[[], Callable[[], Any]]]]:
        """Return each operation, by its name: whether it changes the rows, and the function that prepares it."""
        from django.core.management import call_command
        from django.test.utils import override_settings

        from jwt_auth import revocation

        def http(method: str, path: str) -> Callable[[], Callable[[], Any]]:
            def prepare() -> Callable[[], Any]:
                client = self.client()
                return lambda: _expect(client.send(path.format(session=self.session.pk), method=method), 200, 204)

            return prepare

        def page(path: str, body: Any = None) -> Callable[[], Callable[[], Any]]:
            def prepare() -> Callable[[], Any]:
                browser, url = self.admin(), path.format(user=self.user.pk, session=self.session.pk)
                send = browser.get if body is None else browser.post
                return lambda: _expect(send(url, body() if callable(body) else body), 200, 302)

            return prepare

        def sign_in(limit: Any) -> Callable[[], Callable[[], Any]]:
            def prepare() -> Callable[[], Any]:
                from tests.support.clients import Client

                def do() -> None:
                    with override_settings(JWT_AUTH={"SESSION_LIMIT": limit}):
                        _expect(Client().login(self.user, PASSWORD), 200)

                return do

            return prepare

        def command(*arguments: str) -> Callable[[], Callable[[], Any]]:
            return lambda: lambda: call_command(*arguments, stdout=StringIO())

        def call(do: Callable[[], Any]) -> Callable[[], Callable[[], Any]]:
            return lambda: do

        def change_password() -> None:
            self.user.set_password("another one")
            self.user.save()

        def deactivate() -> None:
            self.user.is_active = False
            self.user.save()

        def delete() -> None:
            key = self.user.pk
            self.user.delete()
            self.user.pk = key

        changelist = "/admin/jwt_auth/usersession/"
        selected = {"action": "revoke_selected", "select_across": "1", "_selected_action": ["x"], "index": "0"}

        def some() -> dict[str, Any]:
            return {**selected, "_selected_action": [str(self.session.pk)]}

        return {
            "GET sessions/": (False, http("get", "sessions/")),
            "GET me/": (False, http("get", "me/")),
            "DELETE sessions/<id>/": (True, http("delete", "sessions/{session}/")),
            "DELETE sessions/": (True, http("delete", "sessions/")),
            "POST logout/all/": (True, http("post", "logout/all/")),
            "POST login/, SESSION_LIMIT 100": (True, sign_in(100)),
            "POST login/, SESSION_LIMIT 1000": (True, sign_in(1000)),
            "POST login/, no limit": (True, sign_in(None)),
            "revoke_user()": (True, call(lambda: revocation.revoke_user(self.user))),
            "revoke_users()": (True, call(lambda: revocation.revoke_users([self.user, self.staff]))),
            "password change": (True, call(change_password)),
            "deactivation": (True, call(deactivate)),
            "deletion": (True, call(delete)),
            "jwt_sessions": (False, command("jwt_sessions", "--user", "robot")),
            "jwt_sessions --all": (False, command("jwt_sessions", "--user", "robot", "--all")),
            "jwt_revoke --user": (True, command("jwt_revoke", "--user", "robot", "--yes")),
            "admin: user": (False, page("/admin/auth/user/{user}/change/")),
            "admin: users": (False, page("/admin/auth/user/")),
            "admin: revoke tokens, question": (False, page("/admin/auth/user/{user}/revoke-tokens/")),
            "admin: revoke tokens": (True, page("/admin/auth/user/{user}/revoke-tokens/", {"confirmed": "yes"})),
            "admin: delete user, question": (False, page("/admin/auth/user/{user}/delete/")),
            "admin: delete user": (True, page("/admin/auth/user/{user}/delete/", {"post": "yes"})),
            "admin: sessions": (False, page(changelist)),
            "admin: sessions of the user": (False, page(changelist + "?user__exact={user}")),
            "admin: live sessions": (False, page(changelist + "?state=live")),
            "admin: ended sessions": (False, page(changelist + "?state=ended")),
            "admin: last page of sessions": (False, page(changelist + "?p=200")),
            "admin: search": (False, page(changelist + "?q=robot")),
            "admin: session": (False, page(changelist + "{session}/change/")),
            "admin: revoke session": (True, page(changelist + "{session}/revoke/", {"confirmed": "yes"})),
            "admin: select all, question": (False, page(changelist + "?user__exact={user}", some)),
            "admin: select all": (
                True,
                page(changelist + "?user__exact={user}", lambda: {**some(), "confirmed": "yes", "reason": ""}),
            ),
            "admin: events": (False, page("/admin/jwt_auth/revocationevent/")),
            "admin: revoke everything, question": (
                False,
                page("/admin/jwt_auth/revocationevent/revoke-everything/"),
            ),
        }


def _cursor() -> Any:
    from django.db import connection

    return connection.cursor()


def _expect(response: Any, *statuses: int) -> None:
    assert response.status_code in statuses, (response.status_code, response.content[:500])


def measure(scene: Scene, prepare: Any, rounds: int, *, changes: bool) -> tuple[float, float, int]:
    """Return the median and the longest milliseconds of an operation, and its queries."""
    from django.db import connection

    taken, queries = [], 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    for number in range(rounds):
        if changes or not number:
            scene.renew()
        do, queries = prepare(), 0
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
        for name, (changes, prepare) in scene.operations().items():
            if options.only in name:
                middle, most, queries = measure(scene, prepare, options.rounds, changes=changes)
                print(f"{name:<36}{middle:>10,.0f}{most:>10,.0f}{queries:>8}", flush=True)


if __name__ == "__main__":
    main()
