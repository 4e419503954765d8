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

from jwt_auth._django.commit_hooks import on_commit
from jwt_auth.conf import get_settings
from jwt_auth.models import UserSession, user_id_of
from jwt_auth.revocation.database import live_sessions
from jwt_auth.revocation.operations import revoke_sessions
from jwt_auth.sessions import devices
from jwt_auth.signals import new_device_seen

LIMIT_REASON = "session limit"


def make_room(user: Any, now: datetime) -> None:
    """End the oldest sessions of `user`, so that SESSION_LIMIT allows one more."""
    limit = get_settings().SESSION_LIMIT
    if limit is None:
        return
    live = live_sessions(user, now)
    surplus = len(live) - limit + 1
    if surplus > 0:
        oldest = sorted(live, key=lambda session: (session.started_at, session.created_at))[:surplus]
        sids = [session.pk for session in oldest]
        revoke_sessions(sids, sub=user_id_of(user), reason=LIMIT_REASON, now=now)


def look_at_device(session: UserSession) -> None:
    """Send `new_device_seen` on commit, unless the user has signed in with this kind of device before."""
    if not new_device_seen.has_listeners(UserSession):
        return
    before = UserSession.objects.filter(user_id=session.user_id).exclude(pk=session.pk)
    known = list(before.order_by().values_list("user_agent", flat=True).distinct())
    if session.user_agent not in known:
        announce = partial(_announce_if_new, session, known)
        on_commit(announce, using=router.db_for_write(UserSession))


def _announce_if_new(session: UserSession, known: Sequence[str]) -> None:
    device = devices.name_of(session.user_agent)
    if device not in {devices.name_of(user_agent) for user_agent in known}:
        new_device_seen.send_robust(UserSession, session=session, device=device, first=not known)
