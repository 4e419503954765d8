"""
When the database can't be asked, the answer is "later" (503): neither let in nor signed out.
"""

import re
from contextlib import AbstractContextManager

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connections

from jwt_auth.exceptions import UnavailableError

# SQLite and MariaDB call a missing table or column operational; it is a missing migration.
_SCHEMA_FAULT = re.compile(r"no such (table|column)|Unknown column")


def has_database(alias: str) -> bool:
    """Whether the project has a database of this name: with `DATABASES = {}` it has one that only complains."""
    engine: str = connections[alias].settings_dict["ENGINE"]
    return engine != "django.db.backends.dummy"


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that a database is down, overloaded or not there, and not that a query is wrong."""
    if isinstance(error, ImproperlyConfigured):
        return str(error).startswith("settings.DATABASES ")
    return isinstance(error, InterfaceError | OperationalError) and not _SCHEMA_FAULT.search(str(error))


class _OutageIsUnavailable:
    # A generator would cost each request a microsecond more.

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None and is_outage(error):
            raise UnavailableError(f"the database can't be asked: {error}") from error


_outage_is_unavailable = _OutageIsUnavailable()


def outage_is_unavailable() -> AbstractContextManager[None]:
    """
    Raises:
        UnavailableError: for an outage in the block.
    """
    return _outage_is_unavailable
