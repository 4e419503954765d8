from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.middleware import BaseMiddleware
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken, UntypedToken


@database_sync_to_async
def get_user(raw):
    try:
        # This will automatically validate the token and raise an error if token is invalid
        UntypedToken(raw)
        user_id = AccessToken(raw)["user_id"]
    except (InvalidToken, TokenError) as e:
        print("WebSocket refused:", e)
        return AnonymousUser()
    try:
        return get_user_model().objects.get(id=user_id)
    except get_user_model().DoesNotExist:
        return AnonymousUser()


class JWTAuthMiddleware(BaseMiddleware):
    """ws://host/ws/chat/room/?token=<access token>"""

    async def __call__(self, scope, receive, send):
        token = parse_qs(scope["query_string"].decode()).get("token", [""])[0]
        scope["user"] = await get_user(token)
        return await super().__call__(scope, receive, send)
