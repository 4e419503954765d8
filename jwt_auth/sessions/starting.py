"""
The start of a session, for a user whose credentials were just checked.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Expression
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import later
from jwt_auth.conf.arguments import require, require_aware
from jwt_auth.conf.user_keys import key_of, user_id_of
from jwt_auth.exceptions import InvalidCredentialsError, RevokedTokenError
from jwt_auth.http.peer import Peer
from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff, user_rows
from jwt_auth.revocation.events import atomic
from jwt_auth.revocation.operations import end_session
from jwt_auth.revocation.user_rows import Ended
from jwt_auth.revocation.user_sessions import is_unfinished
from jwt_auth.revocation.verdict import latest
from jwt_auth.sessions import accounts, arrivals, refresh_tokens
from jwt_auth.sessions.accounts import Account
from jwt_auth.sessions.django_sessions import untie
from jwt_auth.sessions.pairs import claims_for, pair, sign
from jwt_auth.sessions.results import AccessToken, TokenPair
from jwt_auth.sessions.terms import Terms
from jwt_auth.signals import send_on_commit, session_started
from jwt_auth.user_model import as_made, visible_rows

# The reason for the end of a session that a new sign-in of its user replaces.
REPLACED = "replaced"

_CHANGED = "the user is missing, hidden, inactive, or has a new cutoff or another password"


class CredentialsChangedError(InvalidCredentialsError):
    """Raised when a user's password, cutoff or status changed since the sign-in was checked: authenticate again."""


@sensitive_variables()
def start(
    user: AbstractBaseUser,
    *,
    account: Account | None = None,
    amr: Collection[str] = (),
    acr: str | None = None,
    idle_timeout: timedelta | None = None,
    absolute_timeout: timedelta | None = None,
    is_persistent: bool | None = None,
    data: Mapping[str, Any] | None = None,
    replaces: UUID | None = None,
    authenticated_at: datetime | None = None,
    tied_to: str = "",
    peer: Peer | None = None,
    label: str = "",
    transport: str = UserSession.Transport.BEARER,
    now: datetime | None = None,
) -> TokenPair:
    """
    Start a session for a user whose credentials were just checked.

    Beyond SESSION_LIMIT it ends the user's oldest sessions.

    Args:
        user: as the authentication backend returned it.
        account: the result of `find_account()`, or of `any_account()`, from before the check; if the user was revoked
            since, the sign-in is refused.
        amr: how the user was authenticated, as values of RFC 8176, such as "pwd", "otp", "hwk" and "mfa".
        acr: the level of the authentication, in the project's own terms (RFC 9068 section 2.2.1).
        idle_timeout: the session ends if it is not refreshed for this long; SESSION_IDLE_TIMEOUT if omitted.
        absolute_timeout: the session ends after this time in any case; SESSION_ABSOLUTE_TIMEOUT if omitted. Neither may
            be longer than SESSION_MAX_TIMEOUT.
        is_persistent: whether cookies stay when the browser is closed; True if omitted.
        data: the project's own facts about the session, for `UserSession.data`: JSON of at most 1000 characters and
            31 levels.
        replaces: the id of a session of the user, which ends in the same transaction. The new session keeps its label,
            data, timeouts and persistence, unless others are given.
        authenticated_at: when the user was authenticated, if that was earlier, as at another server; the `auth_time` of
            the tokens. If it is before a cutoff, the sign-in is refused. The timeouts count from now in any case.
        tied_to: the id by which TiedSessionMiddleware knows the Django session that the session is tied to.
        peer: where the request came from.
        label: the user's name for the device.
        transport: how the tokens are sent, a value of UserSession.Transport.
        now: aware; the current time if omitted.

    Raises:
        CredentialsChangedError: if the user is missing, hidden by the default manager, inactive, or has another
            password than `user`; with `account`, also if a cutoff has moved; with `authenticated_at`, also if that is
            before a cutoff.
        RevokedTokenError: if the session that it `replaces` has ended.
        ConfigurationError: if CLAIMS_CALLABLE returns no dict, or the token is too large for a cookie.
        UnavailableError: if the database can't be asked, or there is no key to sign with.
        ValueError: for a timeout, a method, a level, a label or data beyond their limits, or an authentication in the
            future.
    """
    key_of(user)  # raises TypeError for anything but a user, and not in the transaction
    if account is not None:
        require(account, "account", Account, "find_account() returns one")
    if replaces is not None:
        require(replaces, "replaces", UUID)
    require_aware(now=now, authenticated_at=authenticated_at)
    terms = Terms(
        amr=amr,
        acr=acr,
        idle_timeout=idle_timeout,
        absolute_timeout=absolute_timeout,
        is_persistent=is_persistent,
        data=data,
        peer=Peer() if peer is None else peer,
        label=label,
        transport=transport,
        authenticated_at=authenticated_at,
        tied_to=tied_to,
    )
    terms.check(now or timezone.now())
    with outage_is_unavailable():
        return _start(user, account, terms, replaces, now)


