"""
The checks of a sign-in against earlier sessions: the session limit, and the notice of a new device.

Both run under the lock on the user's row that starting a session holds, so that one of two concurrent
sign-ins sees the other.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import router
from django.db.models import OuterRef, Subquery

from jwt_auth._django.commit_hooks import on_commit
from jwt_auth.conf import get_settings
from jwt_auth.http.text import printable
from jwt_auth.models import UserSession
from jwt_auth.revocation.bulk import end_oldest
from jwt_auth.revocation.user_sessions import is_unfinished
from jwt_auth.sessions import devices
from jwt_auth.signals import new_device_seen

LIMIT_REASON = "session limit"

# Characters. Receivers put the name into mails, and the client chooses it.
_LONGEST_DEVICE = 100

# A sign-in is compared with this many of the user's newest sessions, and with this many different User-Agents of them:
# a client can send another one at each sign-in, and each has to be parsed.
SESSIONS_COMPARED = 1000
AGENTS_COMPARED = 100


def at_limit(now: datetime) -> dict[str, Subquery]:
    """
    Return the annotation of a user's row that `make_room` needs: a session, if SESSION_LIMIT may be reached.

    Nearly every sign-in is below the limit, and needs no query of its own to know that.
    """
    limit = get_settings().SESSION_LIMIT
    if limit is None:
        return {}
    mine = UserSession.objects.filter(is_unfinished(now), user=OuterRef("pk"))
    return {"jwt_at_limit": Subquery(mine.values("pk")[limit - 1 : limit])}


def make_room(user: Any, now: datetime) -> None:
    """End the oldest sessions of `user`, who was read with `at_limit`, so that SESSION_LIMIT allows one more."""
    limit = get_settings().SESSION_LIMIT
    if limit is not None and user.jwt_at_limit is not None:
        end_oldest(user, limit - 1, reason=LIMIT_REASON, now=now)


def look_at_device(session: UserSession) -> None:
    """Send `new_device_seen` on commit, unless the user has signed in with this kind of device before."""
    if not new_device_seen.has_listeners(UserSession):
        return
    before = UserSession.objects.filter(user_id=session.user_id).exclude(pk=session.pk).order_by("-started_at", "-pk")
    known = list(dict.fromkeys(before.values_list("user_agent", flat=True)[:SESSIONS_COMPARED]))
    if session.user_agent not in known:
        announce = partial(_announce_if_new, session, known)
        on_commit(announce, using=router.db_for_write(UserSession))


def _announce_if_new(session: UserSession, known: Sequence[str]) -> None:
    device = devices.name_of(session.user_agent)
    if device not in {devices.name_of(user_agent) for user_agent in known[:AGENTS_COMPARED]}:
        new_device_seen.send_robust(
            UserSession, session=session, device=printable(device, _LONGEST_DEVICE), first=not known
        )
