"""
Transactions that will write: on SQLite they lock the database at their beginning.

SQLite has one lock for all writes. A transaction that reads first requests the lock with its first write. If another
one has written since, SQLite refuses it at once ("database is locked"), because waiting would not help. A transaction
that begins with the lock waits for it. Django has an option for that, `"transaction_mode": "IMMEDIATE"`, for the whole
project; here it is set while such a transaction begins.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections, transaction

from jwt_auth._django.differences import note_difference

_UNKNOWN = object()


@contextmanager
def write_atomic(using: str, *, savepoint: bool = True) -> Iterator[None]:
    """
    Open a transaction, or join that of the caller, as `transaction.atomic()` does.

    On SQLite the caller's transaction decides how it began. So code that may be called in one still writes before it
    reads: see `locks.lock_by_writing`.
    """
    with ExitStack() as stack:
        with _beginning_with_the_lock(using):
            stack.enter_context(transaction.atomic(using=using, savepoint=savepoint))
        yield


@contextmanager
def atomic_on_sqlite(using: str) -> Iterator[None]:
    """Open such a transaction on SQLite, around code of Django that opens one itself; do nothing elsewhere."""
    if connections[using].vendor != "sqlite":
        yield
        return
    with write_atomic(using):
        yield


@contextmanager
def _beginning_with_the_lock(using: str) -> Iterator[None]:
    connection: Any = connections[using]
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()  # which sets the attribute from the options
    mode = getattr(connection, "transaction_mode", _UNKNOWN)
    if mode is _UNKNOWN:
        note_difference("concurrent changes may fail on SQLite", "no transaction_mode")
    connection.transaction_mode = "EXCLUSIVE" if mode == "EXCLUSIVE" else "IMMEDIATE"
    try:
        yield
    finally:
        if mode is not _UNKNOWN:
            connection.transaction_mode = mode
