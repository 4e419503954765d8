"""
The state of this thread's connection to a database.
"""

from django.db import close_old_connections, connections, transaction


def in_transaction(alias: str) -> bool:
    """Return whether a transaction is open: what is written now may still be rolled back."""
    is_inside: bool | None = getattr(connections[alias], "in_atomic_block", None)
    # A Django that differs: within a transaction it has switched autocommit off.
    return not transaction.get_autocommit(alias) if is_inside is None else is_inside


def close_if_broken(alias: str) -> None:
    """Close a connection on which a query has failed, as Django does, but only around requests."""
    if getattr(connections[alias], "errors_occurred", False) and not in_transaction(alias):
        close_old_connections()
