"""
The check of the credentials in one step of a sign-in: whether they are compared at all, who may sign in, and for whom a
failure counts.

An account that has no failures left is closed: its credentials are not compared. Neither the answer nor its duration
may reveal whether an account exists, or is closed. So the budgets are read for an unknown user as often as for a known
one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.settings import api_settings

from jwt_auth import throttling
from jwt_auth._django.outages import is_outage
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import InvalidCredentialsError, UnavailableError
from jwt_auth.http.logs import log_refusal
from jwt_auth.http.plain import plain
from jwt_auth.sessions import Account, CredentialsChangedError, any_account
from jwt_auth.sessions.accounts import account_by_name, read_name
from jwt_auth.sessions.credentials import Attempt, attempted
from jwt_auth.sessions.tickets import Ticket
from jwt_auth.views.outcomes import Pending, SignIn

# Django's errors for a user, or another row, that does not exist, is not the only one, or may not sign in. Another
# answer, such as the usual 404, would reveal who exists.
_NOBODY = (ObjectDoesNotExist, MultipleObjectsReturned, Http404, PermissionDenied)


class CredentialCheck:
    """
    The check of the credentials of one request.

    Args:
        view: the sign-in view; its `authenticate()` compares them.
        data: the body, validated.
        ticket: the ticket of the step before; None in the first step.
        compares_by_name: whether a failure counts for the account with the login name even if Django has not checked
            its password.
        send_failure: sends Django's signal, for packages that count failures. Its arguments are the request, and the
            login name or None.

    Raises:
        ParseError: if the view has a name field, and the body has no name whose failures could be counted.
    """

    @sensitive_variables()
    def __init__(
        self,
        view: Any,
        request: Request,
        data: Mapping[str, Any],
        ticket: Ticket | None,
        *,
        compares_by_name: bool,
        send_failure: Callable[[Request, object], None],
    ) -> None:
        self._view, self._request, self._data, self._ticket = view, request, data, ticket
        self._compares_by_name, self._send_failure = compares_by_name, send_failure
        self._failures = throttling.Failures(request, view)
        self._attempt = Attempt(account=self._account(), is_closed=self._failures.are_too_many)

    @sensitive_variables()
    def outcome(self) -> SignIn | Pending:
        """Return the view's outcome. If it lets nobody sign in, count a failure and raise the reason."""
        try:
            found = attempted(self._attempt, self._found)
            return self._accepted(found if isinstance(found, SignIn | Pending) else SignIn(found))
        except Exception as error:  # a backend may raise an error of its own for wrong credentials
            # Right credentials of a user who was changed meanwhile are no failure, if the view starts sessions itself.
            if not (isinstance(error, UnavailableError | CredentialsChangedError) or is_outage(error)):
                self.count_failure()
            raise

    def account_of(self, user: Any) -> Account | None:
        """Return the account to compare with when `user` signs in, from before the check; None for nobody."""
        return None if user is None else self._attempt.before(key_of(user))

    @property
    def _user(self) -> Any:
        """The user of the steps before; None in the first step, and for an unknown name."""
        return None if self._ticket is None else self._ticket.user

    def _account(self) -> Account | None:
        if self._ticket is not None:
            return self._ticket.account
        name = read_name(self._view.get_login_name(self._request))
        return any_account() if name is None else account_by_name(name)

    @sensitive_variables()
    def _found(self) -> Any:
        known = self._attempt.account and self._attempt.account.pk
        # Asked for an unknown user as well, so that it takes the same time.
        is_closed = self._attempt.is_closed(known if self._user is None else key_of(self._user))
        if self._ticket is not None and self._user is None:
            return None
        if is_closed:
            return self._ask(self._view.refuse_closed)
        found = self._ask(self._view.authenticate)
        return self._ask(self._view.refuse_closed) if self._leads_to_closed(found) else found

    @sensitive_variables()
    def _ask(self, method: Callable[[Request, Mapping[str, Any]], Any]) -> Any:
        """Return the result of a project's method. Errors of Django that mean the same as `None` become refusals."""
        try:
            return method(self._request, self._data)
        except _NOBODY as error:
            raise InvalidCredentialsError(f"{method.__name__}() raised {type(error).__name__}: {error}") from error
        except ValidationError as error:
            of_fields = getattr(error, "message_dict", None)
            raise drf.ValidationError(of_fields or {api_settings.NON_FIELD_ERRORS_KEY: error.messages}) from error

    def _leads_to_closed(self, found: Any) -> bool:
        """
        Return whether the next step would be that of an account that has no failures left.

        The view may have found the user by a field other than the natural key; this account's budget was then not read
        yet. An answer other than that for an unknown name would reveal that the account exists. The budget is also read
        for an unknown name, so that both take the same time.
        """
        if not isinstance(found, Pending):
            return False
        is_user = isinstance(found.user, get_user_model())
        return self._failures.ask_again(key_of(found.user) if is_user else "") and is_user

    def _accepted(self, outcome: SignIn | Pending) -> SignIn | Pending:
        """Return the outcome; raise an error if it signs nobody in."""
        if isinstance(outcome, Pending):
            outcome = self._hidden(outcome)
            if outcome.user is None:
                return outcome
        self._demand_active(outcome.user)
        if self._ticket is not None and outcome.user != self._user:
            raise InvalidCredentialsError("the ticket is another user's")
        return outcome

    def _hidden(self, pending: Pending) -> Pending:
        """Return the step of an unknown user for an inactive one: a view that hides who exists must hide this, too."""
        user = pending.user
        if not isinstance(user, get_user_model()) or user.is_active or self._failures.are_too_many(key_of(user)):
            return pending
        reason = "the user is inactive, which the answer does not reveal"
        log_refusal(InvalidCredentialsError(reason), plain(self._request))
        return replace(pending, user=None)

    def _demand_active(self, user: Any) -> None:
        """Raise an error unless `user` is an active user whose account has failures left."""
        if user is None and self._failures.closed_one():
            raise InvalidCredentialsError("too many wrong credentials were sent for this account: none is compared")
        if user is None:
            raise InvalidCredentialsError("the credentials authenticate nobody")
        if not isinstance(user, get_user_model()):
            kind = type(user).__name__
            raise InvalidCredentialsError(f"authenticate() returned a {kind}, which is no user of this project")
        if user._state.adding:
            raise TypeError(f"authenticate() returned a {type(user).__name__} that is not saved")
        if not user.is_active:
            raise InvalidCredentialsError("the user is inactive")
        if self._failures.are_too_many(key_of(user)):
            raise InvalidCredentialsError("the credentials are right, but too many wrong ones were sent before")

    def count_failure(self) -> None:
        """Count a failure, and have Django's signal sent, unless Django has sent it."""
        self._failures.count(self._tried())
        if not self._attempt.failure_sent:
            user = self._user
            name = self._view.get_login_name(self._request) if user is None else user.get_username()
            self._send_failure(self._request, name)

    def _tried(self) -> list[Any]:
        """Return the primary keys of the users whose credentials were compared."""
        # Also the ticket's user, if a view checks another user's password beside the code.
        own = [] if self._user is None else [key_of(self._user)]
        if tried := list(dict.fromkeys([*self._attempt.guessed, *own])):
            return tried
        account = self._attempt.account if self._compares_by_name else None
        return [] if account is None or account.pk is None else [account.pk]
