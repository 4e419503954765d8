"""
What happened, in the past tense. All are sent after the transaction has been committed, with
`send_robust`: a receiver that fails is logged and stops nothing.
"""

from django.dispatch import Signal

# session: the new UserSession.
session_started = Signal()

# session: the UserSession; rotated: False when the same successor was handed out again.
token_refreshed = Signal()

# session: the UserSession, revoked by now; presented, expected: counters of the token and the row.
refresh_token_reused = Signal()

# event: the RevocationEvent; session_id: uuid.UUID.
session_revoked = Signal()

# event: the RevocationEvent; user_id: primary key; cutoff: aware datetime; sessions_revoked: int.
user_revoked = Signal()

# event: the RevocationEvent; cutoff: aware datetime.
all_revoked = Signal()
