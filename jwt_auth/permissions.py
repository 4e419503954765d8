"""
Scopes of tokens (RFC 6749 section 3.3) as DRF permissions.

A scope limits a token, and grants the user nothing: check scopes and the user's permissions separately, with one
permission class for each.
"""

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission, OperationHolderMixin, SingleOperandHolder
from rest_framework.request import Request

from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.claims import Claims
from jwt_auth.exceptions import InsufficientScopeError
from jwt_auth.jose.scopes import is_scope

__all__ = ["HasScope"]

if TYPE_CHECKING:
    # The stubs of DRF have no other name for an item of a permission list that is not a class.
    _Base = SingleOperandHolder
else:
    _Base = OperationHolderMixin


class HasScope(_Base):
    """
    Require a token with all of `scopes`: `permission_classes = [HasScope("read")]`.

    Other requests get 403 `insufficient_scope`. A request without a token of this app, for example with a Django
    session, has no scope, regardless of the user. A token without a scope claim has none either.

    It can be used like a permission class, alone and with `&`, `|` and `~`.
    """

    def __init__(self, *scopes: str) -> None:
        if not scopes or not all(map(is_scope, scopes)):
            raise ValueError("give at least one scope, each without spaces, quotes and backslashes")
        self.scopes = scopes

    def __call__(self) -> BasePermission:
        """Return a permission for one request, as DRF instantiates permission classes."""
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
        # DRF reads this attribute only if this permission refuses the request. DRF's own error can't carry the
        # challenge, so ours is raised here. An unauthenticated request gets DRF's 401.
        if self._is_known:
            raise as_api_exception(InsufficientScopeError(self._scopes))
