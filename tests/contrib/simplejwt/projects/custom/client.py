"""The shop's point of sale. Keeps its tokens in a file between runs."""

import base64
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


class SignedOut(Exception):
    pass


class Client:
    def __init__(self, url, path='session.json'):
        self.url = url
        self.file = Path(path)
        self.tokens = json.loads(self.file.read_text()) if self.file.exists() else {}

    def call(self, path, body=None, token=None):
        request = urllib.request.Request(self.url + path, method='GET' if body is None else 'POST')
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header('Content-Type', 'application/json')
        if token:
            request.add_header('Authorization', 'JWT ' + token)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.loads(response.read() or 'null')
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def store(self, answer):
        self.tokens = {**self.tokens, 'access': answer['access'], 'refresh': answer['refresh']}
        if 'user' in answer:
            self.tokens['name'] = answer['user']['email']
        self.file.write_text(json.dumps(self.tokens))

    def login(self, email, password):
        status, answer = self.call('/auth/login/', {'email': email, 'password': password})
        if status != 200:
            raise SignedOut(answer)
        self.store(answer)

    def is_expired(self):
        _, payload, _ = self.tokens['access'].split('.')
        return json.loads(base64.urlsafe_b64decode(payload + '==='))['exp'] < time.time() + 5

    def refresh(self):
        status, answer = self.call('/auth/refresh/', {'refresh': self.tokens['refresh']})
        if answer.get('code') == 'token_not_valid':
            raise SignedOut(answer)
        assert status == 200, answer
        self.store(answer)

    def me(self):
        if self.is_expired():
            self.refresh()
        status, answer = self.call('/auth/me/', token=self.tokens['access'])
        if status == 401 and answer['code'] == 'token_not_valid':
            self.refresh()
            status, answer = self.call('/auth/me/', token=self.tokens['access'])
        assert status == 200, answer
        return answer

    def logout(self):
        self.call('/auth/logout/', {'refresh': self.tokens['refresh']})


if __name__ == '__main__':
    client = Client(sys.argv[1])
    if not client.tokens:
        client.login(sys.argv[2], sys.argv[3])
    print(client.me())
