"""
The signals of this app, each sent after the event that it is named for.

All are sent with `send_robust`: a receiver that fails is logged and stops nothing. Changes to the database have been
committed by then.
"""

from functools import partial
from typing import Any

from django.db import router
from django.db.models import Model
from django.dispatch import Signal

from jwt_auth._django.commit_hooks import on_commit

__all__ = [
    "all_revoked",
    "client_changed",
    "client_disabled",
    "client_key_added",
    "client_key_revoked",
    "client_registered",
    "client_revoked",
    "key_activated",
    "key_created",
    "key_revoked",
    "new_device_seen",
    "refresh_token_reused",
    "refresh_token_shared",
    "service_token_issued",
    "session_peer_changed",
    "session_revoked",
    "session_started",
    "token_refreshed",
    "token_revoked",
    "user_revoked",
]

# session: the new UserSession.
session_started = Signal()

# session: the new UserSession; device: its name; first: whether it is the user's first sign-in ever. New devices
# are looked for only if a receiver is connected, because the check costs the sign-in a query.
new_device_seen = Signal()

# session: the UserSession; rotated: False when the same successor was returned again.
token_refreshed = Signal()

# session: the UserSession, already revoked; presented, expected: counters of the token and the row; peer: the Peer that
# presented the token, or None for code that names none.
refresh_token_reused = Signal()

# session: the UserSession, whose `last_ip_address` and `last_user_agent` are those of its newest rotation; peer: the
# other Peer; rotations: the number of consecutive rotations that were shared.
refresh_token_shared = Signal()

# session: the UserSession, after a rotation; peer: the Peer of this rotation; former: that of the one before, or of the
# sign-in.
session_peer_changed = Signal()

# event: the RevocationEvent.
token_revoked = Signal()

# event: the RevocationEvent; session_id: uuid.UUID.
session_revoked = Signal()

# event: the RevocationEvent; user_id: primary key; cutoff: aware datetime; sessions_revoked: int;
# clients_left: the number of API clients that outlive it.
user_revoked = Signal()

# event: the RevocationEvent; cutoff: aware datetime.
all_revoked = Signal()

# claims: of the token; user: the user that it speaks for; actor: client_id of the client that acts, or None.
service_token_issued = Signal()

# key: the new SigningKey.
key_created = Signal()

# key: the SigningKey that signs from now on; former: the one that signed until now, or None.
key_activated = Signal()

# event: the RevocationEvent; key: the SigningKey.
key_revoked = Signal()

# client: the new RegisteredClient; actor: the primary key of the user who did it, or a name, as a str.
client_registered = Signal()

# client: the RegisteredClient as it is now; changed: the names of its fields; actor: as above.
client_changed = Signal()

# client_key: the new ClientKey; replaced: the ClientKey that it replaces, or None; actor: as above.
client_key_added = Signal()

# event: the RevocationEvent; client_key: the ClientKey.
client_key_revoked = Signal()

# event: the RevocationEvent; client: the RegisteredClient; cutoff: aware datetime.
client_revoked = Signal()

# event: the RevocationEvent; client: the RegisteredClient, permanently disabled, or deleted.
client_disabled = Signal()


def send_on_commit(signal: Signal, sender: type[Model], **arguments: Any) -> None:
    """Send `signal` when the transaction on the database of `sender` has been committed."""
    send = partial(signal.send_robust, sender=sender, **arguments)
    on_commit(send, using=router.db_for_write(sender))
