"""
For projects with WebSockets: an ASGI middleware that authenticates the handshake, and closes the socket in time.

It imports nothing of Channels, and also works around plain ASGI applications.
"""

from jwt_auth.contrib.channels.middleware import JWTWebSocketMiddleware

__all__ = ["JWTWebSocketMiddleware"]
