"""
Base classes and permissions of all endpoints.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import MethodNotAllowed, ParseError, UnsupportedMediaType
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import transports
from jwt_auth._django.driver_errors import is_of_text
from jwt_auth.authentication import JWTAuthentication, claims_of, client_of
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.authentication.note import note_on
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import InsufficientScopeError, InsufficientUserAuthenticationError, UnknownLimitsError
from jwt_auth.http.logs import log_refusal
from jwt_auth.http.plain import plain
from jwt_auth.permissions import HasAMR, SignedInWithin
from jwt_auth.permissions.requirements import demand
from jwt_auth.responses import error_response
from jwt_auth.views.parsers import StrictJSONParser


class TokenView(APIView):
    """
    Base of all endpoints: JSON requests and responses, no caching, and no ATOMIC_REQUESTS.

    With ATOMIC_REQUESTS an error response would roll back the revocation that it reports, so these views are
    exempt from that setting.

    Handlers ignore the parameters of a path that the project includes these URLs in, such as `<version>/`.
    """

    parser_classes = [StrictJSONParser]
    throttle_classes: list[Any] = []
    # A project's API versioning does not apply here: with it, these URLs would answer 404.
    versioning_class = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def get_exception_handler(self) -> Any:
        return _answer

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[JSONRenderer, str]:
        """Return JSON whatever the Accept header says, because a sign-out must not fail because of it."""
        return JSONRenderer(), JSONRenderer.media_type

    def check_throttles(self, request: Request) -> None:
        """End at the first throttle that refuses. DRF asks all of them, in order to tell the longest wait."""
        for throttle in self.get_throttles():
            if not throttle.allow_request(request, self):
                self.throttled(request, throttle.wait() or 0)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @sensitive_variables()
    def valid(self, serializer_class: Any, request: Request) -> Any:
        """Return the serializer for the body of `request`, after validation."""
        serializer = serializer_class(data=request.data, context={"request": request, "view": self})
        serializer.is_valid(raise_exception=True)
        return serializer


def _answer(exc: Exception, context: Any) -> Response | None:
    if is_of_text(exc):  # an old database may have a narrower encoding than the text of a client
        exc = ParseError("The request contains characters that the database can't store.")
    if isinstance(exc, UnsupportedMediaType):
        types = " or ".join(parser.media_type for parser in context["view"].parser_classes)
        exc = UnsupportedMediaType("", detail=f"Send the body with the header Content-Type: {types}.")
    if isinstance(exc, MethodNotAllowed):
        methods = [name for name in context["view"].allowed_methods if name != "OPTIONS"]
        exc = MethodNotAllowed("", detail=f"This URL accepts {' and '.join(methods)} only.")
    return error_response(exc, context["request"])


class CredentialView(TokenView):
    """
    Base of endpoints that only read the credential that they are about.

    Any other token in the request is ignored, so an expired one can't make the request fail.
    """

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def get_authenticate_header(self, request: Request) -> str:
        """Return the challenge for an AuthenticationFailed of a project's subclass: without one it becomes a 403."""
        return transports.challenge(token_presented=False)


class IsUser(IsAuthenticated):
    """Require a user of this project's database; a principal from claims has no sessions, tokens or cutoff here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and isinstance(request.user, get_user_model())


class IsInScope(BasePermission):
    """
    Require the scope of the view from all tokens but those of sign-ins at this server: see `Claims.is_limited`.

    Users without a token have no limits; see `authenticated_claims()`.

    A token that was issued for another purpose must not end sessions or create credentials, whatever its user may do.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        demand_scope(request, view.scope)  # type: ignore[attr-defined]
        return True


class HasAdminSignIn(BasePermission):
    """
    Require a sign-in as ADMIN_ENDPOINTS_MAX_AGE and ADMIN_ENDPOINTS_AMR say, which a refresh does not renew.

    API clients are exempt: they prove the possession of a key with each request, and have no user who could sign in
    again. It is the last permission of a view, so that nobody is asked to sign in for what they may not do anyway.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if client_of(request) is not None:
            return True
        try:
            demand(authenticated_claims(request), *_admin_requirements())
        except InsufficientUserAuthenticationError as error:
            log_refusal(error, plain(request))
            raise as_api_exception(error) from error
        return True


@cached_until_settings_change
def _admin_requirements() -> tuple[SignedInWithin | HasAMR, ...]:
    settings = get_settings()
    age = settings.ADMIN_ENDPOINTS_MAX_AGE
    return (
        *([] if age is None else [SignedInWithin(age)]),
        *([HasAMR(*settings.ADMIN_ENDPOINTS_AMR)] if settings.ADMIN_ENDPOINTS_AMR else []),
    )


def demand_scope(request: Request, scope: str) -> None:
    """Raise an error if the token of `request` is limited to scopes, and lacks `scope`."""
    if not has_scope(request, scope):
        raise as_api_exception(InsufficientScopeError((scope,)))


def has_scope(request: Request, scope: str) -> bool:
    """Return whether the credential of `request` has no limits, or `scope`."""
    claims = authenticated_claims(request)
    return claims is None or not claims.is_limited or scope in claims.scopes


def lacking(permission: str | None) -> str:
    """Return the text for a user without `permission`; what each endpoint requires is no secret."""
    return f"The user needs the permission {permission}."


class UserView(TokenView):
    """Base of endpoints for a user who is signed in with an access token."""

    authentication_classes = [JWTAuthentication]
    permission_classes: list[Any] = [IsUser, IsInScope]
    scope = "sessions"


class Pages(PageNumberPagination):
    """Pages of 100 items, whatever the project's own pagination is."""

    page_size = 100


def page_of(view: APIView, request: Request, rows: Any, serializer_class: Any, **context: Any) -> Response:
    """Return the page of `rows` that the request asks for."""
    pages = Pages()
    found: Any = pages.paginate_queryset(rows, request, view=view)
    return pages.get_paginated_response(serializer_class(found, many=True, context=context).data)


def user_of(request: Request) -> Any:
    """Return the user that IsAuthenticated admitted, whatever the user model is."""
    return request.user


def own_sid(request: Request) -> str | None:
    """
    Return the `sid` of the request's session here.

    It is None without a token, and for a token of another issuer, whose `sid` is not ours.
    """
    claims = authenticated_claims(request)
    return claims.sid if claims is not None and claims.iss == get_settings().ISSUER else None


def authenticated_claims(request: Request) -> Claims | None:
    """
    Return the claims of the token; None if the users themselves were authenticated, without any token.

    A project may derive these views with other authentication classes, and tests force a user. By DRF's convention
    `request.auth` is None if a credential says nothing but who the user is: a password, or Django's session. Any other
    object is a credential with rules that only its own package knows, so what it may do here is unknown.

    SessionAuthentication takes the user of Django's request. If a middleware set the user of a token there, the claims
    of that token count, although DRF has no `auth` then.

    Raises:
        PermissionDenied: for such an object, and for a principal that is no user of this project's database.
    """
    claims = claims_of(request) or note_on(request).claims_for(request.user)
    if claims is None and not (request.auth is None and isinstance(request.user, get_user_model())):
        raise as_api_exception(UnknownLimitsError())
    return claims
