"""
System checks of the requirements of memory mode: the database of the events, notifications, and database options.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from django.contrib.auth import get_user_model
from django.core import checks
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connections, router

from jwt_auth._django.caches import backend_of
from jwt_auth._django.querysets import takes_conditions
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.issuers.tenants import find_confusion
from jwt_auth.models import RevocationEvent, UserSession

# Caches that other processes can't see.
_PRIVATE_CACHES = (LocMemCache, DummyCache)

# Isolation levels at which a transaction sees a snapshot from its beginning.
_SNAPSHOTS = ("repeatable read", "serializable")

# The timeout options of each database's client, with usual values.
_TIMEOUTS = {"postgresql": {"connect_timeout": 2}, "mysql": {"connect_timeout": 2, "read_timeout": 5}}


def check_revocation(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check that revocations reach other processes, and that those of one tenant don't count for another."""
    if not settings_are_valid():
        return []
    return [*_check_databases(), *_check_tenants(), *_check_notifications()]


def check_timeouts(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check that the request that queries on behalf of all others can't wait without a limit."""
    if not settings_are_valid() or get_settings().REVOCATION != "memory":
        return []
    connection = connections[router.db_for_write(RevocationEvent)]
    options = connection.settings_dict.get("OPTIONS", {})
    usual = _TIMEOUTS.get(connection.vendor, {})
    wanted = {name: seconds for name, seconds in usual.items() if name not in options}
    if not wanted:
        return []
    return [
        checks.Warning(
            f"The database {connection.alias!r} has no {' and no '.join(wanted)}: "
            "in memory mode one request waits for the database on behalf of all others.",
            hint=f"Add {wanted} to OPTIONS in DATABASES[{connection.alias!r}]; the numbers are seconds.",
            id="jwt_auth.W060",
        )
    ]


def check_isolation(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check that the request that queries on behalf of all others does not read from an old snapshot."""
    if not settings_are_valid() or get_settings().REVOCATION != "memory":
        return []
    connection = connections[router.db_for_write(RevocationEvent)]
    if not _keeps_snapshots(connection.vendor, connection.settings_dict.get("OPTIONS", {})):
        return []
    return [
        checks.Warning(
            f"The isolation level of the database {connection.alias!r} is above read committed: in memory mode, "
            "while a transaction in which a token was verified is open, the process may accept revoked tokens.",
            hint='Remove isolation_level from OPTIONS, or set REVOCATION to "database".',
            id="jwt_auth.W061",
        )
    ]


def _keeps_snapshots(vendor: str, options: Mapping[str, Any]) -> bool:
    """Return whether a transaction reads from a snapshot, according to the settings."""
    if "isolation_level" not in options:
        return False  # Django's own default is read committed
    level = options["isolation_level"]
    if vendor == "mysql":
        # None means the server's own setting; its default is repeatable read.
        return str(level or "repeatable read").lower() in _SNAPSHOTS
    if vendor == "postgresql":
        from django.db.backends.postgresql.psycopg_any import IsolationLevel  # needs a PostgreSQL driver

        # By name, because psycopg and psycopg2 number the levels differently. Django itself reports unknown levels.
        return any(level == known and known.name.replace("_", " ").lower() in _SNAPSHOTS for known in IsolationLevel)
    return False


def _check_databases() -> Iterator[checks.CheckMessage]:
    sessions, events = router.db_for_write(UserSession), router.db_for_write(RevocationEvent)
    if sessions != events:
        yield checks.Error(
            f"Sessions are written to {sessions!r} and revocations to {events!r}: no transaction can contain both.",
            hint="Have your router send the whole app jwt_auth, and the user model, to one database.",
            id="jwt_auth.E060",
        )
    users = router.db_for_write(get_user_model())
    if _place_of(users) != _place_of(sessions):
        yield checks.Error(
            f"Users are written to {users!r} and sessions to {sessions!r}: Django supports no foreign keys between "
            "databases, and the app reads sessions together with their users.",
            hint="Have your router send the whole app jwt_auth to the database of the user model.",
            id="jwt_auth.E066",
        )
    if not takes_conditions(get_user_model()._default_manager.all()):
        yield checks.Error(
            f"The default manager of {get_user_model().__name__} gives a slice or a union, which can't be filtered: no "
            "user would be found.",
            hint="Have its get_queryset() filter the users instead, for example with Q(...) | Q(...).",
            id="jwt_auth.E067",
        )
    if not connections[sessions].settings_dict["AUTOCOMMIT"]:
        yield checks.Error(
            f"The database {sessions!r}, which sessions are written to, has AUTOCOMMIT off: Django runs no on_commit "
            "hooks, so revocations are neither announced nor logged.",
            hint="Remove the option, and use transaction.atomic() or ATOMIC_REQUESTS.",
            id="jwt_auth.E063",
        )


def _place_of(alias: str) -> tuple[str, ...]:
    """Return the values that are the same for two aliases of one database."""
    settings = connections[alias].settings_dict
    return tuple(str(settings[name]) for name in ("ENGINE", "HOST", "PORT", "NAME"))


def _check_tenants() -> Iterator[checks.CheckMessage]:
    if (fault := find_confusion()) is not None:
        yield checks.Error(fault.message, hint=fault.hint, id=f"jwt_auth.{fault.id}")


def _check_notifications() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    if settings.REVOCATION_CACHE is not None:
        backend = backend_of(settings.REVOCATION_CACHE)
        if issubclass(backend, _PRIVATE_CACHES):
            yield checks.Error(
                f"REVOCATION_CACHE is {settings.REVOCATION_CACHE!r}, which other processes can't see "
                f"({backend.__name__}).",
                hint="Use a cache that all machines share, such as Redis or Memcached, or remove the setting.",
                id="jwt_auth.E061",
            )
    if settings.REVOCATION_PUSH is not None and find_spec("redis") is None:
        yield checks.Error(
            "REVOCATION_PUSH is set, but redis-py is not installed.",
            hint='Install it: pip install "django-revocable-jwt[redis]".',
            id="jwt_auth.E062",
        )
