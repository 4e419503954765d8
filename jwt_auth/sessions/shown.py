"""
The time of a session's last use, as far as a holder of its access tokens may know it.

A thief with a copy of the tokens could watch a time that moves with each rotation, and present the predecessor within
the grace period. So only the sign-in and past full hours are shown: the value changes on the hour, never with a use.
"""

from datetime import datetime, timezone
from typing import Any

from django.db.models.functions import Greatest

from jwt_auth.models import UserSession


def last_used_at(session: UserSession, now: datetime) -> datetime:
    """Return the last hour before the current one in which the session was used, or the sign-in if that is later."""
    newest = hour_of(session.last_issued_at)
    hour = newest if newest < hour_of(now) else hour_of(session.settled_at or session.started_at)
    return max(hour, session.started_at)


def used_at(session: UserSession, now: datetime) -> dict[str, Any]:
    """Return the columns for a use of the session at `now`: a token is issued, at `now` or before."""
    return {
        # Never moved back, even if another machine's clock was ahead: a cutoff is set later than this time.
        "last_issued_at": Greatest("last_issued_at", now, output_field=UserSession._meta.get_field("last_issued_at")),
        "settled_at": _settled_at(session, now),
    }


def _settled_at(session: UserSession, now: datetime) -> datetime | None:
    return session.last_issued_at if hour_of(session.last_issued_at) < hour_of(now) else session.settled_at


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour of `moment`, in UTC: local hours may come twice."""
    return moment.astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0)
