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
    tied                the user signs out, or another one signs in     anonymous, or the other one's; the session ends
    tied                the session has ended, expired, or is refused   anonymous with the next request

The tie is an id in allauth's session, under TIES, and in the row of the session (`UserSession.tied_to`), which passes
it on to the one that replaces it.

A session starts where its tokens are sent, and never twice for one sign-in: allauth may build several answers to one
request, of which it sends the last one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import time
from typing import Any
from uuid import uuid4

from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from jwt_auth import sessions
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication.note import note_on
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import RefusedError
from jwt_auth.http.logs import log_refusal
from jwt_auth.models import UserSession
from jwt_auth.process.blocking import about_to_block
from jwt_auth.receivers import CREDENTIALS_CHANGED
from jwt_auth.revocation.database import all_sessions, refusal_of
from jwt_auth.sessions import Account, CredentialsChangedError, TokenPair, any_account, peer_of
from jwt_auth.sessions.accounts import account_of, reasons_since, was_revoked_since
from jwt_auth.sessions.django_sessions import TIES, end_tied_to, sid_tied_to, tie_of_allauth
from jwt_auth.views.recorded import ALLAUTH, ALLAUTH_USER, methods_in

NOTE = "_jwt_auth_allauth"

# allauth measures the age of a sign-in from a later point in the same request.
_LONGEST_REQUEST = 60  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """
    The contents of allauth's session before the view ran. Django deletes them if another user signs in to it.

    Args:
        session: allauth's session.
        name: the key of the user who is signed in; None if nobody is.
        tie: that user's tie; None if there is none.
        note: the note about a sign-in that has begun; empty if there is none.
    """

    session: Any
    name: str | None
    tie: str | None
    note: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Progress:
    """
    The progress of a sign-in during one request.

    Args:
        account: any account, as it was before the request checked credentials.
        is_complete: whether the user has been authenticated, so that tokens are to be sent.
        has_signed_out: whether the user has signed out.
        amr: the methods, if allauth does not record them.
        note: the note at the step of this request.
        former: the contents of allauth's session before the view ran.
        records: allauth's records by the key of their user, from before the view or from its last step. Django deletes
            them from its session if another user signs in to it.
        pair: the tokens, as soon as the session has started.
    """

    account: Account | None = None
    is_complete: bool = False
    has_signed_out: bool = False
    amr: Sequence[str] | None = None
    note: Mapping[str, Any] | None = None
    former: Former | None = None
    records: dict[str | None, list[dict[str, Any]]] = field(default_factory=dict)
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
    before = progress_of(request).account
    with outage_is_unavailable():
        account = account_of(key_of(user))
        is_refused = before is not None and was_revoked_since(before, user)
    _note(request, user, account, is_refused=is_refused, records=len(_keep_records(request, user)) - is_recorded)


def note_new_password(request: HttpRequest, user: Any, tie: str) -> None:
    """
    Note the user who has just changed the password; their session had the tie `tie`. Three queries.

    The change has ended that session. If anything else has ended it as well since the request began, the user is not
    signed in again.
    """
    before = progress_of(request).account
    with outage_is_unavailable():
        account = account_of(key_of(user))
        others = [] if before is None else reasons_since(before, user)
        ended = UserSession.objects.filter(user_id=key_of(user), tied_to=tie, revoked_at__isnull=False)
        is_ended_otherwise = ended.exclude(revoked_reason=CREDENTIALS_CHANGED).exists()
    is_refused = is_ended_otherwise or others not in ([], [CREDENTIALS_CHANGED])
    _note(request, user, account, is_refused=is_refused, records=len(_records(request, user)))


def _note(request: HttpRequest, user: Any, account: Account | None, *, is_refused: bool, records: int) -> None:
    cutoff = None if account is None else account.cutoff
    progress_of(request).note = _session_of(request)[NOTE] = {
        "user": _name_of(user),
        # The hash of nobody: the sign-in ends where its session would start.
        "hash": "" if account is None or is_refused else user.get_session_auth_hash(),
        "cutoff": None if cutoff is None else cutoff.isoformat(),
        "at": time(),
        "records": records,  # of earlier sign-ins
    }


def has_begun(request: HttpRequest, user: Any) -> bool:
    """Return whether the user has completed a first step, and allauth waits for the next one; keep its note."""
    progress_of(request).note = note = _note_about(request, user)
    _keep_records(request, user)
    return bool(note)


# The session


