"""Revoke tokens, sessions, users and clients (`operations`), and decide whether a token is revoked (`verdict`)."""

from jwt_auth.revocation.clients import (
    disable_client as disable_client,
    revoke_client as revoke_client,
    revoke_client_key as revoke_client_key,
)
from jwt_auth.revocation.operations import (
    BulkRevocation as BulkRevocation,
    UserRevocation as UserRevocation,
    revoke_all as revoke_all,
    revoke_session as revoke_session,
    revoke_sessions as revoke_sessions,
    revoke_token as revoke_token,
    revoke_user as revoke_user,
    revoke_users as revoke_users,
)
