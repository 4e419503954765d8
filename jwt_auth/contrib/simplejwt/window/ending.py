"""
Signing out with a former token: a refresh token is used up, an access token is denied.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth.authentication.replay import record
from jwt_auth.conf.user_keys import key_of, user_id_of
from jwt_auth.contrib.simplejwt.window.package import FormerToken, blacklist, former_of, is_open, kept_until
from jwt_auth.contrib.simplejwt.window.users import family_subject, find_user_or_none
from jwt_auth.exceptions import InvalidTokenError, ReplayedTokenError
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation.events import atomic
from jwt_auth.revocation.operations import deny_token, end_session
from jwt_auth.revocation.user_rows import lock_user


@sensitive_variables()
def end_former(raw: str, *, reason: str, now: datetime | None) -> UUID | None:
    """
    Revoke a former token, even if it has expired, and end the session that it was exchanged for.

    Returns:
        The id that this session has, or would have; None if `raw` is no former token, or after the window's end.

    Raises:
        ConfigurationError: if simplejwt can't be asked.
        UnavailableError: if the database can't be asked.
    """
    if not is_open(now):
        return None
    try:
        former = former_of(raw)
    except InvalidTokenError:
        return None
    if former is not None:
        row, user = find_user_or_none(former)
        with atomic():
            # In the order of an exchange, which this either precedes or follows.
            if user is not None:
                lock_user(key_of(user))
            _end(former, row, user, reason, now)
    return None if former is None else former.digest


def _is_denied(former: FormerToken, row: Any) -> bool:
    """Return whether the token was denied before; one query, if its user does not exist."""
    if row is not None:
        return bool(row.jwt_denied)
    return RevocationEvent.objects.filter(scope=RevocationEvent.Scope.TOKEN, subject=former.subject).exists()


def _end(former: FormerToken, row: Any, user: Any, reason: str, now: datetime | None) -> None:
    until = kept_until(former.claims)
    facts: dict[str, Any] = {
        "sub": "" if user is None else user_id_of(user),
        "until": until,
        "reason": reason,
        "now": now,
    }
    if former.kind.is_access and not _is_denied(former, row):
        deny_token(former.subject, **facts)
    if not former.kind.is_exchanged:
        return
    try:
        record(former.digest, until)
    except ReplayedTokenError:
        end_session(former.digest, reason=reason, now=now)
    else:
        blacklist(former.as_token(now or timezone.now()))
        if not former.kind.is_access:
            deny_token(family_subject(former.claims), **facts)
