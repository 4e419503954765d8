"""An OpenID provider on this machine, with what a sign-in by an authorization code asks it for over HTTP."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt  # of PyJWT, which allauth uses as well
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "this-app", "the secret shared with the provider"


class OpenIDProvider(ThreadingHTTPServer):
    """A provider that knows one client. `approve()` does what its users do on the provider's own pages."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._key = rsa.generate_private_key(65537, 2048)
        self._codes: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def approve(self, **person: Any) -> str:
        """Let a person, whose claims these are, sign in at the provider; return the code for the client."""
        code = secrets.token_urlsafe()
        self._codes[code] = person
        return code

    def answer_get(self, path: str, token: str) -> Any:
        match path:
            case "/.well-known/openid-configuration":
                names = {"token": "token_endpoint", "userinfo": "userinfo_endpoint", "keys": "jwks_uri"}
                places = {name: f"{self.url}/{place}" for place, name in names.items()}
                return {"issuer": self.url, "authorization_endpoint": f"{self.url}/authorize", **places}
            case "/keys":
                public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
                return {"keys": [{**public, "kid": "1", "alg": "RS256", "use": "sig"}]}
            case "/userinfo":
                return self._tokens.get(token)
        return None

    def answer_token(self, form: dict[str, str]) -> Any:
        person = self._codes.pop(form["code"], None)  # a code is single-use
        if person is None or (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return None
        token = secrets.token_urlsafe()
        self._tokens[token] = person
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, **person}
        signed = jwt.encode(claims, self._key, "RS256", headers={"kid": "1"})
        return {"access_token": token, "token_type": "Bearer", "expires_in": 300, "id_token": signed}


class _Handler(BaseHTTPRequestHandler):
    server: OpenIDProvider

    def do_GET(self) -> None:
        self._send(self.server.answer_get(self.path, self.headers.get("Authorization", "").removeprefix("Bearer ")))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._send(self.server.answer_token({name: values[0] for name, values in parse_qs(body).items()}))

    def _send(self, answer: Any) -> None:
        content = json.dumps({"error": "invalid_grant"} if answer is None else answer).encode()
        self.send_response(400 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Write nothing to the terminal."""


@contextmanager
def serving() -> Iterator[OpenIDProvider]:
    with OpenIDProvider() as provider:
        thread = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()
