"""
The DRF authentication classes, and functions that return the token and the client of a request.

DRF imports this package while it imports its own `views`, maybe before the apps are ready. So at import time nothing
here imports a model, or anything that needs `rest_framework.views`.
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
