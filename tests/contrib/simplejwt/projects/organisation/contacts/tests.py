import uuid

from django.urls import reverse
from rest_framework.test import APITestCase
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from common.models import Org, Profile, User
from common.tokens import OrgAwareRefreshToken

from .models import Contact


class ContactTests(APITestCase):
    @classmethod
    def setUpTestData(cls):
        cls.first = Org.objects.create(name="First")
        cls.second = Org.objects.create(name="Second")
        cls.user = User.objects.create_user("carol@example.com", "carols-pw")
        Profile.objects.create(user=cls.user, org=cls.first, role="ADMIN")
        Profile.objects.create(user=cls.user, org=cls.second)
        Contact.objects.create(org=cls.first, name="Ada")

    def as_member_of(self, org):
        token = OrgAwareRefreshToken.for_user_and_org(self.user, org)
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {token.access_token}")

    def login(self):
        return self.client.post(reverse("login"), {"email": "carol@example.com", "password": "carols-pw"}).json()

    def test_claims(self):
        token = OrgAwareRefreshToken.for_user_and_org(self.user, self.first)
        self.assertEqual(token["org_id"], str(self.first.id))
        access = AccessToken(str(token.access_token))
        self.assertEqual(access["org_name"], "First")
        self.assertEqual(access["uid"], str(self.user.id))
        self.assertIsInstance(uuid.UUID(access["uid"]), uuid.UUID)

    def test_contacts_of_the_organisation(self):
        self.as_member_of(self.first)
        self.assertEqual([c["name"] for c in self.client.get(reverse("contacts")).json()], ["Ada"])
        self.as_member_of(self.second)
        self.assertEqual(self.client.get(reverse("contacts")).json(), [])

    def test_only_admins_write(self):
        self.as_member_of(self.first)
        self.assertEqual(self.client.post(reverse("contacts"), {"name": "Bo"}).status_code, 201)
        self.as_member_of(self.second)
        self.assertEqual(self.client.post(reverse("contacts"), {"name": "Bo"}).status_code, 403)

    def test_no_organisation(self):
        token = RefreshToken.for_user(self.user)
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {token.access_token}")
        response = self.client.get(reverse("contacts"))
        self.assertEqual(response.status_code, 403)
        self.assertEqual(response.json(), {"detail": "Choose an organisation first."})

    def test_former_member(self):
        self.as_member_of(self.first)
        Profile.objects.filter(org=self.first).update(is_active=False)
        self.assertEqual(self.client.get(reverse("contacts")).status_code, 403)

    def test_deleted_organisation(self):
        self.as_member_of(self.second)
        self.second.delete()
        self.assertEqual(self.client.get(reverse("contacts")).json(), {"detail": "Organisation not found"})

    def test_login_and_switch(self):
        tokens = self.login()
        self.client.credentials(HTTP_AUTHORIZATION="Bearer " + tokens["access_token"])
        self.assertEqual(self.client.get(reverse("profile")).json()["org"], "First")
        switched = self.client.post(reverse("switch_org"), {"org_id": str(self.second.id)}).json()
        self.assertEqual(switched["org"], "Second")
        self.client.credentials(HTTP_AUTHORIZATION="Bearer " + switched["access_token"])
        self.assertEqual(self.client.get(reverse("profile")).json()["org"], "Second")

    def test_switch_is_for_members(self):
        third = Org.objects.create(name="Third")
        self.as_member_of(self.first)
        self.assertEqual(self.client.post(reverse("switch_org"), {"org_id": str(third.id)}).status_code, 404)

    def test_refresh_keeps_the_organisation(self):
        refresh = OrgAwareRefreshToken.for_user_and_org(self.user, self.second)
        answer = self.client.post(reverse("token_refresh"), {"refresh": str(refresh)}).json()
        self.assertEqual(AccessToken(answer["access"])["org_id"], str(self.second.id))
        self.assertEqual(self.client.post(reverse("token_verify"), {"token": answer["refresh"]}).status_code, 200)

    def test_logout(self):
        tokens = self.login()
        body = {"refresh_token": tokens["refresh_token"]}
        self.assertEqual(self.client.post(reverse("logout"), body).json(), {"success": True})
        response = self.client.post(reverse("token_refresh"), {"refresh": tokens["refresh_token"]})
        self.assertEqual(response.status_code, 401)
        self.assertEqual(response.json()["code"], "token_not_valid")
        self.assertEqual(self.client.post(reverse("logout"), {"refresh_token": "abc"}).status_code, 400)
