"""
For programs that call an API of jwt_auth: short tokens of their own, signed with what the server knows.

    from jwt_auth.client import Signer
    from jwt_auth.client.requests import JWTAuth

Neither Django nor DRF is imported here. `requests` and `httpx` are imported only by the modules named
after them. Another language needs none of it, only a JWT library: see docs/how-to/api-clients.md.
"""

from jwt_auth.client.origin import ForeignOriginError
from jwt_auth.client.signer import Reuse, Signer

__all__ = ["ForeignOriginError", "Reuse", "Signer"]