@sensitive_variables()
def started(request: HttpRequest) -> TokenPair | None:
    """
    Start the session of a sign-in that is complete, once, and return its tokens.

    Returns:
        None if the sign-in is refused. The user is then signed out of allauth's session, unless it is tied to a live
        session.

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
            progress.is_complete = False
            # Of several re-authentications at once, the first one has replaced the session, which goes on.
            if has_ended(_session_of(request), must_be_tied=True):
                logout(request)
        except Exception:  # any error; it is raised again
            session = _session_of(request)
            # After a re-authentication that failed so, the former session goes on.
            if tie_of_allauth(session, _name_of(request.user)) is None:
                session.flush()
            raise
    return progress.pair


@sensitive_variables()
def _start(request: HttpRequest, progress: Progress) -> TokenPair:
    session, user = _session_of(request), request.user
    note = _note_about(request, user)
    account = progress.account or any_account()
    if "hash" in note:
        if not _is_hash_of(user, note["hash"]):
            raise CredentialsChangedError("the user was revoked, or has another password, since the first step")
        cutoff = note["cutoff"]
        account = Account(pk=key_of(user), cutoff=None if cutoff is None else datetime.fromisoformat(cutoff))
    # Without a step, as in a sign-in of the project's own, all records are of earlier sign-ins.
    records = _records(request, user)[note["records"] :] if "records" in note else []
    tie = tie_of_allauth(session, _name_of(user))
    replaces = None if tie is None else sid_tied_to(tie, key_of(user))
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
        tie = tie_of_allauth(session, name)
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
        tie = None if user is None else tie_of_allauth(session, _name_of(user))
        if tie is not None:
            end_tied_to(tie, key_of(user), actor=user)
    return tie is not None


def untie(request: HttpRequest, user: Any) -> str | None:
    """Remove the tie to a session that has ended, and return it; None if there was none."""
    session = _session_of(request)
    ties: dict[str, str] = {**session.get(TIES, {})}
    tie = ties.pop(_name_of(user), None)
    session[TIES] = ties
    return tie


def remember(request: HttpRequest, session: Any) -> None:
    """Remember the contents of allauth's session before the view runs."""
    name: str | None = session.get(SESSION_KEY)
    tie = None if name is None else tie_of_allauth(session, name)
    progress = progress_of(request)
    progress.former = Former(session=session, name=name, tie=tie, note=session.get(NOTE, {}))
    progress.records[session.get(ALLAUTH_USER)] = session.get(ALLAUTH, [])


def end_former(request: HttpRequest) -> None:
    """
    End the session that allauth's session was tied to before the view ran, if the view has removed the tie.

    Django's `login()` removes it if another user signs in, and sends no signal of a sign-out.

    Raises:
        UnavailableError: if the database can't be asked.
    """
    former = progress_of(request).former
    if former is None or former.name is None or former.tie is None:
        return
    if tie_of_allauth(former.session, former.name) != former.tie:
        about_to_block()
        with outage_is_unavailable():
            end_tied_to(former.tie, former.name)


# The parts of the note


def _session_of(request: HttpRequest) -> Any:
    return getattr(request, "session", {})


def _name_of(user: Any) -> str:
    """Return the user's key, written as Django does in its session."""
    return str(user._meta.pk.value_to_string(user))


def _note_about(request: HttpRequest, user: Any) -> Mapping[str, Any]:
    """
    Return the note about the user: from a step in this request, or from a sign-in that allauth still keeps open.

    It is empty if there is none. The note of a sign-in that was given up must not count for a later one.
    """
    from allauth.account import app_settings  # allauth's models have to be loaded

    progress, name = progress_of(request), _name_of(user)
    if progress.note and progress.note["user"] == name:
        return progress.note
    session, former = _session_of(request), progress.former
    note: Mapping[str, Any] = session.get(NOTE, {})
    if not note and former is not None and former.session is session:
        note = former.note
    is_due = bool(note) and time() - note["at"] <= app_settings.LOGIN_TIMEOUT + _LONGEST_REQUEST
    return note if is_due and note["user"] == name else {}


def _is_hash_of(user: Any, noted: str) -> bool:
    known = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(noted, each) for each in known)


def _records(request: HttpRequest, user: Any) -> list[dict[str, Any]]:
    """Return allauth's records about the user, also those that Django has just deleted with another user's session."""
    from allauth.account.authentication import get_authentication_records  # allauth's models have to be loaded

    records: list[dict[str, Any]] = get_authentication_records(request, user)
    return records or progress_of(request).records.get(_name_of(user), [])


def _keep_records(request: HttpRequest, user: Any) -> list[dict[str, Any]]:
    progress_of(request).records[_name_of(user)] = records = _records(request, user)
    return records
