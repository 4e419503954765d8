"""
System checks of what memory mode depends on: where events are written, bells, and a database's timeouts.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.db import connections, router

from jwt_auth.conf import get_settings, settings_are_valid
from jwt_auth.models import RevocationEvent, UserSession

# Caches that no other process sees.
_PRIVATE_CACHES = ("locmem.LocMemCache", "dummy.DummyCache")

# What each database's client calls the time that it waits for a connection.
_TIMEOUTS = {"postgresql": ("connect_timeout",), "mysql": ("connect_timeout", "read_timeout")}


def check_revocation(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """What would keep a revocation from other processes."""
    return [*_check_databases(), *_check_bells()] if settings_are_valid() else []


def check_timeouts(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Whether the request that asks on behalf of all others could wait for ever."""
    if not settings_are_valid() or get_settings().REVOCATION != "memory":
        return []
    connection = connections[router.db_for_write(RevocationEvent)]
    options = connection.settings_dict.get("OPTIONS", {})
    wanted = [name for name in _TIMEOUTS.get(connection.vendor, ()) if name not in options]
    if not wanted:
        return []
    return [
        checks.Warning(
            f"The database {connection.alias!r} has no {' and no '.join(wanted)}: "
            "in memory mode a request waits for it on behalf of all others.",
            hint="Set them in OPTIONS; docs/how-to/production.md has values.",
            id="jwt_auth.W060",
        )
    ]


def _check_databases() -> Iterator[checks.CheckMessage]:
    sessions, events = router.db_for_write(UserSession), router.db_for_write(RevocationEvent)
    if sessions != events:
        yield checks.Error(
            f"Sessions are written to {sessions!r} and revocations to {events!r}: no transaction holds both.",
            hint="Have your router send the whole app jwt_auth, and the user model, to one database.",
            id="jwt_auth.E060",
        )


def _check_bells() -> Iterator[checks.CheckMessage]:
    settings = get_settings()
    if settings.REVOCATION_CACHE is not None:
        backend = django_settings.CACHES[settings.REVOCATION_CACHE]["BACKEND"]
        if backend.endswith(_PRIVATE_CACHES):
            yield checks.Error(
                f"REVOCATION_CACHE names {settings.REVOCATION_CACHE!r}, which no other process sees ({backend}).",
                hint="Name a cache that all machines share, such as Redis or Memcached, or leave it out.",
                id="jwt_auth.E061",
            )
    if settings.REVOCATION_PUSH is not None and find_spec("redis") is None:
        yield checks.Error(
            "REVOCATION_PUSH is set, but redis-py is not installed.",
            hint='Install it: pip install "jwt_auth[redis]".',
            id="jwt_auth.E062",
        )
