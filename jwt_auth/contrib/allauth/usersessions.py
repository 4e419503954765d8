"""
The adapter for `allauth.usersessions`, the list of a user's sessions at allauth.

It deletes Django's sessions without signing their users out, so that nothing else could end the tokens with them.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from django.conf import settings as django_settings

from jwt_auth.contrib.allauth.sign_ins import end_tied

__all__ = ["UserSessionsAdapter"]


class UserSessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]  # allauth has no types
    """End the sessions of this app together with allauth's sessions that they are tied to."""

    def end_sessions(self, sessions: Iterable[Any]) -> None:
        store = import_module(django_settings.SESSION_ENGINE).SessionStore
        for ended in sessions:
            end_tied(store(ended.session_key), ended.user)
        super().end_sessions(sessions)
