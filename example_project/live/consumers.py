"""
The WebSocket of the page at /live/.
"""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class EchoConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """Sends each message back to the user. JWTWebSocketMiddleware authenticates the user and closes the socket."""

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        user = self.scope["user"]  # loaded: reading it makes no query
        await self.send_json({"from": user.get_username(), "text": content["text"]})
