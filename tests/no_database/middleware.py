"""The middleware of a project whose plain views accept the tokens of its issuer."""

from typing import Any

from jwt_auth.middleware import JWTUserMiddleware


class AcceptingMiddleware(JWTUserMiddleware):
    """Accept tokens with the scope `read`."""

    def accepts(self, request: Any, claims: Any) -> bool:
        return super().accepts(request, claims) or "read" in claims.scopes
