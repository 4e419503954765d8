"""
The state of this thread's connection to a database.
"""

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections, transaction


def in_transaction(alias: str) -> bool:
    """Return whether a transaction is open: what is written now may still be rolled back."""
    is_inside: bool | None = getattr(connections[alias], "in_atomic_block", None)
    # A Django that differs: within a transaction it has switched autocommit off.
    return not transaction.get_autocommit(alias) if is_inside is None else is_inside


def close_if_broken(alias: str) -> None:
    """Close a connection on which a query has failed, as Django does, but only around requests."""
    connection = connections[alias]
    if getattr(connection, "errors_occurred", False) and not in_transaction(alias):
        # Of this database alone: `close_old_connections()` closes those of others too, which may be at work.
        close = getattr(connection, "close_if_unusable_or_obsolete", None) or connection.close
        close()


async def aclose_old() -> None:
    """
    Close the connections that are broken or too old, as Django does around each request: a WebSocket is none.

    Otherwise the thread of the loop's queries would use a connection that the server has closed again and again.
    """
    await sync_to_async(close_old_connections)()


def is_private_to_process(alias: str) -> bool:
    """
    Return whether the database is in the memory of this process, as SQLite's is in tests.

    The connections of such a database lock each other out, and a test keeps a transaction open on one of them.
    """
    connection = connections[alias]
    is_in_memory = getattr(connection.creation, "is_in_memory_db", None)
    return is_in_memory is not None and bool(is_in_memory(connection.settings_dict["NAME"]))
