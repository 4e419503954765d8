"""
The base of all sign-ins: a view authenticates the user, and the base class does the rest.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import DatabaseError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from jwt_auth import sessions, throttling, transports
from jwt_auth._django.outages import is_outage
from jwt_auth.authentication.note import note_on
from jwt_auth.authentication.replay import burn
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import InvalidCredentialsError, ReplayedTokenError, UnavailableError
from jwt_auth.http.csrf_guard import hand_out_token
from jwt_auth.http.logs import log_refusal
from jwt_auth.http.plain import plain
from jwt_auth.revocation import revoke_session
from jwt_auth.sessions import any_account, find_account, peer_of
from jwt_auth.sessions.accounts import read_name
from jwt_auth.sessions.credentials import Attempt, attempted
from jwt_auth.sessions.terms import check_methods
from jwt_auth.sessions.tickets import Ticket, open_ticket
from jwt_auth.user_model import all_users
from jwt_auth.views.base import CredentialView
from jwt_auth.views.outcomes import Pending, SignIn
from jwt_auth.views.serializers import SignInSerializer, TicketSerializer
from jwt_auth.views.transport import BearerAnswer, CookieAnswer, GuardedView

if TYPE_CHECKING:
    from typing_extensions import Self


class SignInView(CredentialView):
    """
    Base of sign-ins: override `authenticate()`.

    The class counts sign-ins and failures, refuses a user who was revoked or changed during the check, starts the
    session, sends Django's signals `user_logged_in` and `user_login_failed`, and answers as `login/` does.
    `for_browsers()` returns the view that sends cookies.

    Attributes:
        serializer_class: reads the body; a subclass of SignInSerializer also has the fields `label` and `remember`.
        name_field: the field with the login name, by which failures are counted; None if there is none.
        amr: how `authenticate()` authenticates the user (RFC 8176).
        step: the name of this step, if it is not the first one. The body then needs the `ticket` of the step before;
            `authenticate()` reads it as `self.ticket`, and its user as `self.ticket.user`.
        budget: the name of the counts of this view; LOGIN_THROTTLE limits the views with the same name together.
    """

    throttle_classes = [throttling.LoginThrottle, throttling.FailedLoginThrottle, throttling.FailedNameThrottle]
    serializer_class: type[Serializer[Any]] = SignInSerializer
    name_field: str | None = None
    amr: Sequence[str] = ()
    step: str = ""
    budget: str = ""
    _ticket: Ticket | None = None
    transport = BearerAnswer.transport

    # How often the credentials are checked if the user is changed or revoked each time before the session has begun.
    attempts = 1

    @classmethod
    def for_browsers(cls) -> "type[Self]":
        """Return this view for browsers: it sends cookies, and refuses forged requests."""
        names = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        return type(f"Browser{cls.__name__}", (_BrowserSignIn, cls), names)

    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        """
        Return the user whose credentials these are; None if they are wrong.

        Return a SignIn to set more than the user, or a Pending if another step is required. An exception of DRF is
        counted as a failure, and becomes the answer.

        Args:
            data: the body, validated by `serializer_class`.
        """
        raise NotImplementedError("override authenticate() in your view")

    @property
    def ticket(self) -> Ticket:
        """The ticket of the step before, in a view with a `step`."""
        if self._ticket is None:
            raise AttributeError(f"{type(self).__name__} has no `step`, so its requests have no ticket")
        return self._ticket

    def get_name_field(self) -> str | None:
        """Return the name of the field with the login name; None if there is none."""
        return self.name_field

    def get_login_name(self, request: Request) -> object:
        """Return the login name that failures are counted for, as it was sent; None if there is none."""
        data: Any = request.data
        name_field = self.get_name_field()
        # A parser of the project may accept a body that is no object, and the serializer has not seen it yet.
        return None if name_field is None or not isinstance(data, Mapping) else data.get(name_field)

    def replaces(self, request: Request) -> UUID | None:
        """Return the id of the session that the new one is to replace."""
        return None if self._ticket is None else self._ticket.replaces

    def answer(self, request: Request, pair: sessions.TokenPair) -> Response:
        """
        Return the answer with the tokens: in the body, or in cookies.

        A project's own is asked for browsers, too, and may refuse the sign-in by an error.
        """
        sender = CookieAnswer if self.transport == CookieAnswer.transport else BearerAnswer
        return sender().answer(request, pair)

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = self.valid(self.serializer_class, request).validated_data
        for _ in range(self.attempts - 1):
            # A new password, or a revocation, during the sign-in has the credentials checked again.
            with suppress(sessions.CredentialsChangedError):
                return self._sign_in(request, data)
        return self._sign_in(request, data)

    @sensitive_variables()
    def _sign_in(self, request: Request, data: Mapping[str, Any]) -> Response:
        if self.step:
            raw = self.valid(TicketSerializer, request).validated_data["ticket"]
            self._ticket = open_ticket(raw, step=self.step, transport=self.transport)
            self._count_for_its_name(request, self._ticket)
        failures = throttling.Failures(request, self)
        attempt = Attempt(account=self._account(request), is_closed=failures.are_too_many)
        outcome = self._authenticated(request, data, attempt, failures)
        self._use_up_ticket()
        if isinstance(outcome, Pending):
            return self._answer_pending(request, data, outcome, attempt)
        pair = sessions.start(
            outcome.user,
            account=attempt.before(key_of(outcome.user)),
            amr=self._methods(outcome),
            acr=outcome.acr,
            idle_timeout=outcome.idle_timeout,
            absolute_timeout=outcome.absolute_timeout,
            is_persistent=self._persistence(data) if outcome.is_persistent is None else outcome.is_persistent,
            data=outcome.data,
            replaces=self.replaces(request),
            authenticated_at=outcome.authenticated_at,
            tied_to=outcome.tied_to,
            peer=peer_of(request._request),
            label=self._label(data),
            transport=self.transport,
        )
        return self._signed_in(request, outcome.user, pair)

    def _count_for_its_name(self, request: Request, ticket: Ticket) -> None:
        """Count this step for the name of the first one: a ticket of nobody must be used up as somebody's is."""
        if self.get_name_field() is None and ticket.name:
            note_on(request).login_name = ticket.name
            for throttle in self.get_throttles():
                if isinstance(throttle, throttling.FailedLoginThrottle) and throttle.is_over(request, self):
                    self.throttled(request, throttle.wait() or 0)

    def _account(self, request: Request) -> sessions.Account | None:
        if self._ticket is not None:
            return self._ticket.account
        name = read_name(self.get_login_name(request))
        return any_account() if name is None else find_account(name)

    @sensitive_variables()
    def _authenticated(
        self, request: Request, data: Mapping[str, Any], attempt: Attempt, failures: throttling.Failures
    ) -> SignIn | Pending:
        """Return the outcome of the check; count a failure if nobody may sign in, and raise the reason."""
        try:
            found = attempted(attempt, lambda: self._checked(request, data, attempt, failures))
            outcome = found if isinstance(found, SignIn | Pending) else SignIn(found)
            if isinstance(outcome, Pending):
                outcome = self._hidden(request, outcome, failures)
            if not (isinstance(outcome, Pending) and outcome.user is None):
                self._check_may_sign_in(outcome.user, failures)
        except Exception as error:  # a backend may raise an error of its own for wrong credentials
            if not (isinstance(error, UnavailableError) or is_outage(error)):
                self._count_failure(request, attempt, failures)
            raise
        return outcome

    @sensitive_variables()
    def _checked(
        self, request: Request, data: Mapping[str, Any], attempt: Attempt, failures: throttling.Failures
    ) -> Any:
        pks = self._pks() or [attempt.account and attempt.account.pk]
        is_closed = attempt.is_closed(pks[0])  # asked for nobody as well, so that it takes the same time
        if self._ticket is not None and self._ticket.user is None:
            return None
        if is_closed:
            return self.refuse_closed(request, data)
        found = self.authenticate(request, data)
        if not isinstance(found, Pending):
            return found
        # The view may have found the user by another field than the natural key, so this account was not asked for yet.
        # If it is closed, another answer than for an unknown name would reveal that it exists. An unknown name is asked
        # for as well, so that both take the same time.
        is_user = isinstance(found.user, get_user_model())
        is_closed = failures.ask_again(key_of(found.user) if is_user else "")
        return self.refuse_closed(request, data) if is_user and is_closed else found

    def _hidden(self, request: Request, pending: Pending, failures: throttling.Failures) -> Pending:
        """Return the step of nobody for an inactive user: a view that does not tell who is there must not tell this."""
        user = pending.user
        if not isinstance(user, get_user_model()) or user.is_active or failures.are_too_many(key_of(user)):
            return pending
        log_refusal(InvalidCredentialsError("the user is inactive, which the answer does not tell"), plain(request))
        return replace(pending, user=None)

    def refuse_closed(self, request: Request, data: Mapping[str, Any]) -> Any:
        """
        Return the outcome for an account that has reached its limit of failures; None refuses the sign-in.

        It must be the outcome for an unknown name, after the same time. A view that answers unknown names with a
        Pending returns the same Pending here.
        """
        return None

    def _tried_by_name(self, attempt: Attempt) -> list[Any]:
        """Return the primary key of the account of the name, if a failure without a password counts for it."""
        return [] if attempt.account is None or attempt.account.pk is None else [attempt.account.pk]

    def _pks(self) -> list[Any]:
        """Return the primary key of the ticket's user, if there is one."""
        return [] if self._ticket is None or self._ticket.user is None else [key_of(self._ticket.user)]

    def _check_may_sign_in(self, user: Any, failures: throttling.Failures) -> None:
        """Raise an error if the outcome of the check signs nobody in."""
        check_may_sign_in(user, failures)
        if self._ticket is not None and user != self._ticket.user:
            raise InvalidCredentialsError("the ticket is another user's")

    def _count_failure(self, request: Request, attempt: Attempt, failures: throttling.Failures) -> None:
        """Count a failure, and send Django's signal, unless Django has, for packages that count failures."""
        # Also the ticket's user, if a view checks another user's password beside the code.
        failures.count(dict.fromkeys([*attempt.guessed, *self._pks()]) or self._tried_by_name(attempt))
        if attempt.failure_sent:
            return
        name = self._ticket.user.get_username() if self._ticket and self._ticket.user else self.get_login_name(request)
        credentials = {} if name is None else {"username": name}
        user_login_failed.send(sender=__name__, credentials=credentials, request=request._request)

    def _use_up_ticket(self) -> None:
        if self._ticket is None:
            return
        try:
            burn("jwt_auth.ticket", self._ticket.jti, self._ticket.expires_at)
        except ReplayedTokenError as error:
            raise InvalidCredentialsError("the ticket was used before") from error

    def _answer_pending(
        self, request: Request, data: Mapping[str, Any], outcome: Pending, attempt: Attempt
    ) -> Response:
        user, is_there = outcome.user, outcome.user is not None
        ticket = Ticket(
            user=user,
            # No account was read if the name is no natural key. The ticket needs one: the user may be revoked before
            # the next step.
            account=(attempt.before(key_of(user)) or any_account()) if is_there else None,
            auth_hash=user.get_session_auth_hash() if is_there else "",
            step=outcome.step,
            transport=self.transport,
            expires_at=timezone.now() + outcome.lifetime,
            amr=self._methods(outcome),
            replaces=self.replaces(request),
            label=self._label(data),
            is_persistent=self._persistence(data),
            state=outcome.state,
            name=(self._ticket.name if self._ticket else throttling.login_name(request, self)) or "",
        )
        body = {"step": ticket.step, "ticket": ticket.sealed(), "expires_in": int(outcome.lifetime.total_seconds())}
        return Response(body, status=202)

    def _methods(self, outcome: SignIn | Pending) -> tuple[str, ...]:
        """Return the methods of all steps up to this one, each once: a step may be taken again, as for a new code."""
        own = self.amr if outcome.amr is None else outcome.amr
        check_methods(own)  # before they are joined: the letters of a text would be methods, too
        return tuple(dict.fromkeys((*(self._ticket.amr if self._ticket else ()), *own)))

    def _label(self, data: Mapping[str, Any]) -> str:
        return self._ticket.label if self._ticket else data.get("label", "")

    def _persistence(self, data: Mapping[str, Any]) -> bool | None:
        return self._ticket.is_persistent if self._ticket else data.get("remember")

    def _signed_in(self, request: Request, user: Any, pair: sessions.TokenPair) -> Response:
        """
        Finish the sign-in, and return the answer.

        If a receiver, or the project's `answer()`, raises an error, the sign-in is refused.
        """
        request.user = user
        try:
            self._finish(request, user, pair)
            return self.answer(request, pair)
        except Exception as error:  # any error; it is raised again below
            revoke_session(pair.session_id, reason="sign-in refused")
            # Django's own receiver writes `last_login`, which fails if the user was just deleted.
            gone = not all_users().filter(pk=key_of(user)).exists()
            if isinstance(error, DatabaseError) and gone:
                raise InvalidCredentialsError("the user was deleted while signing in") from error
            raise

    def _finish(self, request: Request, user: Any, pair: sessions.TokenPair) -> None:
        """Send `user_logged_in`, as Django's `login()` does."""
        user_logged_in.send(sender=user.__class__, request=request._request, user=user)


