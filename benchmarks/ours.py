"""Both of this app's modes in one process: the project's own, REVOCATION = "memory", and a single view's."""

from jwt_auth.authentication import JWTAuthentication

Memory = JWTAuthentication
Database = JWTAuthentication.with_revocation("database")
