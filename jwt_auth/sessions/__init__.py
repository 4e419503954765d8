"""Start, refresh, update, keep and end sessions."""

from jwt_auth.http.peer import Peer, peer_of
from jwt_auth.sessions.accounts import Account, any_account, find_account
from jwt_auth.sessions.keeping import Kept, kept
from jwt_auth.sessions.lifecycle import end, refresh
from jwt_auth.sessions.results import AccessToken, TokenPair
from jwt_auth.sessions.starting import CredentialsChangedError, start
from jwt_auth.sessions.updating import update

__all__ = [
    "AccessToken",
    "Account",
    "CredentialsChangedError",
    "Kept",
    "Peer",
    "TokenPair",
    "any_account",
    "end",
    "find_account",
    "kept",
    "peer_of",
    "refresh",
    "start",
    "update",
]