class _BrowserSignIn(GuardedView):
    """
    Sign in with cookies, and end the session whose cookies are replaced.

    Afterwards only somebody with a copy of these cookies could use that session.
    """

    transport = CookieAnswer.transport

    def _signed_in(self, request: Request, user: Any, pair: sessions.TokenPair) -> Response:
        response: Response = super()._signed_in(request, user, pair)  # type: ignore[misc]  # of the view beside it
        for raw in transports.all_cookies(request._request):
            sessions.end(raw, reason="signed in again")
        hand_out_token(request._request, fresh=True)
        return response

    def is_by_cookie(self, request: Request) -> bool:
        """Return False: the credentials in the body authenticate the request, and cookies from earlier don't matter."""
        return False


def check_may_sign_in(user: Any, failures: throttling.Failures) -> None:
    """Raise an error if a backend's answer signs nobody in."""
    if user is None and failures.closed_one():
        raise InvalidCredentialsError("too many wrong credentials were sent for this account: none is compared")
    if user is None:
        raise InvalidCredentialsError("the credentials authenticate nobody")
    if not isinstance(user, get_user_model()):
        kind = type(user).__name__
        raise InvalidCredentialsError(f"authenticate() returned a {kind}, which is no user of this project")
    if not user.is_active:
        raise InvalidCredentialsError("the user is inactive")
    if failures.are_too_many(key_of(user)):
        raise InvalidCredentialsError("the credentials are right, but too many wrong ones were sent for this account")
