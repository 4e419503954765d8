"""
For projects with django-modern-rest: classes for `auth`, and an error handler.
"""

from jwt_auth.contrib.modern_rest.answers import handle_error
from jwt_auth.contrib.modern_rest.auth import (
    AccessCookieAsyncAuth,
    AccessCookieSyncAuth,
    AccessTokenAsyncAuth,
    AccessTokenSyncAuth,
)

__all__ = [
    "AccessCookieAsyncAuth",
    "AccessCookieSyncAuth",
    "AccessTokenAsyncAuth",
    "AccessTokenSyncAuth",
    "handle_error",
]
