import json

from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model
from django.test import TransactionTestCase
from django.urls import reverse
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from config.asgi import application

User = get_user_model()


class Socket(ApplicationCommunicator):
    def __init__(self, token, room="lobby"):
        scope = {"type": "websocket", "path": f"/ws/chat/{room}/", "query_string": f"token={token}".encode(),
                 "headers": [], "subprotocols": []}
        super().__init__(application, scope)

    async def connect(self):
        await self.send_input({"type": "websocket.connect"})
        return await self.receive_output()

    async def send_json(self, content):
        await self.send_input({"type": "websocket.receive", "text": json.dumps(content)})

    async def receive_json(self):
        return json.loads((await self.receive_output())["text"])

    async def close(self):
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()


class ChatTests(TransactionTestCase):
    def setUp(self):
        self.user = User.objects.create_user("dave", password="daves-pw")

    def tokens(self):
        body = {"username": "dave", "password": "daves-pw"}
        return APIClient().post(reverse("token_obtain_pair"), body).json()

    async def test_chat(self):
        token = await self.token()
        socket = Socket(token)
        self.assertEqual((await socket.connect())["type"], "websocket.accept")
        self.assertEqual(await socket.receive_json(), {"hello": "dave"})
        await socket.send_json({"text": "hi"})
        self.assertEqual(await socket.receive_json(), {"from": "dave", "text": "hi"})
        await socket.close()

    async def token(self):
        from asgiref.sync import sync_to_async
        return await sync_to_async(lambda: str(AccessToken.for_user(self.user)))()

    async def test_bad_token(self):
        answer = await Socket("abc").connect()
        self.assertEqual((answer["type"], answer["code"]), ("websocket.close", 4001))

    async def test_refresh_token_is_no_access_token(self):
        from asgiref.sync import sync_to_async
        refresh = await sync_to_async(lambda: str(RefreshToken.for_user(self.user)))()
        self.assertEqual((await Socket(refresh).connect())["type"], "websocket.close")

    async def test_deleted_user(self):
        token = await self.token()
        await self.user.adelete()
        self.assertEqual((await Socket(token).connect())["type"], "websocket.close")

    def test_http(self):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION="Bearer " + self.tokens()["access"])
        self.assertEqual(client.get(reverse("me")).json(), {"username": "dave"})
        self.assertEqual(client.get(reverse("messages", args=["lobby"])).json(), [])

    def test_force_authenticate(self):
        client = APIClient()
        client.force_authenticate(self.user)
        self.assertEqual(client.get(reverse("me")).status_code, 200)

    def test_refresh(self):
        tokens = self.tokens()
        answer = APIClient().post(reverse("token_refresh"), {"refresh": tokens["refresh"]}).json()
        self.assertEqual(AccessToken(answer["access"])["user_id"], str(self.user.id))
