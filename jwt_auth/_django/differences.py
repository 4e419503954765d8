"""
Warnings about a Django whose undocumented parts differ from those that the app was tested with.
"""

import logging
from functools import cache

logger = logging.getLogger("jwt_auth")


@cache
def note_difference(what: str, reason: str) -> None:
    """
    Log once per cause that the app falls back on Django's public interface.

    Args:
        what: a phrase that names the effect.
        reason: the error that showed it.
    """
    extra = {"event": "django_differs", "reason": reason}
    logger.warning("Django, or a part of this project, is not as expected: %s (%s).", what, reason, extra=extra)
