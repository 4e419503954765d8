"""
The session of one user's tokens, which starts when a token is first needed as text.

    session       event                                          then
    -----------   --------------------------------------------   ------------------------------------------------
    not begun     a claim is set on the refresh token            not begun; the claim waits
    not begun     a token is written as text, or one of its      begun: the session starts with all these claims,
                  claims is read that only a session has         in one INSERT
    begun, found  a claim is set on the refresh token            the same; the claim waits
    begun, found  a token is written as text                     the same; claims that have waited are written
    former        a claim is set on the refresh token            the same; the claim waits
    former        a token is written as text                     begun: the token is exchanged for the session
    any           `end()`                                        ended

"former" is a refresh token of simplejwt itself, which is not exchanged yet.

Within a request to a sign-in view there is one session for each user, however often the project's code asks for
tokens. It ends if the sign-in is refused in the end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework.serializers import BaseSerializer

from jwt_auth import sessions
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import key_of
from jwt_auth.contrib.simplejwt.causes import REVOKED, as_token_error
from jwt_auth.contrib.simplejwt.claims import KEY
from jwt_auth.contrib.simplejwt.exceptions import AuthenticationFailed, TokenError
from jwt_auth.contrib.simplejwt.payloads import SAME, DesiredState, columns_until, data_with, differ, terms_until
from jwt_auth.exceptions import RevokedTokenError, TokenError as TokenRefusedError, UnavailableError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session
from jwt_auth.sessions import CredentialsChangedError, TokenPair, credentials, peer_of
from jwt_auth.sessions.extensions import FormerContent, check_former
from jwt_auth.sessions.lifecycle import another_access_token
from jwt_auth.sessions.refresh_tokens import find

NO_ACCOUNT = _("No active account found with the given credentials")


@dataclass(slots=True, kw_only=True, eq=False)
class SignInRequest:
    """
    A request to a sign-in view, while it is handled.

    Args:
        request: Django's request.
        amr: how the view authenticates users; empty if that is to be found out.
        guard: has the check of the credentials of a serializer counted and repeated as that of a sign-in.
        with_password: the primary key of the user whom Django's backends know by a password.
        lazy_sessions: the sessions of this sign-in, by the primary keys of the users, in the order of their last use.
    """

    request: HttpRequest
    amr: Sequence[str]
    guard: Callable[[BaseSerializer[Any]], None]
    with_password: Any = None
    lazy_sessions: "dict[Any, LazySession]" = field(default_factory=dict)

    def lazy_session_of(self, user: Any) -> "LazySession":
        """Return the session of `user`, which becomes the last one."""
        pk = key_of(user)
        lazy = self.lazy_sessions.pop(pk, None) or LazySession(user=user, sign_in=self)
        self.lazy_sessions[pk] = lazy
        return lazy

    def begun(self) -> "LazySession | None":
        """Return the last session that has begun."""
        return next((lazy for lazy in reversed(self.lazy_sessions.values()) if lazy.pair is not None), None)

    def methods(self, user: Any) -> Sequence[str]:
        """Return how `user` was authenticated, as far as this is known."""
        if self.amr:
            return self.amr
        is_known = self.with_password == key_of(user) or credentials.has_compared_that_of(user)
        return ("pwd",) if is_known else ()

    def end(self) -> None:
        """End the sessions that have begun, and forget all."""
        while self.lazy_sessions:
            _, lazy = self.lazy_sessions.popitem()
            if lazy.pair is not None:
                lazy.end("sign-in refused")


_current: ContextVar[SignInRequest | None] = ContextVar("jwt_auth_simplejwt_sign_in", default=None)


@contextmanager
def signing_in(sign_in: SignInRequest) -> Iterator[SignInRequest]:
    """Give the code in the block one session for each user, with what the request says of it."""
    token = _current.set(sign_in)
    try:
        yield sign_in
    finally:
        _current.reset(token)


def current_sign_in() -> SignInRequest | None:
    """Return the request to a sign-in view that is being handled; None outside of one."""
    return _current.get()


def lazy_session_of(user: Any) -> "LazySession":
    """
    Return the session of `user`: that of the sign-in that is being handled, or a new one.

    Raises:
        TypeError: for anything but a saved user.
    """
    key_of(user)
    sign_in = _current.get()
    return LazySession(user=user) if sign_in is None else sign_in.lazy_session_of(user)


class LazySession:
    """
    The session of one user's tokens; its row exists once it has begun.

    Args:
        user: the user.
        sign_in: the request to a sign-in view in which the session begins.
        session: the session, if it was found by its refresh token.
        raw: that refresh token.
    """

    @sensitive_variables("raw")
    def __init__(
        self, *, user: Any, sign_in: SignInRequest | None = None, session: UserSession | None = None, raw: str = ""
    ) -> None:
        self.user, self._sign_in = user, sign_in
        self.pair: TokenPair | None = None
        # Whether the refresh token is to be exchanged when it is written the next time.
        self.rotates = False
        # An access token alone needs no session that outlives it.
        alone = DesiredState(ends_at=timezone.now() + max(get_settings().ACCESS_TOKEN_LIFETIME, SAME))
        # Returns what the newest refresh token wants the session to have.
        self.desired: Callable[[], DesiredState] = lambda: alone
        self._session, self._raw = session, raw
        self._data: Mapping[str, Any] = {} if session is None else session.data
        self._ends_at: datetime | None = None
        self._access: str | None = None

    @property
    def session_id(self) -> UUID | None:
        """The id of the session; None if it has not begun."""
        if self.pair is not None:
            return self.pair.session_id
        return None if self._session is None else self._session.pk

    @property
    def claims(self) -> Mapping[str, Any]:
        """The claims that the session keeps."""
        claims = self._data.get(KEY)
        return claims if isinstance(claims, dict) else {}

    def session(self) -> UserSession:
        """
        Return the row of the session, which begins if it has not yet. One query, if the session has begun here.

        Raises:
            TokenError: if it is gone.
        """
        self.settle()
        if self._session is None:
            with _for_any_view(self._sign_in):
                self._session, _counter = find(self._raw)
        if self._session is None:
            raise TokenError(REVOKED)
        return self._session

    def access(self) -> str:
        """Return an access token with all claims of the session."""
        self.settle()
        if self._access is None:
            with _for_any_view(self._sign_in):
                self._access = another_access_token(self.session()).raw
        return self._access

    def refresh(self) -> str:
        """Return the refresh token."""
        self.settle()
        if self.rotates:
            self._rotate()
        return self._raw

    def settle(self) -> None:
        """Start the session if it has not begun; otherwise write the changes that its refresh token has."""
        desired = self.desired()
        if self.session_id is None:
            self._start(desired)
            return
        changes: dict[str, Any] = {}
        if desired.claims != self.claims:
            changes["data"] = data_with(desired.claims, self._data)
        if self.pair is not None and differ(desired.ends_at, self._ends_at):
            changes.update(columns_until(desired.ends_at))
        if changes:
            self._write(self.session_id, changes)
            self._data, self._ends_at = changes.get("data", self._data), desired.ends_at

    def has_ended(self) -> bool:
        """Return whether the session has begun, and ended. One query."""
        sid = self.session_id
        with _for_any_view(self._sign_in), outage_is_unavailable():
            return sid is not None and not UserSession.objects.filter(pk=sid, revoked_at=None).exists()

    def end(self, reason: str) -> bool:
        """End the session, which has to have begun; return False if it had ended before."""
        with _for_any_view(self._sign_in), outage_is_unavailable():
            return revoke_session(self.session_id, reason=reason)  # type: ignore[arg-type]  # it has begun

    @sensitive_variables()
    def _start(self, desired: DesiredState) -> None:
        data = data_with(desired.claims, {})
        terms = terms_until(desired.ends_at)
        with _for_any_view(self._sign_in):
            if self._sign_in is not None:
                terms.update(amr=self._sign_in.methods(self.user), peer=peer_of(self._sign_in.request))
            account = credentials.account_before(self.user)
            self.pair = sessions.start(self.user, account=account, data=data, **terms)
        self._raw, self._access = self.pair.refresh_token, self.pair.access_token
        self._data, self._ends_at = data, desired.ends_at

    def _write(self, sid: UUID, changes: Mapping[str, Any]) -> None:
        with _for_any_view(self._sign_in), outage_is_unavailable():
            is_written = write(sid, changes)
        if not is_written:
            raise TokenError(REVOKED)
        self._access = None  # the next one has the new claims
        if self._session is not None:
            vars(self._session).update(changes, revision=self._session.revision + 1)

    @sensitive_variables()
    def _rotate(self) -> TokenPair:
        self.rotates = False
        with _for_any_view(self._sign_in):
            pair = sessions.refresh(self._raw)
        self._raw, self._access = pair.refresh_token, pair.access_token
        return pair


class FormerLazySession(LazySession):
    """
    The session that a refresh token of another package is exchanged for, as soon as a token is written as text.

    Args:
        content: what is in that token.
        raw: that token.
    """

    @sensitive_variables("raw")
    def __init__(self, *, content: FormerContent, raw: str) -> None:
        super().__init__(user=content.user, raw=raw)
        self._sid = content.sid
        self._data = {KEY: content.kept}  # the session has these as soon as it begins

    @property
    def session_id(self) -> UUID:
        """The id of the session, or the one that it is going to have."""
        return self._sid

    def settle(self) -> None:
        if self.pair is None:
            self.pair = self._rotate()
        super().settle()

    def has_ended(self) -> bool:
        if self.pair is not None:
            return super().has_ended()
        with _for_any_view(None), outage_is_unavailable():
            try:
                check_former(self._raw)
            except RevokedTokenError:
                return True
        return False

    @sensitive_variables()
    def end(self, reason: str) -> bool:
        if self.pair is not None:
            return super().end(reason)
        is_new = not self.has_ended()
        with _for_any_view(None):
            sessions.end(self._raw, reason=reason)
        return is_new


def write(sid: UUID, changes: Mapping[str, Any]) -> bool:
    """
    Write columns of a session that has not been revoked; return whether they were written. One query.

    A refresh that has read the row before reads it again, so that it does not answer with the former claims.
    """
    return bool(UserSession.objects.filter(pk=sid, revoked_at=None).update(**changes, revision=F("revision") + 1))


@contextmanager
def _for_any_view(sign_in: SignInRequest | None) -> Iterator[None]:
    """
    Raise the errors of the block as errors that any view answers as simplejwt's.

    Our sign-in view repeats the check of a user who has changed, and refuses others in its own way.
    """
    try:
        yield
    except TokenRefusedError as error:
        raise as_token_error(error) from error
    except CredentialsChangedError as error:
        if sign_in is not None:
            raise
        raise AuthenticationFailed(NO_ACCOUNT, "no_active_account") from error
    except UnavailableError as error:
        if sign_in is not None:
            raise
        raise as_api_exception(error) from error
