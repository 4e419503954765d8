"""
Re-authentication: a sign-in of the user who is signed in already, whose session a new one replaces.

The new session has another `sid`, its own `auth_time`, and the methods of this sign-in. A view that asks for a fresh or
a stronger sign-in (RFC 9470) then accepts its tokens.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.exceptions import UnknownLimitsError
from jwt_auth.revocation.subjects import parse_sid
from jwt_auth.sessions.credentials import authenticate
from jwt_auth.views.base import IsInScope, IsUser, own_sid, user_of
from jwt_auth.views.outcomes import Pending, SignIn
from jwt_auth.views.serializers import ReauthenticateSerializer
from jwt_auth.views.sign_in import SignInView

if TYPE_CHECKING:
    from typing_extensions import Self

    _Base = SignInView
else:
    _Base = object


class Reauthentication(_Base):
    """
    Makes a sign-in view a re-authentication: `class CodeAgain(Reauthentication, CodeSignIn): ...`.

    The request needs an access token, and only its user can be authenticated. The session of that token ends, in the
    transaction that starts the new one, with the same label, data and timeouts.
    """

    authentication_classes = [JWTAuthentication]
    permission_classes = [IsUser, IsInScope]
    scope = "sessions"

    @classmethod
    def for_browsers(cls) -> "type[Self]":
        view = super().for_browsers()
        view.authentication_classes = [JWTAuthentication, JWTCookieAuthentication]
        return view

    def get_name_field(self) -> str | None:
        """Return None: the name is that of the user who is signed in."""
        return None

    def get_login_name(self, request: Request) -> object:
        return user_of(request).get_username()

    def replaces(self, request: Request) -> UUID | None:
        """Return the id of the session of the request's token; raise PermissionDenied if it has none here."""
        sid = parse_sid(own_sid(request))
        if sid is None:
            raise as_api_exception(UnknownLimitsError())
        return sid

    @sensitive_variables()
    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        found = super().authenticate(request, data)
        user = found.user if isinstance(found, SignIn | Pending) else found
        return found if user == user_of(request) else None


class PasswordAgain(SignInView):
    """Check the password of the user who is signed in."""

    serializer_class = ReauthenticateSerializer
    amr = ("pwd",)

    @sensitive_variables()
    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        return authenticate(request._request, user_of(request).get_username(), data["password"])

    def refuse_closed(self, request: Request, data: Mapping[str, Any]) -> Any:
        return self.authenticate(request, data)  # which compares another password


class ReauthenticateView(Reauthentication, PasswordAgain):
    """Re-authenticate with the password."""
