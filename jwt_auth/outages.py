"""
When the database can't be asked, the answer is "later" (503): neither let in nor signed out.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError

from jwt_auth.exceptions import UnavailableError

# SQLite and MariaDB call a missing table or column operational; it is a missing migration.
_SCHEMA_FAULT = re.compile(r"no such (table|column)|Unknown column")


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that a database is down or overloaded, and not that a query is wrong."""
    return isinstance(error, InterfaceError | OperationalError) and not _SCHEMA_FAULT.search(str(error))


@contextmanager
def outage_is_unavailable() -> Iterator[None]:
    """
    Raises:
        UnavailableError: for an outage in the block.
    """
    try:
        yield
    except (InterfaceError, OperationalError) as error:
        if not is_outage(error):
            raise
        raise UnavailableError(f"the database can't be asked: {error}") from error
