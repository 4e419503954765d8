"""Both modes of this app in one process: REVOCATION = "memory" for the project, and "database" for single views."""

from jwt_auth.authentication import JWTAuthentication

Memory = JWTAuthentication
Database = JWTAuthentication.with_revocation("database")
