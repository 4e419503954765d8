"""
The token strategy for allauth's headless API.
"""

from typing import Any

from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.tokens.strategies.sessions import SessionTokenStrategy
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from jwt_auth import sessions
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.contrib.allauth.sign_ins import has_ended, is_of_app, remember, started
from jwt_auth.exceptions import ReasonedError
from jwt_auth.http.logs import log_refusal
from jwt_auth.sessions import peer_of
from jwt_auth.transports import bearer_body

__all__ = ["TokenStrategy"]


class TokenStrategy(SessionTokenStrategy):  # type: ignore[misc]  # allauth has no types
    """
    Give the tokens of one session of this app for each sign-in of allauth's client for apps.

    allauth's session tokens stay in use while a sign-in lacks a step, and for allauth's own endpoints. A session token
    is unknown as soon as the session of the user's tokens has ended.
    """

    def lookup_session(self, session_token: str) -> Any:
        """
        Return the session of a session token; None if it is unknown.

        Raises:
            UnavailableError: if the database can't be asked.
        """
        with outage_is_unavailable():
            session = super().lookup_session(session_token)
            if session is not None and has_ended(session, must_be_tied=True):
                session.flush()
                return None
            request = context.request
            if session is not None and is_of_app(request):
                remember(request, session)
        return session

    @sensitive_variables()
    def create_access_token_payload(self, request: HttpRequest) -> dict[str, Any]:
        """
        Return the tokens of the sign-in that this request has completed, for `meta`.

        Raises:
            ImmediateHttpResponse: with 401, if the sign-in is refused.
        """
        pair = started(request)
        if pair is None:
            raise ImmediateHttpResponse(unauthorized(request))
        return dict(bearer_body(pair))

    @sensitive_variables()
    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """Exchange a refresh token, as the endpoint `refresh/` does; None if it is refused."""
        request: HttpRequest = context.request
        retry_key = request.headers.get("Idempotency-Key")
        try:
            pair = sessions.refresh(refresh_token, peer=peer_of(request), retry_key=retry_key)
        except ReasonedError as error:
            log_refusal(error, request)
            return None
        return pair.access_token, pair.refresh_token


def unauthorized(request: HttpRequest) -> Any:
    """Return allauth's answer to a request of nobody, which lists the ways to sign in."""
    from allauth.headless.base.response import UnauthorizedResponse  # allauth's models have to be loaded

    return UnauthorizedResponse(request)
