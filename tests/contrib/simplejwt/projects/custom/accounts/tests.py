import base64
import json
from unittest import mock

from django.test import TestCase
from django.urls import reverse
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from .models import User
from .serializers import MyTokenObtainPairSerializer


def claims(token):
    part = token.split('.')[1]
    return json.loads(base64.urlsafe_b64decode(part + '=' * (-len(part) % 4)))


class AccountTests(TestCase):
    def setUp(self):
        self.client = APIClient()
        self.user = User.objects.create_user('anna@example.com', 'pw-anna-1', role='manager')

    def login(self, email='anna@example.com', password='pw-anna-1'):
        return self.client.post(reverse('login'), {'email': email, 'password': password}, format='json')

    def auth(self, token):
        self.client.credentials(HTTP_AUTHORIZATION='JWT ' + token)

    def test_login_returns_the_user(self):
        response = self.login()
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.data['role'], 'manager')
        self.assertEqual(response.data['user'], {'id': self.user.id, 'email': self.user.email, 'role': 'manager'})
        self.assertEqual(claims(response.data['access'])['email'], 'anna@example.com')

    def test_login_by_form(self):
        response = self.client.post(reverse('login'), 'email=anna@example.com&password=pw-anna-1',
                                    content_type='application/x-www-form-urlencoded')
        self.assertEqual(response.status_code, 200)

    def test_wrong_password(self):
        response = self.login(password='nope')
        self.assertEqual(response.status_code, 401)
        self.assertEqual(response.json(), {'detail': 'Wrong e-mail address or password.'})

    def test_missing_fields(self):
        response = self.client.post(reverse('login'), {}, format='json')
        self.assertEqual(response.status_code, 400)
        self.assertEqual(set(response.json()), {'email', 'password'})

    def test_unconfirmed(self):
        User.objects.create_user('new@example.com', 'pw-new-1', is_confirmed=False)
        response = self.login('new@example.com', 'pw-new-1')
        self.assertEqual(response.status_code, 400)
        self.assertIn('confirm', str(response.data))

    def test_banned(self):
        self.auth(self.login().data['access'])
        self.user.is_banned = True
        self.user.save()
        response = self.client.get(reverse('me'))
        self.assertEqual(response.status_code, 401)
        self.assertEqual(response.json(), {'detail': 'This account is banned', 'code': 'user_banned'})

    def test_other_scheme_is_not_ours(self):
        token = self.login().data['access']
        self.client.credentials(HTTP_AUTHORIZATION='Bearer ' + token)
        response = self.client.get(reverse('me'))
        self.assertEqual(response.status_code, 401)
        self.assertEqual(response['WWW-Authenticate'], 'JWT realm="api"')

    def test_claims_survive_a_refresh(self):
        refresh = MyTokenObtainPairSerializer.get_token(self.user)
        response = self.client.post(reverse('refresh'), {'refresh': str(refresh)})
        self.assertEqual(AccessToken(response.data['access'])['role'], 'manager')
        self.auth(response.data['access'])
        self.assertEqual(self.client.get(reverse('me')).data['token_role'], 'manager')

    def test_logout(self):
        refresh = self.login().data['refresh']
        self.assertEqual(self.client.post(reverse('logout'), {'refresh': refresh}).status_code, 205)
        self.assertEqual(self.client.post(reverse('logout'), {'refresh': refresh}).status_code, 400)
        self.assertEqual(self.client.post(reverse('refresh'), {'refresh': refresh}).status_code, 401)

    def test_logout_all(self):
        tokens = [self.login().data for _ in range(3)]
        self.auth(tokens[0]['access'])
        self.assertEqual(self.client.post(reverse('logout-all')).status_code, 205)
        for token in tokens:
            self.assertEqual(self.client.post(reverse('refresh'), {'refresh': token['refresh']}).status_code, 401)

    def test_customer_sees_no_orders(self):
        self.user.role = 'customer'
        self.user.save()
        self.auth(self.login().data['access'])
        self.assertEqual(self.client.get(reverse('orders')).status_code, 403)

    def test_manager_sees_orders(self):
        token = RefreshToken.for_user(self.user)
        token['role'] = 'manager'
        self.auth(str(token.access_token))
        self.assertEqual(self.client.get(reverse('orders')).json(), [])

    def test_error_while_serializing(self):
        with mock.patch('rest_framework_simplejwt.serializers.TokenObtainPairSerializer.validate', return_value={}):
            with self.assertRaises(AttributeError):
                self.login()
