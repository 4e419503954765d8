"""
What all endpoints are made of.
"""

from typing import Any, cast

from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.views.decorators.debug import sensitive_variables
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from jwt_auth.authentication import JWTAuthentication, client_of
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.claims import Claims
from jwt_auth.exceptions import InsufficientScopeError
from jwt_auth.responses import error_response
from jwt_auth.views.parsers import StrictJSONParser


class TokenView(APIView):
    """
    Base of all endpoints: JSON in and out, nothing cached, transactions of its own.

    With ATOMIC_REQUESTS an error would roll back the revocation that it reports, so these views are
    excepted from it.
    """

    parser_classes = [StrictJSONParser]
    throttle_classes: list[Any] = []
    # A project's versions are those of its API: with them on, these addresses would be 404.
    versioning_class = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def get_exception_handler(self) -> Any:
        return lambda exc, context: error_response(exc, context["request"])

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[JSONRenderer, str]:
        """JSON, whatever Accept says: a sign-out must not fail over it."""
        return JSONRenderer(), JSONRenderer.media_type

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @sensitive_variables()
    def valid(self, serializer_class: Any, request: Request) -> Any:
        """The serializer for the body of `request`, found valid."""
        serializer = serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer


class CredentialView(TokenView):
    """Looks at no credential but the one it is about: a stale token never stands in its way."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


class IsUser(IsAuthenticated):
    """Somebody whom our tables know: a principal of claims alone has no sessions, tokens or cutoff here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and isinstance(request.user, get_user_model())


class IsInScope(BasePermission):
    """
    The scope that the view names, of clients and of tokens that name scopes, as another issuer's may.

    What was given out for one thing must not end sessions or make credentials, whoever the user is.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        claims, scope = claims_of(request), view.scope  # type: ignore[attr-defined]
        if (client_of(request) is not None or claims.scope is not None) and scope not in claims.scopes:
            raise as_api_exception(InsufficientScopeError((scope,)))
        return True


class UserView(TokenView):
    """For a user who is signed in with an access token."""

    authentication_classes = [JWTAuthentication]
    permission_classes: list[Any] = [IsUser, IsInScope]
    scope = "sessions"


def user_of(request: Request) -> Any:
    """The user, of whatever model, whom IsAuthenticated has let in."""
    return request.user


def claims_of(request: Request) -> Claims:
    """What JWTAuthentication, the only authenticator of these views, made of the token."""
    return cast("Claims", request.auth)
