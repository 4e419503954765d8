"""
The states of sessions, clients and keys: one vocabulary for all lists and pages.

A state says whether a request would be accepted now, so a key is not active if its client is disabled.
"""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from jwt_auth import registrars
from jwt_auth.administration.columns import Text, badge
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import ExpiredTokenError
from jwt_auth.models import ClientKey, RegisteredClient, SigningKey, UserSession
from jwt_auth.revocation import database
from jwt_auth.user_model import has_visible_user

LIVE, ACTIVE = _("Live"), _("Active")
ENDED, EXPIRED, REVOKED = _("Ended"), _("Expired"), _("Revoked")
DISABLED, SUSPENDED, UNUSED = _("Disabled"), _("Suspended"), _("Not in use")
INACTIVE_USER, HIDDEN_USER = _("User inactive"), _("User hidden")

# The reasons that `verdict` writes to the log, as states.
REFUSALS = {
    "the session is revoked": REVOKED,
    "the session began before the cutoff": _("All tokens revoked"),
    "the user is gone": HIDDEN_USER,
    "the user is inactive": INACTIVE_USER,
    "the password was changed since": _("Password changed"),
}


def of_session(session: UserSession, now: datetime) -> str:
    """Return the state of a session that was read `with_state`."""
    refusal = database.refusal_of(session, now)
    if refusal is None:
        return badge(LIVE, live=True)
    if isinstance(refusal, ExpiredTokenError):
        return badge(EXPIRED, live=False)
    return badge(REFUSALS.get(refusal.reason, ENDED), live=False)


def of_client(client: RegisteredClient) -> str:
    """Return the state of a client that was read with its user."""
    ended = _end_of_client(client)
    return badge(ended or ACTIVE, live=ended is None)


def of_client_key(key: ClientKey, client: RegisteredClient, doubt: registrars.Doubt | None, now: datetime) -> str:
    """Return the state of a key of `client`; `doubt` is from `registrars.doubts`."""
    ended: Text | None = None
    if key.revoked_at is not None:
        ended = REVOKED
    elif not key.is_usable(now):
        ended = EXPIRED
    elif not client.is_active:
        ended = _("Client disabled")
    elif (end_of_user := _end_of_user(client)) is not None:
        ended = end_of_user
    elif doubt == registrars.Doubt.SUSPENDED:
        ended = SUSPENDED
    return badge(ended or ACTIVE, live=ended is None)


def of_signing_key(key: SigningKey) -> str:
    """Return the state of one of this server's keys."""
    if get_settings().KEYS != "database" and key.state != SigningKey.State.REVOKED:
        return badge(UNUSED, live=False)
    return badge(key.get_state_display(), live=key.state == SigningKey.State.ACTIVE)


def _end_of_client(client: RegisteredClient) -> Text | None:
    if not client.is_active:
        return DISABLED
    return _end_of_user(client)


def _end_of_user(client: RegisteredClient) -> Text | None:
    if not has_visible_user(client):
        return HIDDEN_USER
    return None if client.user.is_active else INACTIVE_USER
