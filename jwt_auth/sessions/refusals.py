"""
The session in the errors that refuse its token, for the log.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from jwt_auth.exceptions import TokenError
from jwt_auth.models import UserSession


@contextmanager
def named_in_refusals(session: UserSession) -> Iterator[None]:
    """Name `session` in an error that refuses its token."""
    try:
        yield
    except TokenError as error:
        error.sid, error.user_id = session.sid, str(session.user_id)
        raise
