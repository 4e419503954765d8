"""
The modes of this app in one process: REVOCATION = "memory" for the project, and "database" for single views.

On PostgreSQL the query of `Database` is prepared; that of `Unprepared` is not, as behind a pooler.
"""

from typing import Any

from django.db import connection

from jwt_auth._django import prepared
from jwt_auth.authentication import JWTAuthentication

Memory = JWTAuthentication
Database = JWTAuthentication.with_revocation("database")

_REFUSED = prepared._Use(is_allowed=False)


class Unprepared(Database):  # type: ignore[misc, valid-type]  # made by a function
    """`Database`, on a connection that prepares nothing."""

    def authenticate(self, request: Any) -> Any:
        if connection.vendor != "postgresql":
            return super().authenticate(request)
        connection.ensure_connection()
        raw = connection.connection
        before = prepared._known.get(raw) or prepared._Use()
        prepared._known[raw] = _REFUSED
        try:
            return super().authenticate(request)
        finally:
            prepared._known[raw] = before
