"""
For projects with django-ninja: classes for `auth`, for asynchronous and for synchronous operations.
"""

from jwt_auth.contrib.ninja.answers import handle_errors
from jwt_auth.contrib.ninja.auth import AccessCookieAuth, AccessTokenAuth

__all__ = ["AccessCookieAuth", "AccessTokenAuth", "handle_errors"]
