"""
Replace the `data` of a session, which is the project's own, while the session lives.

See `revisions` for a refresh, or another update, at the same time.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.conf.arguments import require, require_aware
from jwt_auth.exceptions import UnavailableError
from jwt_auth.sessions.pairs import issue
from jwt_auth.sessions.results import AccessToken
from jwt_auth.sessions.revisions import READS, SESSION_ID, TOO_BUSY, load_live, revise
from jwt_auth.sessions.terms import check_data


@sensitive_variables()
def update(session_id: UUID, *, data: Mapping[str, Any], now: datetime | None = None) -> AccessToken:
    """
    Replace the `data` of a live session, such as the organisation that it is for. Two queries.

    The client's refresh token stays valid, and the next refresh has the new data. Access tokens that were issued before
    have the former data until they expire, for at most ACCESS_TOKEN_LIFETIME. The session's timeouts go on.

    Args:
        session_id: the session's id, such as `request.auth.session_id`.
        data: the new data as a whole: JSON of at most 1000 characters and 31 levels.
        now: aware; the current time if omitted.

    Returns:
        An access token with the new claims. There is no refresh token with it, because the caller may have nothing but
        an access token.

    Raises:
        RevokedTokenError: if the session has ended, does not exist or began before a cutoff; if its user is inactive or
            has another password.
        ExpiredTokenError: if the session has expired.
        ConfigurationError: as for start().
        UnavailableError: if the database can't be asked, or there is no key to sign with.
        UnstorableTextError, ValueError: for data beyond its limits; nothing is changed.
    """
    require(session_id, "session_id", UUID, SESSION_ID)
    values = check_data(data)
    require_aware(now=now)
    with outage_is_unavailable():
        for _ in range(READS):
            session = load_live(session_id, now or timezone.now())
            session.data = values  # for CLAIMS_CALLABLE
            # Signed before anything is written: if signing fails, the data stays.
            access = issue(session, now or timezone.now())
            if revise(session, now or timezone.now(), data=values):
                return access
    raise UnavailableError(TOO_BUSY)
