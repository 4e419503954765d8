"""
A sign-in with allauth, from its first step to a session of this app, and the tie between that session and allauth's.

allauth keeps a sign-in in one of Django's sessions: that of a browser's cookie, or that of an app's session token. The
note of this app is kept in it, under NOTE. This is how it changes:

    allauth's session   event                                           then
    -----------------   ---------------------------------------------   -----------------------------------------------
    anonymous, begun    the first step is completed: a password, a      begun: the note has the user's cutoff from
                        code, another provider, a passkey, a sign-up    before the step, and the password's hash
    begun               a further step is completed                     begun, with the note of the first one
    begun               the last step is completed                      tied: a session starts
    begun               the last step is completed, and since the       anonymous: 401
                        first one the user was revoked, deactivated
                        or deleted, or has a new password
    tied                the user is authenticated again                 tied to a new session, which replaces the
                                                                        former one
    tied                the user changes the password                   tied to a new session; all others have ended
    tied                a view of this app replaces the session         tied to the new session
    tied                the user signs out                              anonymous, and the session ends
    tied                the session has ended, expired, or is refused   anonymous with the next request

The tie is an id in allauth's session, under TIES, and in the row of the session (`UserSession.tied_to`), which passes
it on to the one that replaces it.

A session starts where its tokens are sent, and never twice for one sign-in: allauth may build several answers to one
request, of which it sends the last one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import time
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from jwt_auth import sessions
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication.note import note_on
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import RefusedError, RevokedTokenError
from jwt_auth.http.logs import log_refusal
from jwt_auth.models import UserSession
from jwt_auth.revocation.database import all_sessions, refusal_of
from jwt_auth.sessions import Account, CredentialsChangedError, TokenPair, any_account, peer_of
from jwt_auth.sessions.accounts import account_of, was_revoked_since
from jwt_auth.sessions.django_sessions import end_tied_to
from jwt_auth.views.recorded import methods_in

NOTE = "_jwt_auth_allauth"

# The ties, each by its user's key. A step of another user, such as a reset of a password, must not untie the one who is
# signed in.
TIES = "_jwt_auth_allauth_ties"


@dataclass(slots=True, kw_only=True)
class Progress:
    """
    The progress of a sign-in during one request.

    Args:
        account: any account, as it was before the request checked credentials.
        is_complete: whether the user has been authenticated, so that tokens are to be sent.
        has_signed_out: whether the user has signed out.
        amr: the methods, if allauth does not record them.
        note: the note at the step of this request, as Django deletes the session if another user is signed in to it.
        pair: the tokens, as soon as the session has started.
    """

    account: Account | None = None
    is_complete: bool = False
    has_signed_out: bool = False
    amr: Sequence[str] | None = None
    note: Mapping[str, Any] | None = None
    pair: TokenPair | None = None


def progress_of(request: HttpRequest) -> Progress:
    """Return the progress of a sign-in during `request`."""
    note = note_on(request)
    if note.allauth is None:
        note.allauth = Progress()
    progress: Progress = note.allauth
    return progress


def is_of_app(request: HttpRequest) -> bool:
    """Return whether a view of allauth for apps handles the request."""
    headless = getattr(getattr(request, "allauth", None), "headless", None)
    return headless is not None and headless.client == "app"


# The steps


def begin(request: HttpRequest) -> None:
    """Note the time before a request checks credentials: a user who is revoked after it can't sign in. One query."""
    with outage_is_unavailable():
        progress_of(request).account = any_account()


def note_step(request: HttpRequest, user: Any, *, is_recorded: bool) -> None:
    """
    Note the user as of the first step. One query, or two if `begin` was called.

    Args:
        is_recorded: whether the last of allauth's records is that of this step.
    """
    before, session = progress_of(request).account, _session_of(request)
    with outage_is_unavailable():
        account = account_of(key_of(user))
        is_refused = account is None or (before is not None and was_revoked_since(before, user))
    cutoff = None if account is None else account.cutoff
    progress_of(request).note = session[NOTE] = {
        "user": _name_of(user),
        # The hash of nobody: the sign-in ends where its session would start.
        "hash": "" if is_refused else user.get_session_auth_hash(),
        "cutoff": None if cutoff is None else cutoff.isoformat(),
        "at": time(),
        "records": len(_records(request, user)) - is_recorded,  # of earlier sign-ins
    }


def has_begun(request: HttpRequest, user: Any, lifetime: float) -> bool:
    """Return whether a first step of the user was completed at most `lifetime` seconds ago; keep its note."""
    progress_of(request).note = note = _note_in(_session_of(request), _name_of(user))
    return "at" in note and time() - note["at"] <= lifetime


# The session


