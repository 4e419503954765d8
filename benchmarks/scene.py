"""A user who has very many sessions, for `benchmarks.many_sessions`."""

from typing import Any

PASSWORD = "a password for the benchmark"

# SQL for a new id and a new handle, by database.
NEW = {
    "postgresql": ("gen_random_uuid()", "md5(random()::text || clock_timestamp()::text)"),
    "mysql": ("UUID()", "REPLACE(UUID(), '-', '')"),
    "sqlite": ("lower(hex(randomblob(16)))", "lower(hex(randomblob(16)))"),
}


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

    def client(self) -> Any:
        """Return a client with the token of the newest session."""
        from tests.support.clients import Client

        return Client().bearer(self.pair.access_token)

    def admin(self) -> Any:
        """Return a browser in which a superuser is signed in to the admin."""
        from django.test import Client

        browser = Client()
        browser.force_login(self.staff)
        return browser


def _cursor() -> Any:
    from django.db import connection

    return connection.cursor()
