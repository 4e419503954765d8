"""
The base of all sign-ins: a view authenticates the user, and the base class does the rest.

`checking` has the check of the credentials and its failures, and `steps` has what one step passes on to the next one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import DatabaseError, router
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from jwt_auth import sessions, throttling, transports
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth._django.transactions import write_atomic
from jwt_auth.authentication.note import note_on
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import InvalidCredentialsError, StepRefusedError
from jwt_auth.http.csrf_guard import hand_out_token
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session
from jwt_auth.sessions import peer_of
from jwt_auth.sessions.django_sessions import untie
from jwt_auth.sessions.tickets import Ticket, open_ticket
from jwt_auth.user_model import all_users
from jwt_auth.views.base import CredentialView
from jwt_auth.views.checking import CredentialCheck
from jwt_auth.views.outcomes import Pending
from jwt_auth.views.serializers import SignInSerializer, TicketSerializer, name_field_of
from jwt_auth.views.steps import SignInStep
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
        name_field: the field with the login name, by which failures are counted; "" is the user model's
            USERNAME_FIELD, and None means that there is no such field.
        amr: how `authenticate()` authenticates the user (RFC 8176).
        step: the name of this step, if it is not the first one. The body then needs the `ticket` of the step before;
            `authenticate()` reads it as `self.ticket`, and its user as `self.ticket.user`.
        budget: the name of the counts of this view; LOGIN_THROTTLE limits the views with the same name together.
    """

    # A project overrides these attributes, `authenticate()`, and if needed the three methods below it.
    serializer_class: type[Serializer[Any]] = SignInSerializer
    name_field: str | None = None
    amr: Sequence[str] = ()
    step: str = ""
    budget: str = ""

    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        """
        Return the user whose credentials these are; None if they are wrong.

        Return a SignIn to set more than the user, or a Pending if another step is required. An exception of DRF is
        counted as a failure, and becomes the answer. `DoesNotExist`, `MultipleObjectsReturned`, `Http404` and Django's
        `PermissionDenied` mean the same as None, and Django's `ValidationError` means the same as DRF's.

        Args:
            data: the body, validated by `serializer_class`.
        """
        raise NotImplementedError("override authenticate() in your view")

    def refuse_closed(self, request: Request, data: Mapping[str, Any]) -> Any:
        """
        Return the outcome for an account that has reached its limit of failures; None refuses the sign-in.

        It must be the outcome for an unknown name, after the same time. A view that answers unknown names with a
        Pending returns the same Pending here.
        """
        return None

    def get_login_name(self, request: Request) -> object:
        """Return the login name that failures are counted for, as it was sent; None if there is none."""
        data: Any = request.data
        name_field = name_field_of(self)
        # A parser of the project may accept a body that is not an object, and the serializer has not seen it yet.
        return None if name_field is None or not isinstance(data, Mapping) else data.get(name_field)

    def answer(self, request: Request, pair: sessions.TokenPair) -> Response:
        """
        Return the answer with the tokens: in the body, or in cookies.

        An override is called for browsers, too; if it raises an error, the sign-in is refused.
        """
        sender = CookieAnswer if self.transport == CookieAnswer.transport else BearerAnswer
        return sender().answer(request, pair)

    @classmethod
    def for_browsers(cls) -> "type[Self]":
        """Return this view for browsers: it sends cookies, and refuses forged requests."""
        names = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        return type(f"Browser{cls.__name__}", (_BrowserSignIn, cls), names)

    @property
    def ticket(self) -> Ticket:
        """The ticket of the step before, in a view with a `step`."""
        if self._ticket is None:
            raise AttributeError(f"{type(self).__name__} has no `step`, so its requests have no ticket")
        return self._ticket

    # The rest is the same for all projects. The views of this app change these values.
    throttle_classes = [throttling.LoginThrottle, throttling.FailedLoginThrottle, throttling.FailedNameThrottle]
    transport = BearerAnswer.transport
    _ticket: Ticket | None = None

    # How often the credentials are checked if the user is changed or revoked each time before the session has begun.
    _attempts: int = 1

    # Whether a failure counts for the account with the login name even if Django has not checked its password.
    _compares_by_name: bool = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("authenticate", "refuse_closed", "get_login_name", "answer"):
            if iscoroutinefunction(getattr(cls, name)):
                raise TypeError(f"{cls.__name__}.{name}() must not be async: DRF calls it without awaiting it")

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = self.valid(self.serializer_class, request).validated_data
        try:
            for _ in range(self._attempts - 1):
                # A new password, or a revocation, during the sign-in has the credentials checked again.
                with suppress(sessions.CredentialsChangedError):
                    return self._sign_in(request, data)
            return self._sign_in(request, data)
        except InvalidCredentialsError as error:
            raise self._refused(error.reason) from error

    @sensitive_variables()
    def _sign_in(self, request: Request, data: Mapping[str, Any]) -> Response:
        step = self._begin(request, data)
        check = self._check(request, data, step.ticket)
        outcome = check.outcome()
        account = check.account_of(outcome.user)
        if isinstance(outcome, Pending):
            ticket = step.next_ticket(outcome, account)
            step.use_up()
            return _pending_answer(ticket, outcome)
        with outage_is_unavailable(), write_atomic(router.db_for_write(UserSession)):
            pair = self._start(request, outcome.user, account, step.terms(outcome))
            step.use_up()  # last, so that after an outage the step can be sent again
        return self._signed_in(request, outcome.user, pair)

    def _start(
        self, request: Request, user: Any, account: sessions.Account | None, terms: Mapping[str, Any]
    ) -> sessions.TokenPair:
        return sessions.start(user, account=account, peer=peer_of(request._request), **terms)

    @sensitive_variables()
    def _begin(self, request: Request, data: Mapping[str, Any]) -> SignInStep:
        ticket = self._ticket = self._open_ticket(request) if self.step else None
        return SignInStep(
            ticket=ticket,
            transport=self.transport,
            amr=self.amr,
            replaces=self._replaces(request),
            name=ticket.name if ticket else throttling.login_name(request, self) or "",
            label=ticket.label if ticket else data.get("label", ""),
            is_persistent=ticket.is_persistent if ticket else data.get("remember"),
        )

    @sensitive_variables()
    def _open_ticket(self, request: Request) -> Ticket:
        raw = self.valid(TicketSerializer, request).validated_data["ticket"]
        ticket = open_ticket(raw, step=self.step, transport=self.transport)
        # This step counts for the first one's name: the limit must apply to an unknown user's ticket, too.
        if ticket.name and self.name_field is None:
            note_on(request).login_name = ticket.name
            for throttle in self.get_throttles():
                if isinstance(throttle, throttling.FailedLoginThrottle) and throttle.is_over(request, self):
                    self.throttled(request, throttle.wait() or 0)
        return ticket

    @sensitive_variables()
    def _check(self, request: Request, data: Mapping[str, Any], ticket: Ticket | None) -> CredentialCheck:
        return CredentialCheck(
            self,
            request,
            data,
            ticket,
            compares_by_name=self._compares_by_name,
            send_failure=self._send_failure,
        )

    def _signed_in(self, request: Request, user: Any, pair: sessions.TokenPair) -> Response:
        """
        Finish the sign-in, and return the answer.

        If a receiver, or the project's `answer()`, raises an error, the sign-in is refused.
        """
        request.user = user
        with _ended_by_an_error(user, pair):
            self._finish(request, user, pair)
            return self.answer(request, pair)

    def _refused(self, reason: str) -> InvalidCredentialsError:
        """Return the error that becomes the answer to a refusal."""
        return StepRefusedError(reason) if self.step else InvalidCredentialsError(reason)

    def _replaces(self, request: Request) -> UUID | None:
        """Return the id of the session that the new one is to replace."""
        return None if self._ticket is None else self._ticket.replaces

    def _finish(self, request: Request, user: Any, pair: sessions.TokenPair) -> None:
        """Send `user_logged_in`, as Django's `login()` does."""
        user_logged_in.send(sender=user.__class__, request=request._request, user=user)

    def _send_failure(self, request: Request, name: object) -> None:
        """Send Django's signal, for packages that count failures; Django's `authenticate()` has not sent it."""
        credentials = {} if name is None else {"username": name}
        user_login_failed.send(sender=__name__, credentials=credentials, request=request._request)


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


