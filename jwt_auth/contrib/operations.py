"""
Authentication for frameworks that call a class of ours for each operation, such as django-ninja.
"""

from django.http import HttpRequest

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.claims import Claims
from jwt_auth.exceptions import InsufficientScopeError
from jwt_auth.middleware import sign_in
from jwt_auth.process.blocking import on_loop
from jwt_auth.transports import is_bearer


class OperationAuth:
    """Sets `request.user`, `request.auser` and `request.auth`, as JWTUserMiddleware does, for one operation."""

    authentication_class: type[JWTAuthentication]

    def accepts(self, request: HttpRequest, claims: Claims) -> bool:
        """
        Return whether a valid token may be used here; by default, only a token that is not limited to scopes.

        Override it for operations that check the scopes of the token; see JWTUserMiddleware.accepts().
        """
        return not claims.is_limited

    def sign_in(self, request: HttpRequest) -> Claims | None:
        """
        Return the claims of the request's token; None if it has no token, or only a cookie that is not accepted.

        Raises:
            APIException: as the authentication classes do.
        """
        authenticator = self.authentication_class()
        authenticator.load_user = False  # `request.auser()` loads the user
        found = authenticator.authenticate(request)
        if found is None:
            return None
        user, claims = found
        if not self.accepts(request, claims):
            if is_bearer(request):
                raise as_api_exception(InsufficientScopeError(()))
            return None  # browsers send cookies by themselves
        sign_in(request, user, claims)
        return claims

    async def asign_in(self, request: HttpRequest) -> Claims | None:
        """See sign_in()."""
        return await on_loop(lambda: self.sign_in(request))
