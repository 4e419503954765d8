"""A bot: python client.py http://localhost:8000 dave daves-pw"""

import base64
import json
import sys
import time
from datetime import datetime
from pathlib import Path

import requests


class SignedOut(Exception):
    pass


class Client:
    def __init__(self, url, path="bot.json"):
        self.url = url
        self.path = Path(path)
        self.tokens = json.loads(self.path.read_text()) if self.path.exists() else {}

    def save(self, tokens):
        self.tokens = tokens
        self.path.write_text(json.dumps(tokens))

    def login(self, username, password):
        r = requests.post(self.url + "/api/token/", data={"username": username, "password": password})
        if not r.ok:
            raise SignedOut(r.text)
        self.save(r.json())

    def jwt_exp(self):
        body = self.tokens["access"].split(".")[1]
        return datetime.fromtimestamp(json.loads(base64.urlsafe_b64decode(body + "=="))["exp"])

    def refresh(self):
        r = requests.post(self.url + "/api/token/refresh/", data={"refresh": self.tokens["refresh"]})
        if r.status_code == 401 and r.json()["code"] == "token_not_valid":
            raise SignedOut(r.text)
        self.save({**self.tokens, **r.json()})

    def get(self, path):
        if self.jwt_exp() <= datetime.fromtimestamp(time.time()):
            self.refresh()
        r = requests.get(self.url + path, headers={"Authorization": "Bearer " + self.tokens["access"]})
        if r.status_code == 401 and r.json()["code"] == "token_not_valid":
            self.refresh()
            r = requests.get(self.url + path, headers={"Authorization": "Bearer " + self.tokens["access"]})
        r.raise_for_status()
        return r.json()

    def me(self):
        return self.get("/api/me/")

    def logout(self):
        self.path.unlink()


if __name__ == "__main__":
    bot = Client(sys.argv[1])
    if not bot.tokens:
        bot.login(sys.argv[2], sys.argv[3])
    print(bot.me(), bot.get("/api/rooms/lobby/"))
