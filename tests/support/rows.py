"""Many rows at once, made without the endpoints that usually make them."""

from datetime import timedelta

from jwt_auth import sessions
from jwt_auth.models import RevocationEvent, UserSession
from tests.support.clocks import NOW


def begin(user, number, apart=timedelta(0)):
    """
    Add this number of sessions of `user`, without the time that a sign-in takes; return the pair of the newest.

    Each began this much before the next one.
    """
    pair = sessions.start(user)
    pattern = UserSession.objects.get(pk=pair.session_id)
    ends = {name: getattr(pattern, name) for name in ("idle_expires_at", "expires_at", "auth_hash")}
    more = [
        UserSession(user=user, started_at=moment, last_issued_at=moment, **ends)
        for moment in (pattern.started_at - n * apart for n in range(1, number))
    ]
    UserSession.objects.bulk_create(more, batch_size=1000)
    return pair


def session_rows(user, *ends, **fields):
    """Add sessions that end at these moments."""
    rows = [
        UserSession(
            user=user,
            started_at=NOW - timedelta(days=30),
            last_issued_at=NOW - timedelta(days=30),
            idle_expires_at=end,
            auth_hash="x",
            **{"expires_at": end, **fields},
        )
        for end in ends
    ]
    return UserSession.objects.bulk_create(rows)


def event_rows(*ends, scope="session"):
    """Write events with these ends; each was recorded some hours before."""
    rows = [
        RevocationEvent(scope=scope, subject="x", expires_at=end, recorded_at=(end or NOW) - timedelta(hours=3))
        for end in ends
    ]
    RevocationEvent.objects.bulk_create(rows)
