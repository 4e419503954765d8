"""
Watches: check whether a token that was verified before is still good.

They are for code that runs for longer than a request: WebSockets, event streams (SSE), gRPC, Celery tasks.
"""

from jwt_auth.watching.watch import Watch

__all__ = ["Watch"]
