"""
The adapter for allauth's headless API.

allauth asks its token strategy only when somebody signs in. A re-authentication and a new password give new tokens,
too, and an adapter can add them to `meta`.
"""

from typing import Any

from allauth.headless.adapter import DefaultHeadlessAdapter
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from jwt_auth.contrib.allauth.sign_ins import is_of_app, progress_of
from jwt_auth.contrib.allauth.strategy import TokenStrategy

__all__ = ["HeadlessAdapter"]


class HeadlessAdapter(DefaultHeadlessAdapter):  # type: ignore[misc]  # allauth has no types
    """Send apps the tokens of the new session after a re-authentication, and after a change of the password."""

    @sensitive_variables()
    def populate_response_meta(self, request: HttpRequest, meta: dict[str, Any]) -> None:
        super().populate_response_meta(request, meta)
        is_due = is_of_app(request) and progress_of(request).is_complete and request.user.is_authenticated
        if is_due and "access_token" not in meta:
            meta.update(TokenStrategy().create_access_token_payload(request))
