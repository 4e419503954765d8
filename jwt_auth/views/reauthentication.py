"""
Re-authentication: a sign-in of the user who is signed in already, whose session a new one replaces.

The new session has another `sid`, its own `auth_time`, and the methods of this sign-in. A view that asks for a fresh or
a stronger sign-in (RFC 9470) then accepts its tokens.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.exceptions import InsufficientScopeError, InvalidCredentialsError, ReauthenticationRefusedError
from jwt_auth.revocation.subjects import parse_sid
from jwt_auth.views.base import IsUser, authenticated_claims, own_sid, user_of
from jwt_auth.views.outcomes import Pending, SignIn
from jwt_auth.views.serializers import ReauthenticateSerializer
from jwt_auth.views.sign_in import SignInView
from jwt_auth.views.users import LoginView

if TYPE_CHECKING:
    from typing_extensions import Self

    _Base = SignInView
else:
    _Base = object


class HasSession(BasePermission):
    """Require the token of a sign-in at this server: any other token has no session here that could be replaced."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        claims = authenticated_claims(request)
        if claims is None or claims.is_limited or own_sid(request) is None:
            raise as_api_exception(InsufficientScopeError(()))
        return True


class Reauthentication(_Base):
    """
    Turns a sign-in view into a re-authentication: `class CodeAgain(Reauthentication, CodeSignIn): ...`.

    The request needs an access token, and only its user can be authenticated. The session of that token ends, in the
    transaction that starts the new one, with the same label, data and timeouts.

    Raises:
        TypeError: if the class is defined with the sign-in view before this mixin.
    """

    authentication_classes = [JWTAuthentication]
    permission_classes = [IsUser, HasSession]
    name_field: str | None = None  # the name is that of the user who is signed in

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        order = cls.__mro__
        # The view would be an ordinary sign-in: without a token, and replacing no session.
        if SignInView in order and order.index(SignInView) < order.index(Reauthentication):
            text = f"class {cls.__name__}(Reauthentication, ...)"
            raise TypeError(f"name Reauthentication before the sign-in view: {text}")

    @classmethod
    def for_browsers(cls) -> "type[Self]":
        view = super().for_browsers()
        view.authentication_classes = [JWTAuthentication, JWTCookieAuthentication]
        return view

    def get_login_name(self, request: Request) -> object:
        return user_of(request).get_username()

    def _replaces(self, request: Request) -> UUID | None:
        """Return the id of the session of the request's token."""
        return parse_sid(own_sid(request))

    def _refused(self, reason: str) -> InvalidCredentialsError:
        return ReauthenticationRefusedError(reason)

    @sensitive_variables()
    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        found = super().authenticate(request, data)
        user = found.user if isinstance(found, SignIn | Pending) else found
        return found if user == user_of(request) else None


class ReauthenticateView(Reauthentication, LoginView):
    """Re-authenticate with the password."""

    serializer_class = ReauthenticateSerializer
