"""
Django sessions that are exchanged for sessions of this app: when their users signed in, and the tie between the two.

Django does not store when the user of a session signed in. Without that time, an old session could be exchanged for
tokens of a fresh sign-in, and a session from before a cutoff for tokens that the cutoff does not refuse. So each
sign-in to Django leaves a note in its session, if SESSION_EXCHANGE is set.

The note also has the id that ties sessions to it (`UserSession.tied_to`). It is there from the sign-in on: an exchange
that had to add it could lose it to another request that writes the session back as it was before.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY, logout
from django.db.models import F
from django.http import HttpRequest
from django.utils.timezone import now as current_time

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import user_rows
from jwt_auth.revocation.database import all_sessions, refusal_of
from jwt_auth.revocation.events import atomic
from jwt_auth.revocation.operations import end_sessions

NOTE = "_jwt_auth"

# The ties of allauth's sign-ins (contrib.allauth), each by its user's key. A step of another user, such as a reset of a
# password, must not untie the user who is signed in.
TIES = "_jwt_auth_allauth_ties"

# django-otp's key for the device that the user has verified.
OTP_DEVICE = "otp_device_id"

# The time of a sign-in that was not noted: earlier than any other, so that each cutoff refuses it.
UNKNOWN = datetime(2000, 1, 1, tzinfo=timezone.utc)

# The reason for the end of the sessions that are tied to a Django session.
REASON = "signed out of Django"


def note_sign_in(request: HttpRequest | None = None, user: Any = None, **kwargs: Any) -> None:
    """
    Note the time of a sign-in in Django's session. A receiver of `user_logged_in`.

    This app and others also send that signal without a sign-in to Django. Only Django's `login()` has just changed the
    session.
    """
    session = _session_of(request)
    if get_settings().SESSION_EXCHANGE is None or session is None or not session.modified:
        return
    if session.get(SESSION_KEY) != user._meta.pk.value_to_string(user):
        return
    now = current_time().isoformat()
    before = _note_in(session)
    if "at" in before and OTP_DEVICE in session:
        now = before["at"]  # django-otp doesn't store when the device was verified, so the first time stays
    if before and not has_ended(session):
        session[NOTE] = {**before, "at": now}
    else:
        session[NOTE] = {**_new_note(session), "at": now}


def signed_in_at(session: Any) -> datetime:
    """Return the time when the user signed in to Django; UNKNOWN if that was not noted."""
    noted = _note_in(session).get("at")
    return UNKNOWN if noted is None else datetime.fromisoformat(noted)


def tie_of(session: Any) -> str:
    """Return the id that ties sessions to the Django session; it is "" unless SESSION_EXCHANGE is "tie"."""
    return str(_note_in(session).get("tie", "")) if get_settings().SESSION_EXCHANGE == "tie" else ""


def tie(session: Any) -> str:
    """
    Return the id that ties a new session to the Django session; see `tie_of()`.

    The Django session notes that there is such a session: if the rows of all of them are deleted, it ends as well.
    """
    if get_settings().SESSION_EXCHANGE != "tie":
        return ""
    if not _note_in(session).get("tied"):
        session[NOTE] = {**(_note_in(session) or _new_note(session)), "tied": True}
    return tie_of(session)


def has_ended(session: Any) -> bool:
    """
    Return whether a session that the Django session is tied to was ended, or is refused by a cutoff.

    A session that has expired does not count. One query, in memory mode too: events are kept only as long as access
    tokens live, and a Django session may live for weeks.
    """
    if not (tied_to := tie_of(session)):
        return False
    rows = all_sessions().filter(user_id=session[SESSION_KEY], tied_to=tied_to)
    row = rows.order_by(F("revoked_at").desc(nulls_last=True), "started_at").first()
    if row is None:
        return bool(_note_in(session).get("tied"))
    return isinstance(refusal_of(row, current_time()), RevokedTokenError)


def sign_out_if_ended(request: HttpRequest) -> bool:
    """
    Sign the user out of Django if `has_ended()`, and return its answer.

    Raises:
        UnavailableError: if the database can't be asked.
    """
    with outage_is_unavailable():
        session = _session_of(request)
        if session is None or not has_ended(session):
            return False
        sign_out(request)  # its signal ends all others that are tied to the Django session
    return True


def sign_out(request: HttpRequest) -> None:
    """
    Sign the user out of Django.

    `logout()` changes `request.user` alone, and `request.auser()` would return the user that it has read before.
    """
    logout(request)

    def loaded() -> Any:
        bool(request.user.is_authenticated)  # reads the user of a later sign-in here, in a thread
        return request.user

    request.auser = sync_to_async(loaded)


def end_tied(request: HttpRequest | None = None, user: Any = None, **kwargs: Any) -> None:
    """
    End the sessions that are tied to Django's session.

    A receiver of `user_logged_out`, which Django sends before it deletes its session.
    """
    session = _session_of(request)
    if session is not None and (tied_to := tie_of(session)):
        end_tied_to(tied_to, session[SESSION_KEY], actor=user)


def end_tied_to(tied_to: str, user_pk: Any, actor: Any = None) -> None:
    """End the sessions of a user that are tied to a Django session."""
    rows = UserSession.objects.filter(user_id=user_pk, tied_to=tied_to, revoked_at=None)
    if not rows.exists():
        return
    with atomic():
        user_rows.lock_user(user_pk)  # a session that is being replaced passes on its tie
        end_sessions(list(rows.values_list("pk", flat=True)), reason=REASON, actor=actor)


def tie_of_allauth(session: Any, name: str) -> str | None:
    """Return the tie of a sign-in with allauth by the user with this key; None if there is none."""
    ties: Mapping[str, str] = session.get(TIES, {})
    return ties.get(name)


def sid_tied_to(tied_to: str, user_pk: Any) -> UUID:
    """Return the id of the session with this tie; raise RevokedTokenError if it has just ended. One query."""
    rows = UserSession.objects.filter(user_id=user_pk, tied_to=tied_to, revoked_at=None)
    sid: UUID | None = rows.values_list("pk", flat=True).first()
    if sid is None:
        raise RevokedTokenError("the session to be replaced has ended")
    return sid


def untie(sids: Collection[UUID]) -> None:
    """Untie sessions that other sessions replace: their end is no sign-out."""
    UserSession.objects.filter(pk__in=sids).update(tied_to="")


def _session_of(request: HttpRequest | None) -> Any:
    return getattr(request, "session", None)


def _note_in(session: Any) -> Mapping[str, Any]:
    """Return the note of the signed-in user; it is empty if there is none."""
    note = session.get(NOTE, {})
    return note if note.get("user") == session.get(SESSION_KEY) else {}


def _new_note(session: Any) -> dict[str, Any]:
    return {"user": session[SESSION_KEY], "tie": uuid4().hex}
