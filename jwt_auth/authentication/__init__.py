"""
The DRF authentication classes, and what they have found out about a request.

DRF imports it while its own `views` are being imported, maybe before the apps are ready: nothing in this room
imports a model, or anything that needs `rest_framework.views`, when it is imported itself.
"""

from jwt_auth.authentication.classes import (
    ClientJWTAuthentication,
    JWTAuthentication,
    JWTCookieAuthentication,
    UserOrClientJWTAuthentication,
    claims_of,
    client_of,
)

__all__ = [
    "ClientJWTAuthentication",
    "JWTAuthentication",
    "JWTCookieAuthentication",
    "UserOrClientJWTAuthentication",
    "claims_of",
    "client_of",
]