@sensitive_variables()
def _start(
    user: AbstractBaseUser, account: Account | None, terms: Terms, replaces: UUID | None, now: datetime | None
) -> TokenPair:
    with atomic():
        # Changing the password, deactivating the user and revoking need this lock too: each has either
        # finished, or not begun yet.
        user_rows.lock_user(key_of(user))
        now = now or timezone.now()  # after the lock, so that the wait does not shorten the lifetime of the tokens
        found = _reload(user, account, terms.authenticated_at, now)
        replaced = _end_replaced(replaces, user, now) if found is not None and replaces is not None else None
        if found is not None and (replaces is None or replaced is not None):
            session, access = _begin(found, terms if replaced is None else terms.after(replaced), now)
            arrivals.look_at_device(session)
    # Raised outside the block: inside, they would mark the caller's transaction for rollback.
    if found is None:
        raise CredentialsChangedError(_CHANGED)
    if replaces is not None and replaced is None:
        raise RevokedTokenError("the session to be replaced has ended")
    return pair(session, access, now)


@sensitive_variables()
def exchange(
    user: AbstractBaseUser, terms: Terms, *, sid: UUID, use_up: Callable[[], bool], now: datetime | None = None
) -> TokenPair | None:
    """
    Start the session `sid` of `user` for a token of another package that was just checked, and that is used up.

    It is no sign-in: `new_device_seen` is not sent. The exchange counts as a rotation, so that the newest refresh token
    stays the same in the grace period, for all requests with the former one.

    Args:
        terms: with the time of the former sign-in as `authenticated_at`.
        sid: an id that belongs to this token alone.
        use_up: uses up the token, in the transaction and under the lock of the user's row. If it returns False, the
            token was used before.

    Returns:
        None if the token was used before. Then no session starts.

    Raises:
        CredentialsChangedError: as start().
        ConfigurationError, UnavailableError: as start().
        ValueError: for `terms` beyond their limits.
    """
    terms.check(now or timezone.now())
    columns = {"id": sid, "rotated_at": now or refresh_tokens.database_time()}
    begun = None
    with outage_is_unavailable(), atomic():
        user_rows.lock_user(key_of(user))
        now = now or timezone.now()
        found = _reload(user, None, terms.authenticated_at, now)
        if found is not None and use_up():
            begun = _begin(found, terms, now, **columns)
    if found is None:
        raise CredentialsChangedError(_CHANGED)
    return None if begun is None else pair(*begun, now)


def _begin(found: tuple[Any, Any], terms: Terms, now: datetime, **columns: Any) -> tuple[UserSession, AccessToken]:
    """Begin a session, with these further `columns`, for what `_reload` found; return it with its access token."""
    row, fresh = found
    arrivals.make_room(row, now)
    session = _create(fresh, _cutoff_of(row), terms, now, **columns)
    access = sign(claims_for(session, now), session)
    send_on_commit(session_started, UserSession, session=session)
    return session, access


def _reload(
    user: Any, account: Account | None, authenticated_at: datetime | None, now: datetime
) -> tuple[Any, Any] | None:
    """
    Return the user's row, read under the lock, and the user that the project's manager makes of it.

    Return None if the user changed since the authentication.
    """
    facts = {
        "jwt_global_cutoff": cutoff.global_cutoff(),
        **arrivals.at_limit(now),
        **accounts.revoked_since(account, user),
    }
    row = cutoff.with_cutoff(visible_rows()).filter(pk=key_of(user)).annotate(**facts).first()
    fresh = None if row is None else as_made(row, shown=True)
    if fresh is None or not fresh.is_active or fresh.password != user.password:
        return None
    newest = _cutoff_of(row)
    if authenticated_at is not None and newest is not None and authenticated_at < newest:
        return None
    if account is not None and account.pk == row.pk:
        moved = account.cutoff != newest
    else:
        moved = getattr(row, accounts.REVOKED_SINCE, False)
    return None if moved else (row, fresh)


def _cutoff_of(row: Any) -> datetime | None:
    return latest((cutoff.read(row), row.jwt_global_cutoff))


def _end_replaced(sid: UUID, user: Any, now: datetime) -> UserSession | None:
    """End the session `sid` of `user` in favour of a new one, and return it; None if it is not live any more."""
    session = UserSession.objects.filter(is_unfinished(now), pk=sid, user_id=key_of(user)).first()
    if session is None:
        return None
    known = Ended(user_id_of(user), session.last_issued_at)
    is_ended = end_session(sid, known, reason=REPLACED, actor=user, now=now)
    if is_ended and session.tied_to:  # the new session has the tie, and this end is no sign-out
        untie([sid])
    return session if is_ended else None


def _create(user: Any, newest_cutoff: datetime | None, terms: Terms, now: datetime, **columns: Any) -> UserSession:
    begins_at = now if newest_cutoff is None else max(now, later(newest_cutoff, cutoff.TICK))
    session = UserSession.objects.create(
        user=user,
        created_at=now,
        started_at=terms.authenticated_at or begins_at,
        last_issued_at=begins_at,
        auth_hash=user.get_session_auth_hash(),
        **terms.columns(now),
        **columns,
    )
    for name in [name for name, value in columns.items() if isinstance(value, Expression)]:
        vars(session).pop(name)  # only the database knows the value: it is loaded when it is read
    return session
