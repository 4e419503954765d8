"""
The endpoint that issues a WebSocket ticket for an access token.
"""

from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_auth import throttling
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.authentication.handshake_tickets import MAX_LENGTH, can_be_used_up, issue
from jwt_auth.exceptions import UnknownLimitsError
from jwt_auth.http.plain import plain
from jwt_auth.views.base import UserView, authenticated_claims


class HandshakeTicketView(UserView):
    """
    Issue a WebSocket ticket for the access token of the request.

    Pages need it if their token is in a cookie that scripts can't read. A ticket grants no more than its token, so each
    token of a user is accepted, with any scopes.
    """

    permission_classes = [IsAuthenticated]
    throttle_classes = [throttling.HandshakeTicketThrottle]

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if not can_be_used_up():
            raise NotFound("There is neither a database nor a shared cache to record used tickets in.")
        claims, token = authenticated_claims(request), self.get_access_token(request)
        if claims is None or token is None:
            raise as_api_exception(UnknownLimitsError())
        ticket = issue(token, claims.expires_at, now := timezone.now())
        sealed = ticket.sealed()
        if len(sealed) > MAX_LENGTH:
            raise ParseError("The access token is too long for a WebSocket ticket.")
        return Response({"ticket": sealed, "expires_in": int((ticket.expires_at - now).total_seconds())})

    def get_access_token(self, request: Request) -> str | None:
        """Return the token that authenticated the request; None if something else did."""
        used = request.successful_authenticator
        return used.raw_token(plain(request)) if isinstance(used, JWTAuthentication) else None
