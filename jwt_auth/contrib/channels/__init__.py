"""
For projects with WebSockets: an ASGI middleware that authenticates handshakes, and closes sockets after a revocation.

It does not import Channels, and also works around plain ASGI applications.
"""

from jwt_auth.contrib.channels.middleware import JWTWebSocketMiddleware

__all__ = ["JWTWebSocketMiddleware"]
