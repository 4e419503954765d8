"""
Tickets for handshakes: a page whose access token is in an httpOnly cookie can open and renew a WebSocket with one.

A ticket is the encrypted access token itself, with an id and a time of its own. So the socket is judged by that token:
its expiry and every revocation of it, its session and its user count. No other validator accepts a ticket, since it is
no JWT, and a ticket in a log shows nothing to anyone who reads it. Fernet's padding is left out: `=` is not allowed in
the name of a subprotocol (RFC 6455 section 4.1, RFC 9110 section 5.6.2).

    state of a ticket   event                                     then
    -----------------   ---------------------------------------   -----------------------------------
    issued              a socket is opened or renewed with it     used
    issued              its token is refused, for any reason      issued; the handshake is refused
    issued              LIFETIME is over                          dead
    used, dead          anything                                  the same; the handshake is refused
"""

import json
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.db import router
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import has_database
from jwt_auth.authentication.replay import burn, shared_cache
from jwt_auth.claims import moment
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import ExpiredTokenError, MalformedTokenError
from jwt_auth.keyring.configured import derived
from jwt_auth.models import UsedToken

LIFETIME = timedelta(seconds=30)

# Characters. Servers and proxies accept 8 KiB in a header line, which has a few more characters than the ticket.
MAX_LENGTH = 7500

_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeTicket:
    """
    An access token that may open or renew one WebSocket.

    Args:
        access_token: the token, which is not verified here.
        expires_at: aware.
        jti: the ticket's id, which is recorded when it is used.
    """

    access_token: str = field(repr=False)
    expires_at: datetime
    jti: str

    def sealed(self) -> str:
        """Return the ticket as a text that only this app can read."""
        values = {"token": self.access_token, "exp": self.expires_at.timestamp(), "jti": self.jti}
        return _fernet().encrypt(json.dumps(values).encode()).decode().rstrip("=")

    def use_up(self) -> None:
        """
        Use up the ticket. It is the last check, so that no ticket is used up that is refused anyway.

        Raises:
            ReplayedTokenError: when it was used before.
            UnavailableError: when that can't be found out.
        """
        burn("jwt_auth.handshake_ticket", self.jti, self.expires_at)


@sensitive_variables("access_token")
def issue(access_token: str, expires_at: datetime, now: datetime | None = None) -> HandshakeTicket:
    """Return a new ticket for an access token that is good now, and expires at `expires_at`."""
    until = min(expires_at, (now or timezone.now()) + LIFETIME)
    return HandshakeTicket(access_token=access_token, expires_at=until, jti=secrets.token_urlsafe(16))


@sensitive_variables("raw")
def open_sealed(raw: str, now: datetime | None = None) -> HandshakeTicket:
    """
    Return the ticket in `raw`; this function does not check whether it was used before.

    Raises:
        MalformedTokenError: if it is none of ours.
        ExpiredTokenError: if it has expired.
    """
    if len(raw) > MAX_LENGTH or not _ALPHABET.fullmatch(raw):
        raise MalformedTokenError("not a ticket: it is too long, or has other characters")
    try:
        values = json.loads(_fernet().decrypt(raw + "=" * (-len(raw) % 4)))
    except InvalidToken:
        raise MalformedTokenError("the ticket is none of ours, or was changed") from None
    ticket = HandshakeTicket(access_token=values["token"], expires_at=moment(values["exp"]), jti=values["jti"])
    if ticket.expires_at <= (now or timezone.now()):
        raise ExpiredTokenError("the ticket has expired")
    return ticket


def can_be_used_up() -> bool:
    """Return whether there is a place where used tickets are recorded. Without one, no tickets are issued."""
    return shared_cache() is not None or has_database(router.db_for_write(UsedToken))


@cached_until_settings_change
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in derived("handshake_ticket", 32)])
