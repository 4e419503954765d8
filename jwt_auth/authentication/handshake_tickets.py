"""
WebSocket tickets: a page whose access token is in an httpOnly cookie can open and renew a WebSocket with one.

Sign-in tickets are another thing: see `sessions.tickets`.

A WebSocket ticket contains the access token, encrypted, with an id and an expiry of its own. So the socket depends on
that token: on its expiry, and on each revocation of it, its session and its user. A ticket is no JWT, so no other
validator accepts it, and a ticket in a log reveals nothing. Fernet's padding is removed, because `=` is not allowed in
the name of a subprotocol (RFC 6455 section 4.1, RFC 9110 section 5.6.2).

    state of a ticket   event                                     then
    -----------------   ---------------------------------------   -----------------------------------
    issued              a socket is opened or renewed with it     used
    issued              its token is refused, for any reason      issued; the handshake is refused
    issued              LIFETIME is over                          expired
    used, expired       anything                                  the same; the handshake is refused
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
    The content of a WebSocket ticket.

    Args:
        access_token: the token that opens or renews one WebSocket; it is not verified here.
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
        Use up the ticket. Call this after all other checks, so that a refused handshake uses up no ticket.

        Raises:
            ReplayedTokenError: when it was used before.
            UnavailableError: when the record of used tickets can't be asked.
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
        MalformedTokenError: if this app did not issue it.
        ExpiredTokenError: if it has expired.
    """
    if len(raw) > MAX_LENGTH or not _ALPHABET.fullmatch(raw):
        raise MalformedTokenError("not a WebSocket ticket: it is too long, or has characters that tickets do not have")
    try:
        values = json.loads(_fernet().decrypt(raw + "=" * (-len(raw) % 4)))
    except InvalidToken:
        raise MalformedTokenError("the WebSocket ticket was not issued here, or was changed") from None
    ticket = HandshakeTicket(access_token=values["token"], expires_at=moment(values["exp"]), jti=values["jti"])
    if ticket.expires_at <= (now or timezone.now()):
        raise ExpiredTokenError("the WebSocket ticket has expired")
    return ticket


def can_be_used_up() -> bool:
    """Return whether used tickets can be recorded: in a cache or a database. If not, no tickets are issued."""
    return shared_cache() is not None or has_database(router.db_for_write(UsedToken))


@cached_until_settings_change
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in derived("handshake_ticket", 32)])
