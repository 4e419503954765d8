"""
What a token may be used for: its scopes (RFC 6749 section 3.3), as permissions of DRF.

A scope is what the holder of a token was given, and not what the user may do: both are asked, each by
permissions of its own.
"""

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission, OperationHolderMixin, SingleOperandHolder
from rest_framework.request import Request

from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.claims import Claims
from jwt_auth.exceptions import InsufficientScopeError
from jwt_auth.jose.scopes import is_scope

if TYPE_CHECKING:
    # Of what a list of permissions may hold, the stubs of DRF have no other name for a holder that is no class.
    _Base = SingleOperandHolder
else:
    _Base = OperationHolderMixin


class HasScope(_Base):
    """
    Lets in whoever brings a token with all of `scopes`: `permission_classes = [HasScope("read")]`.

    Others get 403 `insufficient_scope`. A request without a token of this app, by a session of Django's say,
    has no scope, whoever the user is; neither has a token that names none.

    It stands where a permission class does, alone and with `&`, `|` and `~`.
    """

    def __init__(self, *scopes: str) -> None:
        if not scopes or not all(map(is_scope, scopes)):
            raise ValueError("name scopes, each without spaces, quotes and backslashes")
        self.scopes = scopes

    def __call__(self) -> BasePermission:
        """What DRF does with a permission class, once for each request."""
        return _HasScope(self.scopes)

    def __repr__(self) -> str:
        return f"HasScope({', '.join(map(repr, self.scopes))})"


class _HasScope(BasePermission):
    def __init__(self, scopes: tuple[str, ...]) -> None:
        self._scopes = scopes
        self._is_known = False

    def has_permission(self, request: Request, view: Any) -> bool:
        self._is_known = request.successful_authenticator is not None
        return isinstance(request.auth, Claims) and request.auth.scopes.issuperset(self._scopes)

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        return self.has_permission(request, view)

    @property
    def message(self) -> None:
        # A view asks for it when it refuses over this permission, and not when another one let the request in.
        # What it would raise itself has no place for the challenge. Who is not known at all gets its 401.
        if self._is_known:
            raise as_api_exception(InsufficientScopeError(self._scopes))
