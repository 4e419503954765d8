"""Revoke tokens, sessions, users and clients (`operations`), and decide whether a token is revoked (`verdict`)."""

from jwt_auth.revocation.bulk import BulkRevocation, revoke_users
from jwt_auth.revocation.clients import disable_client, revoke_client, revoke_client_key
from jwt_auth.revocation.events import Actor
from jwt_auth.revocation.operations import (
    UserRevocation,
    revoke_all,
    revoke_session,
    revoke_sessions,
    revoke_token,
    revoke_user,
)

__all__ = [
    "Actor",
    "BulkRevocation",
    "UserRevocation",
    "disable_client",
    "revoke_all",
    "revoke_client",
    "revoke_client_key",
    "revoke_session",
    "revoke_sessions",
    "revoke_token",
    "revoke_user",
    "revoke_users",
]
