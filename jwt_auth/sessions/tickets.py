"""
Sign-in tickets: sign-ins that are not complete, because another step is required, such as a second factor.

WebSocket tickets are another thing: see `authentication.handshake_tickets`.

The client keeps the ticket from one step to the next; this app stores only that a ticket was used. It is encrypted,
with a key for this purpose alone: the state that a view keeps in it may be the answer that the user has to give. It
names the next step and the transport, and is accepted for these only. It is bound to the user's password hash and
cutoff at the time of the step before.

    state of a ticket       event                                      then
    ---------------------   ----------------------------------------   ---------------------------------
    issued                  the step is completed in time              used; the session starts, or the
                                                                       ticket of a further step is issued
    issued                  the step fails, such as by a wrong code    issued; a failure of the account
    issued                  the user is revoked, deactivated or        dead: the step is refused
                            deleted, or has a new password
    issued                  the lifetime is over                       dead
    used, dead              anything                                   the same; the step is refused
"""

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import InvalidCredentialsError
from jwt_auth.keyring.configured import derived
from jwt_auth.sessions.accounts import Account, any_account
from jwt_auth.user_model import read_key, user_field, visible_users

# Characters. A login name has the most of them, and each may become twelve, which the encryption makes longer.
MAX_LENGTH = 20_000

# Characters that the user, and the state of a view, have together in any ticket: its length must not tell if anybody
# has the name. The state has at most terms.MAX_DATA, and few users need more than the rest.
_PADDED = 1536

# The longest lifetime: an e-mail with a code may take that long to arrive.
MAX_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """
    A sign-in that requires another step.

    Args:
        user: the user who signs in, read again when the ticket is opened; None for an unknown name, which must not
            show.
        account: the account from before the first step, compared when the session starts; see `Attempt.before`.
        auth_hash: the user's session auth hash at the time of the step before.
        step: the name of the step that comes next.
        transport: how the tokens will be sent.
        expires_at: aware.
        amr: the methods of the steps before.
        replaces: the id of the session that is to be replaced.
        label, is_persistent: as in the first request.
        state: facts that the view of the step before keeps for the next view.
        name: the login name of the first step, folded, whose failures are counted in each step; empty without a name.
        jti: its id, which is recorded when it is used.
    """

    user: Any = field(repr=False)
    account: Account | None
    auth_hash: str = field(repr=False)
    step: str
    transport: str
    expires_at: datetime
    amr: tuple[str, ...] = ()
    replaces: UUID | None = None
    label: str = ""
    is_persistent: bool | None = None
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)
    name: str = field(default="", repr=False)
    jti: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def sealed(self) -> str:
        """Return the ticket as a text that only this app can read."""
        of_user = {
            "pk": None if self.user is None else str(key_of(self.user)),
            "account": self.account and _written(self.account),
            "auth_hash": self.auth_hash,
            "state": self.state,
        }
        values = {
            **of_user,
            "padding": " " * (_PADDED - len(json.dumps(of_user))),
            "step": self.step,
            "transport": str(self.transport),
            "expires_at": self.expires_at.isoformat(),
            "amr": self.amr,
            "replaces": self.replaces and self.replaces.hex,
            "label": self.label,
            "is_persistent": self.is_persistent,
            "name": self.name,
            "jti": self.jti,
        }
        return _fernet().encrypt(json.dumps(values).encode()).decode()


@sensitive_variables()
def open_ticket(raw: str, *, step: str, transport: str, now: datetime | None = None) -> Ticket:
    """
    Return the ticket in `raw`, with its user. One query, even without a user, so that both take the same time.

    Raises:
        InvalidCredentialsError: if it is none of ours, has expired, or is for another step or transport; if its user
            has another password, or is gone. This function does not check whether it was used before.
    """
    ticket = _decrypted(raw)
    if (ticket.step, ticket.transport) != (step, transport):
        raise InvalidCredentialsError(
            f"the ticket is for the step {ticket.step!r} ({ticket.transport}), and this view is the step {step!r} "
            f"({transport})"
        )
    if ticket.expires_at <= (now or timezone.now()):
        raise InvalidCredentialsError("the ticket has expired")
    return ticket


def _decrypted(raw: str) -> Ticket:
    if len(raw) > MAX_LENGTH:
        raise InvalidCredentialsError(f"the ticket is longer than {MAX_LENGTH} characters")
    try:
        values = json.loads(_fernet().decrypt(raw.encode()))
    except (InvalidToken, UnicodeEncodeError):
        raise InvalidCredentialsError("the ticket is none of ours, or was changed") from None
    account = values["account"]
    return Ticket(
        user=_nobody() if values["pk"] is None else _user(values["pk"], values["auth_hash"]),
        account=account and _read(account),
        expires_at=_moment(values["expires_at"]),
        replaces=values["replaces"] and UUID(values["replaces"]),
        amr=tuple(values["amr"]),
        **{name: values[name] for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = ("auth_hash", "step", "transport", "label", "is_persistent", "state", "name", "jti")


def _written(account: Account) -> list[str | None]:
    moments = (account.cutoff, account.read_at)
    pk = None if account.pk is None else str(account.pk)
    return [pk, *(None if moment is None else moment.isoformat() for moment in moments)]


def _read(written: list[str | None]) -> Account:
    pk, cutoff, read_at = written
    return Account(
        pk=None if pk is None else read_key(user_field("pk"), pk), cutoff=_moment(cutoff), read_at=_moment(read_at)
    )


def _moment(written: str | None) -> Any:
    return written and datetime.fromisoformat(written)


def _nobody() -> Any:
    """Return None, in the time of `_user`. One query."""
    any_account()
    return None


def _user(pk: str, auth_hash: str) -> Any:
    """Return the user of a ticket. One query."""
    user: Any = visible_users().filter(pk=read_key(user_field("pk"), pk)).first()
    known = () if user is None else (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    if not any(constant_time_compare(auth_hash, each) for each in known):
        raise InvalidCredentialsError("the user of the ticket is gone, or has another password")
    return user


@cached_until_settings_change
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in derived("ticket", 32)])
