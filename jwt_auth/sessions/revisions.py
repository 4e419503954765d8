"""
Revisions: changes of the claims of a session, while other requests issue tokens for it.

A row has a counter of its refresh tokens, and a revision of the claims of its access tokens. Each request reads the
row, signs an access token, and then writes the row on the condition that it has not changed:

    since the row was     a rotation (on condition    a tolerated refresh     an update, or a session that is
    read there was ...    of the counter too)         that has to write       kept: each increments the revision
    -------------------   -------------------------   ---------------------   ----------------------------------
    nothing               writes, and answers         writes, and answers     writes, and answers
    a rotation            reads again                 writes, and answers     writes, and answers
    another revision      reads again                 reads again             reads again, and then replaces it
    the session's end     reads again: refused        the same                the same

A tolerated refresh that has nothing to write counts as of the moment at which it read the row. So each token with the
former data is from before the new data was written, and a refresh that is written later answers with the new data,
whichever request came first. Of two updates at once, the later one replaces the earlier one as a whole. A request that
has read the row READS times gets 503; nothing is used up, and the client may repeat it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import database
from jwt_auth.revocation.user_sessions import is_unfinished
from jwt_auth.revocation.verdict import verdict
from jwt_auth.sessions import shown
from jwt_auth.sessions.pairs import claims_for
from jwt_auth.sessions.refusals import named_in_refusals

SESSION_ID = "the id of a UserSession, such as request.auth.session_id"

# The number of times that a request reads the row at most.
READS = 5

# The reason if that is not enough.
TOO_BUSY = "the row of the session changes faster than it is read, or is read from a snapshot"


def load_live(session_id: UUID, now: datetime) -> UserSession:
    """
    Return a session that may be refreshed; one query.

    Raises:
        RefusedError: the error that a refresh would raise.
    """
    session = database.find_by_id(session_id)
    if session is None:
        raise RevokedTokenError("there is no session of this id")
    with named_in_refusals(session):
        verdict(claims_for(session, now), database.state_of(session), now)
    return session


def as_read(session: UserSession, now: datetime) -> QuerySet[UserSession]:
    """Return the row of `session`, if it has not ended, and has the revision that was read."""
    return UserSession.objects.filter(is_unfinished(now), pk=session.pk, revision=session.revision)


def revise(session: UserSession, now: datetime, **changes: Any) -> bool:
    """Write `changes` of the claims, and the use at `now`; return False if the row has another revision by now."""
    return bool(as_read(session, now).update(**revised(session, now, **changes)))


def revised(session: UserSession, now: datetime, **changes: Any) -> dict[str, Any]:
    """Return the columns to write for `changes` of the claims, and for a use at `now`."""
    return {**shown.used_at(session, now), **changes, "revision": F("revision") + 1}
