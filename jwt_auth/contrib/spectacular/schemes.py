"""
Security schemes for the authentication classes.
"""

from typing import Any

from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.conf import get_settings
from jwt_auth.transports import sends_access_cookie

BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

# A class and the classes derived from it, as by `with_revocation()`, share one scheme on purpose.
set_override(JWTAuthentication, "suppress_collision_warning", True)


class JWTScheme(OpenApiAuthenticationExtension):
    target_class = "jwt_auth.authentication.JWTAuthentication"
    match_subclasses = True
    name: str | list[str] = "jwtAuth"
    # Schemes of derived classes go first; a scheme that a project declares for our classes has 0, and goes before all.
    priority = -3

    def get_security_definition(self, auto_schema: Any) -> Any:
        return BEARER


class JWTCookieScheme(JWTScheme):
    target_class = "jwt_auth.authentication.JWTCookieAuthentication"
    priority = -2

    @property
    def name(self) -> list[str]:  # type: ignore[override]  # drf-spectacular reads it of an instance only
        """The scheme; none if BROWSER_ACCESS_TOKEN is "body", because no cookie authenticates then."""
        return ["jwtCookieAuth"] if sends_access_cookie() else []

    def get_security_requirement(self, auto_schema: Any) -> Any:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> Any:
        return [{"type": "apiKey", "in": "cookie", "name": get_settings().COOKIE_ACCESS_NAME} for _ in self.name]


class ClientJWTScheme(JWTScheme):
    target_class = "jwt_auth.authentication.ClientJWTAuthentication"
    name = "clientJWTAuth"
    priority = -2


class UserOrClientJWTScheme(JWTScheme):
    target_class = "jwt_auth.authentication.UserOrClientJWTAuthentication"
    name = ["jwtAuth", "clientJWTAuth"]
    priority = -1

    def get_security_requirement(self, auto_schema: Any) -> Any:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> Any:
        return [BEARER for _ in self.name]
