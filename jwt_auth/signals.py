"""
What happened, in the past tense. All are sent after the transaction has been committed, with
`send_robust`: a receiver that fails is logged and stops nothing.
"""

from functools import partial
from typing import Any

from django.db import router, transaction
from django.db.models import Model
from django.dispatch import Signal

# session: the new UserSession.
session_started = Signal()

# session: the UserSession; rotated: False when the same successor was handed out again.
token_refreshed = Signal()

# session: the UserSession, revoked by now; presented, expected: counters of the token and the row.
refresh_token_reused = Signal()

# event: the RevocationEvent.
token_revoked = Signal()

# event: the RevocationEvent; session_id: uuid.UUID.
session_revoked = Signal()

# event: the RevocationEvent; user_id: primary key; cutoff: aware datetime; sessions_revoked: int.
user_revoked = Signal()

# event: the RevocationEvent; cutoff: aware datetime.
all_revoked = Signal()


def send_on_commit(signal: Signal, sender: type[Model], **arguments: Any) -> None:
    """Send `signal` when the transaction on the database of `sender` has been committed."""
    send = partial(signal.send_robust, sender=sender, **arguments)
    transaction.on_commit(send, using=router.db_for_write(sender), robust=True)
