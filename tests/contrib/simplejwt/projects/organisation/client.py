"""A nightly export. Signs in once, keeps its tokens in a file, and refreshes them an hour later."""

import base64
import http.client
import json
import os
import sys
import time
from urllib.parse import urlsplit


class SignedOut(Exception):
    pass


class Client:
    def __init__(self, url, path="crm.json"):
        self.host = urlsplit(url).netloc
        self.path = path
        self.tokens = json.load(open(path)) if os.path.exists(path) else {}

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.host)
        headers = {"Content-Type": "application/json"}
        if "access" in self.tokens:
            headers["Authorization"] = "Bearer " + self.tokens["access"]
        connection.request(method, "/api/" + path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer

    def keep(self, access, refresh):
        self.tokens = {"access": access, "refresh": refresh}
        with open(self.path, "w") as file:
            json.dump(self.tokens, file)

    def claims(self):
        body = self.tokens["access"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))

    def login(self, email, password):
        self.tokens = {}
        status, answer = self.call("POST", "auth/login/", {"email": email, "password": password})
        if status != 200:
            raise SignedOut(answer)
        self.keep(answer["access_token"], answer["refresh_token"])

    def switch(self, org_id):
        status, answer = self.call("POST", "auth/switch-org/", {"org_id": org_id})
        assert status == 200, answer
        self.keep(answer["access_token"], answer["refresh_token"])

    def refresh(self):
        refresh = self.tokens["refresh"]
        self.tokens = {"refresh": refresh}
        status, answer = self.call("POST", "auth/refresh-token/", {"refresh": refresh})
        if status == 401 and answer["code"] == "token_not_valid":
            raise SignedOut(answer["detail"])
        assert status == 200, answer
        self.keep(answer["access"], answer["refresh"])

    def me(self):
        if self.claims()["exp"] <= time.time():
            self.refresh()
        status, answer = self.call("GET", "profile/")
        if status == 401 and answer["code"] == "token_not_valid":
            self.refresh()
            status, answer = self.call("GET", "profile/")
        assert status == 200, answer
        assert answer["org"] == self.claims().get("org_name")
        return answer

    def logout(self):
        self.call("POST", "auth/logout/", {"refresh_token": self.tokens["refresh"]})


if __name__ == "__main__":
    client = Client(sys.argv[1])
    if not client.tokens:
        client.login(sys.argv[2], sys.argv[3])
    print(client.me(), client.call("GET", "contacts/"))
