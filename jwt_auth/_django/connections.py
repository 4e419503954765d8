"""
The state of this thread's connection to a database.
"""

from django.db import connections


def in_transaction(alias: str) -> bool:
    """Return whether a transaction is open: what is written now may still be rolled back."""
    return connections[alias].in_atomic_block


def close_if_broken(alias: str) -> None:
    """Close a connection on which a query has failed, as Django does, but only around requests."""
    connection = connections[alias]
    if connection.errors_occurred and not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
