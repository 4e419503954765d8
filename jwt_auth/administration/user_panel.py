"""
The panel on a user's page: the newest live sessions, the cutoffs, and the API clients that outlive a revocation.
"""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from jwt_auth._django.admin_sites import admin_of
from jwt_auth.administration.columns import address_of, device_of, moment, sign_in_of, url_of
from jwt_auth.administration.pages import allows, changelist_url, describe, left_of
from jwt_auth.administration.sessions import UserSessionAdmin, end_url
from jwt_auth.conf.user_keys import key_of
from jwt_auth.models import UserSession
from jwt_auth.revocation import counting, cutoff, database, remaining

# The number of sessions on a user's page, the most recently used ones; a link leads to the rest.
SESSIONS_SHOWN = 5


def describe_tokens(model_admin: Any, request: HttpRequest, user: Any, *, may_look: bool) -> dict[str, Any]:
    """Return the content of the panel; the number of queries does not depend on the number of sessions and clients."""
    known = cutoff.users_with_cutoff().annotate(jwt_global_cutoff=cutoff.global_cutoff()).get(pk=key_of(user))
    now, site = timezone.now(), model_admin.admin_site
    live = counting.live_sessions_of_user(key_of(user), now)
    sessions = database.live_sessions(user, now)[:SESSIONS_SHOWN] if may_look else ()
    return {
        "cutoff": cutoff.read(known),
        "global_cutoff": known.jwt_global_cutoff,
        "live": describe(live),
        "may_look": may_look,
        "sessions": [_row(site, request, session) for session in sessions],
        "more": live.number > SESSIONS_SHOWN,
        "sessions_url": _sessions_url(site, user) if may_look else None,
        "left": left_of(site, request, remaining.page([key_of(user)], now)),
    }


def sees_sessions(model_admin: Any, request: HttpRequest) -> bool:
    """Return whether the request may see sessions, with their devices and addresses."""
    registered = admin_of(model_admin.admin_site, UserSession)
    if registered is not None:
        return bool(registered.has_view_permission(request))
    return allows(request, "jwt_auth.view_usersession")


def _row(site: Any, request: HttpRequest, session: UserSession) -> dict[str, Any]:
    registered = admin_of(site, UserSession)
    may_end = isinstance(registered, UserSessionAdmin) and registered.may_end(request, session)
    return {
        "url": url_of(site, session),
        "device": device_of(session),
        "is_shared": session.is_shared,
        "address": address_of(session),
        "last_used": moment(session.last_issued_at),
        "started": sign_in_of(session),
        "end_url": end_url(site, session) if may_end else None,
    }


def _sessions_url(site: Any, user: Any) -> str | None:
    registered = admin_of(site, UserSession)
    return f"{changelist_url(registered)}?user__exact={key_of(user)}" if registered is not None else None
