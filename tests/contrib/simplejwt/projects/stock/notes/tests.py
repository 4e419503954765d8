from datetime import timedelta

from django.contrib.auth import get_user_model
from django.urls import reverse
from rest_framework import status
from rest_framework.test import APITestCase
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from .models import Note

User = get_user_model()


class NoteTests(APITestCase):
    def setUp(self):
        self.user = User.objects.create_user(username="alice", password="secret-123")
        refresh = RefreshToken.for_user(self.user)
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {refresh.access_token}")

    def test_create_note(self):
        response = self.client.post(reverse("note-list"), {"text": "milk"})
        self.assertEqual(response.status_code, status.HTTP_201_CREATED)
        self.assertEqual(Note.objects.get().owner, self.user)

    def test_me(self):
        response = self.client.get(reverse("me"))
        self.assertEqual(response.data["name"], "alice")
        self.assertEqual(response.data["token_user"], str(self.user.id))

    def test_anonymous(self):
        self.client.credentials()
        response = self.client.get(reverse("note-list"))
        self.assertEqual(response.status_code, status.HTTP_401_UNAUTHORIZED)

    def test_expired_token(self):
        token = AccessToken.for_user(self.user)
        token.set_exp(lifetime=-timedelta(minutes=1))
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        response = self.client.get(reverse("note-list"))
        self.assertEqual(response.status_code, status.HTTP_401_UNAUTHORIZED)
        self.assertEqual(response.data["code"], "token_not_valid")

    def test_inactive_user(self):
        self.user.is_active = False
        self.user.save()
        response = self.client.get(reverse("note-list"))
        self.assertEqual(response.status_code, status.HTTP_401_UNAUTHORIZED)
        self.assertEqual(response.data["code"], "user_inactive")


class TokenTests(APITestCase):
    def setUp(self):
        self.user = User.objects.create_user(username="alice", password="secret-123")

    def login(self):
        response = self.client.post(
            reverse("token_obtain_pair"), {"username": "alice", "password": "secret-123"}, format="json"
        )
        self.assertEqual(response.status_code, status.HTTP_200_OK)
        return response.data

    def test_obtain(self):
        tokens = self.login()
        self.assertEqual(set(tokens), {"access", "refresh"})
        access = AccessToken(tokens["access"])
        self.assertEqual(access["user_id"], str(self.user.id))
        self.assertEqual(access["token_type"], "access")
        self.assertEqual(access["exp"] - access["iat"], 15 * 60)
        self.user.refresh_from_db()
        self.assertIsNotNone(self.user.last_login)

    def test_wrong_password(self):
        response = self.client.post(reverse("token_obtain_pair"), {"username": "alice", "password": "wrong"})
        self.assertEqual(response.status_code, status.HTTP_401_UNAUTHORIZED)
        self.assertEqual(str(response.data["detail"]), "No active account found with the given credentials")

    def test_rotation(self):
        tokens = self.login()
        response = self.client.post(reverse("token_refresh"), {"refresh": tokens["refresh"]})
        self.assertEqual(response.status_code, status.HTTP_200_OK)
        self.assertNotEqual(response.data["refresh"], tokens["refresh"])
        again = self.client.post(reverse("token_refresh"), {"refresh": tokens["refresh"]})
        self.assertEqual(again.status_code, status.HTTP_401_UNAUTHORIZED)

    def test_verify(self):
        tokens = self.login()
        response = self.client.post(reverse("token_verify"), {"token": tokens["access"]})
        self.assertEqual(response.status_code, status.HTTP_200_OK)
        self.assertEqual(response.data, {})
        response = self.client.post(reverse("token_verify"), {"token": "nonsense"})
        self.assertEqual(response.status_code, status.HTTP_401_UNAUTHORIZED)
        self.assertEqual(response.data["code"], "token_not_valid")

    def test_blacklist(self):
        refresh = str(RefreshToken.for_user(self.user))
        response = self.client.post(reverse("token_blacklist"), {"refresh": refresh})
        self.assertEqual(response.status_code, status.HTTP_200_OK)
        response = self.client.post(reverse("token_refresh"), {"refresh": refresh})
        self.assertEqual(response.status_code, status.HTTP_401_UNAUTHORIZED)
        with self.assertRaises(TokenError):
            RefreshToken(refresh)
