"""
Watches: is a token that was verified once still good, minutes and hours later?

They are for code that holds a connection or goes on working: WebSockets, streams of events, gRPC, Celery.
"""

from jwt_auth.watching.watch import Watch

__all__ = ["Watch"]
