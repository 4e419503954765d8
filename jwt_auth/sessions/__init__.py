"""Start, refresh and end sessions."""

from jwt_auth.http.peer import Peer, peer_of
from jwt_auth.sessions.accounts import Account, find_account
from jwt_auth.sessions.lifecycle import CredentialsChangedError, end, refresh, start
from jwt_auth.sessions.pairs import TokenPair

__all__ = [
    "Account",
    "CredentialsChangedError",
    "Peer",
    "TokenPair",
    "end",
    "find_account",
    "peer_of",
    "refresh",
    "start",
]