@sensitive_variables()
def started(request: HttpRequest) -> TokenPair | None:
    """
    Start the session of a sign-in that is complete, once, and return its tokens.

    Returns:
        None if the sign-in is refused. The user is then signed out of allauth's session.

    Raises:
        ConfigurationError, UnavailableError: as `sessions.start()`; the user is not signed in, or stays so.
    """
    progress = progress_of(request)
    if progress.pair is not None:
        return progress.pair
    with outage_is_unavailable():  # also for the writes that undo the sign-in
        try:
            progress.pair = _start(request, progress)
        except RefusedError as error:
            log_refusal(error, request)
            logout(request)
        except Exception:  # any error; it is raised again
            session = _session_of(request)
            # After a re-authentication that failed so, the former session goes on.
            if _tie_in(session, _name_of(request.user)) is None:
                session.flush()
            raise
    return progress.pair


@sensitive_variables()
def _start(request: HttpRequest, progress: Progress) -> TokenPair:
    session, user = _session_of(request), request.user
    note = progress.note or _note_in(session, _name_of(user))
    account = progress.account or any_account()
    if "hash" in note:
        if not _is_hash_of(user, note["hash"]):
            raise CredentialsChangedError("the user was revoked, or has another password, since the first step")
        cutoff = note["cutoff"]
        account = Account(pk=key_of(user), cutoff=None if cutoff is None else datetime.fromisoformat(cutoff))
    # Without a step, as in a sign-in of the project's own, all records are of earlier sign-ins.
    records = _records(request, user)[note["records"] :] if "records" in note else []
    tie = _tie_in(session, _name_of(user))
    replaces = None if tie is None else _sid_of(tie, user)
    tied_to = tie or uuid4().hex
    pair = sessions.start(
        user,  # type: ignore[arg-type]  # the view has checked that somebody is signed in
        account=account,
        amr=methods_in(records, None) if progress.amr is None else progress.amr,
        is_persistent=not session.get_expire_at_browser_close(),
        replaces=replaces,
        tied_to=tied_to,
        peer=peer_of(request),
        transport=UserSession.Transport.BEARER if is_of_app(request) else UserSession.Transport.COOKIE,
    )
    session.pop(NOTE, None)
    session[TIES] = {**session.get(TIES, {}), _name_of(user): tied_to}
    return pair


def has_ended(session: Any, *, must_be_tied: bool = False) -> bool:
    """
    Return whether somebody is signed in to allauth's session, and the session that it is tied to has ended.

    The row is asked, in memory mode too: events are kept as long as access tokens live, and Django's sessions live for
    weeks. One query.

    Args:
        must_be_tied: count a session that is tied to none as one that has ended.

    Raises:
        UnavailableError: if the database can't be asked.
    """
    with outage_is_unavailable():
        name = session.get(SESSION_KEY)
        if name is None:
            return False
        tie = _tie_in(session, name)
        if tie is None:
            return must_be_tied
        row = all_sessions().filter(user_id=name, tied_to=tie).first()
        return row is None or refusal_of(row, timezone.now()) is not None


def end_tied(session: Any, user: Any) -> bool:
    """
    End the session that allauth's is tied to, because the user signs out; return whether there was a tie.

    Raises:
        UnavailableError: if the database can't be asked.
    """
    with outage_is_unavailable():
        tie = None if user is None else _tie_in(session, _name_of(user))
        if tie is not None:
            end_tied_to(tie, key_of(user), actor=user)
    return tie is not None


def untie(request: HttpRequest, user: Any) -> bool:
    """Remove the tie to a session that has ended, and return whether there was one."""
    session = _session_of(request)
    ties: Mapping[str, str] = session.get(TIES, {})
    session[TIES] = {name: tie for name, tie in ties.items() if name != _name_of(user)}
    return _name_of(user) in ties


# The parts of the note


def _session_of(request: HttpRequest) -> Any:
    return getattr(request, "session", {})


def _name_of(user: Any) -> str:
    """Return the user's key, written as Django does in its session."""
    return str(user._meta.pk.value_to_string(user))


def _note_in(session: Any, name: str) -> Mapping[str, Any]:
    """Return the note about the user with this key; it is empty if there is none."""
    note: Mapping[str, Any] = session.get(NOTE, {})
    return note if note.get("user") == name else {}


def _tie_in(session: Any, name: str) -> str | None:
    """Return the tie of the user with this key; None if there is none."""
    ties: Mapping[str, str] = session.get(TIES, {})
    return ties.get(name)


def _sid_of(tie: str, user: Any) -> UUID:
    """Return the id of the session that is tied so; raise RevokedTokenError if it has just ended. One query."""
    rows = UserSession.objects.filter(user_id=key_of(user), tied_to=tie, revoked_at=None)
    sid: UUID | None = rows.values_list("pk", flat=True).first()
    if sid is None:
        raise RevokedTokenError("the session to be replaced has ended")
    return sid


def _is_hash_of(user: Any, noted: str) -> bool:
    known = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(noted, each) for each in known)


def _records(request: HttpRequest, user: Any) -> list[dict[str, Any]]:
    from allauth.account.authentication import get_authentication_records  # allauth's models have to be loaded

    records: list[dict[str, Any]] = get_authentication_records(request, user)
    return records
