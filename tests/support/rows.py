"""Many rows at once, made without the endpoints that usually make them."""

from datetime import timedelta

from jwt_auth import sessions
from jwt_auth.models import RevocationEvent, UserSession
from tests.support.clocks import NOW


def begin(user, number):
    """Add this number of sessions of `user`, without the time that a sign-in takes."""
    pattern = UserSession.objects.get(pk=sessions.start(user).session_id)
    copied = {name: getattr(pattern, name) for name in ("started_at", "last_issued_at", "idle_expires_at")}
    more = [
        UserSession(user=user, expires_at=pattern.expires_at, auth_hash=pattern.auth_hash, **copied)
        for _ in range(number - 1)
    ]
    UserSession.objects.bulk_create(more, batch_size=1000)


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
    rows = [RevocationEvent(scope=scope, subject="x", expires_at=end) for end in ends]
    RevocationEvent.objects.bulk_create(rows)
