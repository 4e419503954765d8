"""The front end, in Python: cookies in a jar, a refresh when the access cookie is gone or refused."""

import http.cookiejar
import sys

import requests


class SignedOut(Exception):
    pass


class Client:
    def __init__(self, url, path='cookies.txt'):
        self.url = url
        self.session = requests.Session()
        self.session.cookies = http.cookiejar.LWPCookieJar(path)
        try:
            self.session.cookies.load()
        except FileNotFoundError:
            pass

    @property
    def tokens(self):
        names = {'access_token': 'access', 'refresh_token': 'refresh'}
        return {names[c.name]: c.value for c in self.session.cookies if c.name in names}

    def post(self, path, json=None):
        response = self.session.post(self.url + path, json=json)
        self.session.cookies.save()
        return response

    def login(self, username, password):
        response = self.post('/api/login/', {'username': username, 'password': password})
        if response.status_code != 200:
            raise SignedOut(response.text)

    def refresh(self):
        response = self.post('/api/refresh/')
        if response.status_code == 401 and response.json()['code'] == 'token_not_valid':
            raise SignedOut(response.json()['detail'])
        response.raise_for_status()

    def me(self):
        response = self.session.get(self.url + '/api/user/')
        if response.status_code == 401:
            self.refresh()
            response = self.session.get(self.url + '/api/user/')
        response.raise_for_status()
        return response.json()

    def logout(self):
        self.post('/api/logout/').raise_for_status()


if __name__ == '__main__':
    client = Client(sys.argv[1])
    if not client.tokens:
        client.login(sys.argv[2], sys.argv[3])
    print(client.me())
