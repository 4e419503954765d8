"""API clients for the tests: the app registers them, and they sign whatever a test needs."""

import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm

from jwt_auth import clients
from jwt_auth.client import Signer
from jwt_auth.models import ClientKey, RegisteredClient
from tests.support import forge
from tests.support.keys import pem, public_pem

_SIGN = {
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
    "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
    "ES256": ECAlgorithm(ECAlgorithm.SHA256),
    "Ed25519": OKPAlgorithm(),
    "EdDSA": OKPAlgorithm(),
}


@dataclass
class ApiClient:
    """A client with one key, as both sides see it."""

    row: RegisteredClient
    key: ClientKey
    signing: Any = field(repr=False)

    @property
    def client_id(self) -> str:
        return self.row.client_id

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a valid token, with changes; None leaves one out."""
        now = int(time.time())
        given = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": "jwt_auth",
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_urlsafe(16),
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def header(self, **changes: Any) -> dict[str, Any]:
        given = {"alg": self.key.algorithm, "kid": self.key.kid, "typ": "client-authentication+jwt", **changes}
        return {name: value for name, value in given.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token whose claims and header parameters differ from those of a valid one."""
        return self.sign(json.dumps(self.header(**(header or {}))).encode(), json.dumps(self.claims(**claims)).encode())

    def with_texts(self, **json_texts: str | None) -> str:
        """Return a token with claims given as JSON text."""
        return self.sign(json.dumps(self.header()).encode(), forge.document(self.claims(), **json_texts))

    def sign(self, header: bytes, payload: bytes) -> str:
        """Sign any bytes with the client's own key and algorithm."""
        body = f"{forge.b64(header)}.{forge.b64(payload)}"
        if isinstance(self.signing, str):
            signature = hmac.digest(self.signing.encode(), body.encode(), "sha256")
        else:
            signature = _SIGN[self.key.algorithm].sign(body.encode(), self.signing)
        return f"{body}.{forge.b64(signature)}"

    def signer(self, **options: Any) -> Signer:
        """Return the signer that the app offers to clients."""
        return Signer(
            client_id=self.client_id,
            key=self.signing if isinstance(self.signing, str) else pem(self.signing),
            kid=self.key.kid,
            audience="jwt_auth",
            algorithm=self.key.algorithm,
            **options,
        )


def register(user: Any, *, scopes: str = "read write", private: Any = None, algorithm: str | None = None, **options):
    """Register a client that acts as `user`, with a secret or with the key pair `private`."""
    row = clients.register("reports", user, scopes, actor=user, **options)
    if private is None:
        new = clients.add_secret(row, actor=user)
        return ApiClient(row=row, key=new.key, signing=new.secret)
    new = clients.add_public_key(row, public_pem(private), algorithm, actor=user)
    return ApiClient(row=row, key=new.key, signing=private)