# For sign-ins that start their session in the middle of the check.


@sensitive_variables()
def check_of(view: SignInView, request: Request, data: Mapping[str, Any]) -> CredentialCheck:
    """Return the check of the credentials in a request to `view`, which has one step."""
    return view._check(request, data, None)


def complete(view: SignInView, request: Request, user: Any, pair: sessions.TokenPair) -> None:
    """Finish a sign-in whose session `view` has started itself; if an error is raised, the session ends."""
    request.user = user
    with _ended_by_an_error(user, pair):
        view._finish(request, user, pair)


def _pending_answer(ticket: Ticket, outcome: Pending) -> Response:
    body = {"step": ticket.step, "ticket": ticket.sealed(), "expires_in": int(outcome.lifetime.total_seconds())}
    return Response(body, status=202)


@contextmanager
def _ended_by_an_error(user: Any, pair: sessions.TokenPair) -> Iterator[None]:
    """End the session that has just started if an error is raised in the block."""
    try:
        yield
    except Exception as error:  # any error; it is raised again below
        untie([pair.session_id])  # otherwise this would end the Django session that it may be tied to
        revoke_session(pair.session_id, reason="sign-in refused")
        # Django's own receiver writes `last_login`, which fails if the user was just deleted.
        gone = not all_users().filter(pk=key_of(user)).exists()
        if isinstance(error, DatabaseError) and gone:
            raise InvalidCredentialsError("the user was deleted while signing in") from error
        raise
