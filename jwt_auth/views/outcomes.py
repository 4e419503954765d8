"""
The outcomes of a check of credentials besides a user and None: a user with more facts, or another required step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jwt_auth.conf.arguments import require
from jwt_auth.sessions.terms import check_json
from jwt_auth.sessions.tickets import MAX_LIFETIME


@dataclass(frozen=True, slots=True)
class SignIn:
    """
    The result of `SignInView.authenticate()` that sets more than the user; `sessions.start()` explains the fields.

    Args:
        user: the user, as the backend returned it.
        amr: how the user was authenticated; the `amr` of the view if omitted.
    """

    user: Any
    _: KW_ONLY
    amr: Sequence[str] | None = None
    acr: str | None = None
    idle_timeout: timedelta | None = None
    absolute_timeout: timedelta | None = None
    is_persistent: bool | None = None
    data: Mapping[str, Any] | None = None
    authenticated_at: datetime | None = None
    tied_to: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """
    The result of `SignInView.authenticate()` if another step is required, such as a second factor.

    Args:
        user: the user; None for an unknown name, which must get the same answer.
        step: the `step` of the view that comes next.
        amr: how the user was authenticated so far; the `amr` of the view if omitted.
        state: facts for that view, which reads them as `self.ticket.state`: JSON of at most 1000 characters. The client
            can't read them.
        lifetime: how long the ticket is valid, at most an hour.
    """

    user: Any
    step: str
    _: KW_ONLY
    amr: Sequence[str] | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    lifetime: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        require(self.step, "step", str)
        check_json(self.state, "state")
        require(self.lifetime, "lifetime", timedelta)
        if not timedelta(0) < self.lifetime <= MAX_LIFETIME:
            raise ValueError(f"lifetime must be above 0, and at most {MAX_LIFETIME}")
