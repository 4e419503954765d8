"""
A client library for programs that call an API with jwt_auth: they sign short-lived tokens with a registered key.

    from jwt_auth.client import Signer
    from jwt_auth.client.requests import JWTAuth

The package imports neither Django nor DRF. Only the modules named after `requests` and `httpx` import them.
Programs in other languages only need a JWT library: see docs/how-to/api-clients.md.
"""

from jwt_auth.client.key import KeyMaterialSource
from jwt_auth.client.origin import ForeignOriginError
from jwt_auth.client.signer import Reuse, Signer

__all__ = ["ForeignOriginError", "KeyMaterialSource", "Reuse", "Signer"]
