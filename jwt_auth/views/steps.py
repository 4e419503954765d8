"""
One step of a sign-in: what the steps before have settled, and what it passes on to the next step, or to the session.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import timezone

from jwt_auth.authentication.replay import burn
from jwt_auth.exceptions import InvalidCredentialsError, ReplayedTokenError
from jwt_auth.sessions import Account
from jwt_auth.sessions.terms import check_methods
from jwt_auth.sessions.tickets import Ticket
from jwt_auth.views.outcomes import Pending, SignIn


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInStep:
    """
    One step of a sign-in.

    Args:
        ticket: the ticket of the step before; None in the first step.
        transport: how the tokens will be sent.
        amr: the methods of the view, unless the outcome names others.
        replaces: the id of the session that the new one is to replace.
        name: the login name of the first step, folded; empty without a name.
        label, is_persistent: as in the first request.
    """

    ticket: Ticket | None
    transport: str
    amr: Sequence[str]
    replaces: UUID | None
    name: str = field(repr=False)
    label: str
    is_persistent: bool | None

    def terms(self, outcome: SignIn) -> dict[str, Any]:
        """Return the arguments of `sessions.start()` that are settled when the last step is completed."""
        return {
            "amr": self._methods(outcome),
            "acr": outcome.acr,
            "idle_timeout": outcome.idle_timeout,
            "absolute_timeout": outcome.absolute_timeout,
            "is_persistent": self.is_persistent if outcome.is_persistent is None else outcome.is_persistent,
            "data": outcome.data,
            "replaces": self.replaces,
            "authenticated_at": outcome.authenticated_at,
            "tied_to": outcome.tied_to,
            "label": self.label,
            "transport": self.transport,
        }

    def next_ticket(self, outcome: Pending, account: Account | None) -> Ticket:
        """
        Return the ticket for the next step.

        Args:
            account: the user's account, as it was before the first step; None for an unknown name.
        """
        user, is_there = outcome.user, outcome.user is not None
        return Ticket(
            user=user,
            account=account,
            auth_hash=user.get_session_auth_hash() if is_there else "",
            step=outcome.step,
            transport=self.transport,
            expires_at=timezone.now() + outcome.lifetime,
            amr=self._methods(outcome),
            replaces=self.replaces,
            label=self.label,
            is_persistent=self.is_persistent,
            state=outcome.state,
            name=self.name,
        )

    def use_up(self) -> None:
        """Use up the ticket, if there is one: the step is completed."""
        if self.ticket is None:
            return
        try:
            burn("jwt_auth.ticket", self.ticket.jti, self.ticket.expires_at)
        except ReplayedTokenError as error:
            raise InvalidCredentialsError("the ticket was used before") from error

    def _methods(self, outcome: SignIn | Pending) -> tuple[str, ...]:
        """Return the methods of all steps up to this one, each once: a step may be repeated, as for a new code."""
        own = self.amr if outcome.amr is None else outcome.amr
        check_methods(own)  # before they are joined: the letters of a text would be methods, too
        return tuple(dict.fromkeys((*(self.ticket.amr if self.ticket else ()), *own)))
