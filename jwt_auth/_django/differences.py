"""
A Django whose insides differ from those that this app knows: it is told of once, and the slower way is taken.
"""

import logging
from functools import cache

logger = logging.getLogger("jwt_auth")


@cache
def note_difference(what: str, reason: str) -> None:
    """
    Log once that `what` falls back on Django's public interface.

    Args:
        what: a phrase that says what is slower or no longer holds, and what is done instead.
        reason: the error that showed it.
    """
    extra = {"event": "django_differs", "reason": reason}
    logger.warning("This Django differs from those that the app was tested with: %s (%s).", what, reason, extra=extra)
