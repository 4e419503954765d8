"""
Keep one session while a new password ends all others of its user.

A new password moves the user's cutoff, and so refuses each token of a session that began before it. The session that is
kept is restarted after the cutoff: its `auth_time` becomes the time of the change, and its row gets the new auth hash.

    at the end of the block                                 the session
    -----------------------------------------------------   ------------------------------------------------------
    nothing has ended it                                    stays as it is; there is no new token
    the user's cutoff, or the new password, has ended it    is restarted; there is a new access token
    it was ended by its id, or has expired; the user is     stays ended; there is no new token
    inactive or gone; a global cutoff has ended it
    an exception leaves the block                           stays as it is, and so does the user: all is rolled back

The user's row, and then the session's row, are locked from the beginning of the block to the commit; all code that
locks both uses this order. A revocation of the user comes before the block, and then there is no session to keep, or it
waits, and then ends the session. A refresh of the session waits, and reads the row again (`revisions`).
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import later
from jwt_auth.conf.arguments import require, require_aware
from jwt_auth.exceptions import RefusedError
from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff, database, user_rows
from jwt_auth.revocation.events import atomic
from jwt_auth.revocation.user_sessions import spared
from jwt_auth.revocation.verdict import latest, verdict
from jwt_auth.sessions.pairs import claims_for, issue
from jwt_auth.sessions.results import AccessToken
from jwt_auth.sessions.revisions import SESSION_ID, load_live, revised
from jwt_auth.sessions.terms import check_level, check_methods


@dataclass(slots=True)
class Kept:
    """
    The result of `kept()`, complete after its block.

    `access_token` is for the answer: the new token of the session, or None if nothing in the block has ended the
    session, or it was not kept.
    """

    access_token: AccessToken | None = None


@contextmanager
def kept(
    session_id: UUID, *, amr: Collection[str] = ("pwd",), acr: str | None = None, now: datetime | None = None
) -> Iterator[Kept]:
    """
    Keep one session in a block that changes the password of its user, or revokes the user, and so ends all others.

    Call it only after the user has authenticated again, such as by the old password: the session then counts as a new
    sign-in, and `auth_time` becomes the time of the change. Earlier access tokens are refused. The refresh token stays
    valid. The block and the session are one transaction.

    Args:
        session_id: the session's id, such as `request.auth.session_id`.
        amr: how the user has just been authenticated; these methods replace those of the session, because `auth_time`
            is about them.
        acr: the level of that authentication.
        now: aware; the current time if omitted.

    Raises:
        RevokedTokenError: on entering, if the session has ended, does not exist or began before a cutoff; if its user
            is inactive or has another password.
        ExpiredTokenError: on entering, if the session has expired.
        ConfigurationError: on leaving, as for start(); the block is rolled back.
        UnavailableError: if the database can't be asked, or there is no key to sign with.
        ValueError: for a method or a level beyond its limits.
    """
    require(session_id, "session_id", UUID, SESSION_ID)
    check_methods(amr)
    check_level(acr)
    require_aware(now=now)
    result = Kept()
    with ExitStack() as stack:
        with outage_is_unavailable():
            # With a savepoint: a view that catches an error of the block may go on in its own transaction.
            stack.enter_context(atomic(savepoint=True))
            _lock(session_id)
            load_live(session_id, now or timezone.now())
        with spared(session_id):
            yield result
        with outage_is_unavailable():
            result.access_token = _restart(session_id, amr, acr, now or timezone.now())
            stack.close()  # commits


def _lock(session_id: UUID) -> None:
    """Lock the row of the session's user, and then that of the session. Three queries."""
    rows = UserSession.objects.filter(pk=session_id)
    for user_pk in rows.values_list("user_id", flat=True):
        user_rows.lock_user(user_pk)
    list(rows.select_for_update().values_list("pk"))


@sensitive_variables()
def _restart(session_id: UUID, amr: Collection[str], acr: str | None, now: datetime) -> AccessToken | None:
    """Restart the session after the user's cutoff, and return its new access token; None if it has to stay as it is."""
    session = database.find_by_id(session_id)
    if session is None or not _can_be_restarted(session, now):
        return None
    newest = latest(database.state_of(session).cutoffs)
    restarted: dict[str, Any] = {
        "started_at": now if newest is None else max(now, later(newest, cutoff.TICK)),
        "auth_hash": session.user.get_session_auth_hash(),
        "upgraded_auth_hash": "",
        "amr": " ".join(dict.fromkeys(amr)),
        "acr": acr or "",
    }
    vars(session).update(restarted)
    access = issue(session, now)
    # Found by the key alone: the row is locked, and its end was checked. With the condition for that in the statement,
    # MariaDB may take an index, and a refresh that waits for the row has locked its entry there.
    row = UserSession.objects.filter(pk=session_id, revoked_at=None)
    # The last use is not before the beginning, because the next cutoff is later than that.
    return access if row.update(**revised(session, session.started_at, **restarted)) else None


def _can_be_restarted(session: UserSession, now: datetime) -> bool:
    """Return whether the session has ended by its user's cutoff or password, and for no other reason."""
    if database.refusal_of(session, now) is None:
        return False
    global_cutoff: datetime | None = session.global_cutoff  # type: ignore[attr-defined]  # annotated
    others = replace(database.state_of(session), cutoffs=(global_cutoff,), credentials_stale=False)
    try:
        verdict(claims_for(session, now), others, now)
    except RefusedError:
        return False
    return True
