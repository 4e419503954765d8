"""
Convert database outages to UnavailableError, which is answered with 503: nobody is let in, and nobody signed out.
"""

from contextlib import AbstractContextManager

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections

from jwt_auth._django.driver_errors import is_of_server
from jwt_auth.exceptions import UnavailableError


def has_database(alias: str) -> bool:
    """
    Return whether the project has a database of this name.

    With `DATABASES = {}` Django has a dummy database, which raises an error for each query.
    """
    engine: str = connections[alias].settings_dict["ENGINE"]
    return engine != "django.db.backends.dummy"


def is_outage(error: BaseException) -> bool:
    """
    Return whether `error` means that a database is down, overloaded, read-only or missing.

    If not, a query is wrong, or one of its values, or a migration is missing.
    """
    if isinstance(error, ImproperlyConfigured):
        return str(error).startswith("settings.DATABASES ")
    return isinstance(error, Error) and is_of_server(error)


class _OutageIsUnavailable:
    # A class, because a generator would need a microsecond more in each request.

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None and is_outage(error):
            raise UnavailableError(f"the database can't be asked: {error}") from error


_outage_is_unavailable = _OutageIsUnavailable()


def outage_is_unavailable() -> AbstractContextManager[None]:
    """
    Return a context manager that converts database outages in its block.

    Raises:
        UnavailableError: for an outage in the block.
    """
    return _outage_is_unavailable
