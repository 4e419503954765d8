from django.contrib.auth.models import User
from rest_framework.test import APIClient, APITestCase
from rest_framework_simplejwt.tokens import RefreshToken


class CookieTests(APITestCase):
    def setUp(self):
        self.user = User.objects.create_user('bob', 'bob@example.com', 'bobs-password')

    def login(self):
        return self.client.post('/api/login/', {'username': 'bob', 'password': 'bobs-password'})

    def test_login_sets_cookies(self):
        response = self.login()
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.data, {'success': True})
        for name in ('access_token', 'refresh_token'):
            self.assertTrue(response.cookies[name]['httponly'])
            self.assertEqual(response.cookies[name]['samesite'], 'Lax')
        self.assertEqual(response.cookies['access_token']['max-age'], 300)

    def test_failed_login_sets_none(self):
        response = self.client.post('/api/login/', {'username': 'bob', 'password': 'x'})
        self.assertEqual(response.status_code, 401)
        self.assertFalse(response.cookies)

    def test_user(self):
        self.login()
        self.assertEqual(self.client.get('/api/user/').data, {'id': self.user.id, 'username': 'bob'})

    def test_without_cookie(self):
        response = self.client.get('/api/user/')
        self.assertEqual(response.status_code, 401)
        self.assertEqual(response.json(), {'detail': 'Authentication credentials were not provided.'})

    def test_bad_cookie(self):
        self.client.cookies['access_token'] = 'abc'
        response = self.client.get('/api/user/')
        self.assertEqual(response.status_code, 401)
        self.assertEqual(response.json()['code'], 'token_not_valid')
        self.assertEqual(response.json()['messages'][0]['token_class'], 'AccessToken')

    def test_header_for_the_app(self):
        client = APIClient()
        access = str(RefreshToken.for_user(self.user).access_token)
        client.credentials(HTTP_AUTHORIZATION=f'Bearer {access}')
        self.assertEqual(client.get('/api/questions/').status_code, 200)

    def test_refresh(self):
        before = self.login().cookies['refresh_token'].value
        response = self.client.post('/api/refresh/')
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.data, {'success': True})
        self.assertNotEqual(response.cookies['refresh_token'].value, before)
        self.assertEqual(self.client.get('/api/user/').status_code, 200)

    def test_refresh_without_cookie(self):
        response = self.client.post('/api/refresh/')
        self.assertEqual(response.status_code, 401)
        self.assertIn('No valid token', response.json()['detail'])

    def test_logout(self):
        refresh = self.login().cookies['refresh_token'].value
        self.assertEqual(self.client.post('/api/logout/').status_code, 204)
        self.assertEqual(self.client.cookies['access_token'].value, '')
        self.client.cookies['refresh_token'] = refresh
        self.assertEqual(self.client.post('/api/refresh/').status_code, 401)
        self.assertEqual(self.client.post('/api/logout/').status_code, 204)
