"""Reads and writes notes: python client.py http://localhost:8000 alice secret-123"""

import base64
import json
import os
import sys
import time

import requests


class SignedOut(Exception):
    pass


class Client:
    def __init__(self, url, path="tokens.json"):
        self.url = url
        self.path = path
        self.tokens = {}
        if os.path.exists(path):
            with open(path) as f:
                self.tokens = json.load(f)

    def save(self, tokens):
        self.tokens.update(tokens)
        with open(self.path, "w") as f:
            json.dump(self.tokens, f)

    def login(self, username, password):
        response = requests.post(f"{self.url}/api/token/", json={"username": username, "password": password})
        if response.status_code == 401:
            raise SignedOut(response.json()["detail"])
        response.raise_for_status()
        self.save(response.json())

    def expires_in(self):
        payload = self.tokens["access"].split(".")[1]
        payload += "=" * (-len(payload) % 4)
        return json.loads(base64.urlsafe_b64decode(payload))["exp"] - time.time()

    def refresh(self):
        response = requests.post(f"{self.url}/api/token/refresh/", json={"refresh": self.tokens["refresh"]})
        if response.status_code == 401 and response.json()["code"] == "token_not_valid":
            raise SignedOut(response.json()["detail"])
        response.raise_for_status()
        self.save(response.json())

    def request(self, method, path, **kwargs):
        if self.expires_in() < 10:
            self.refresh()
        for attempt in range(2):
            headers = {"Authorization": f"Bearer {self.tokens['access']}"}
            response = requests.request(method, f"{self.url}/api/{path}", headers=headers, **kwargs)
            if response.status_code == 401 and response.json().get("code") == "token_not_valid" and not attempt:
                self.refresh()
            else:
                response.raise_for_status()
                return response.json()

    def me(self):
        return self.request("GET", "me/")

    def logout(self):
        requests.post(f"{self.url}/api/token/blacklist/", json={"refresh": self.tokens["refresh"]}).raise_for_status()


if __name__ == "__main__":
    client = Client(sys.argv[1])
    if not client.tokens:
        client.login(sys.argv[2], sys.argv[3])
    client.request("POST", "notes/", json={"text": "from the client"})
    print(client.me(), client.request("GET", "notes/"))
