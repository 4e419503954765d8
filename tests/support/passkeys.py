"""A passkey in software: the part of a browser and of an authenticator (Web Authentication, levels 2 and 3)."""

import hashlib
import os
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from tests.support.allauth_clients import App
from tests.support.clients import Client

_FLAGS = AuthenticatorData.FLAG


class Passkey:
    """A key pair for one user at one site, which verifies its user."""

    def __init__(self, host: str = "testserver", origin: str = "") -> None:
        self.host, self.origin = host, origin or f"https://{host}"
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = os.urandom(16)
        self.user_handle = ""

    def register(self, options: Any) -> dict[str, Any]:
        """Return the credential for `navigator.credentials.create(options)`."""
        self.user_handle = options["publicKey"]["user"]["id"]
        public = ES256.from_cryptography_key(self.key.public_key())
        about = AttestedCredentialData.create(bytes(16), self.credential_id, public)
        data = AttestationObject.create("none", self._data(_FLAGS.AT, about), {})
        client = self._client_data("webauthn.create", options)
        return self._credential(client, attestationObject=websafe_encode(data))

    def sign(self, options: Any) -> dict[str, Any]:
        """Return the credential for `navigator.credentials.get(options)`."""
        client, data = self._client_data("webauthn.get", options), self._data()
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            client,
            authenticatorData=websafe_encode(data),
            signature=websafe_encode(signature),
            userHandle=self.user_handle,
        )

    def _client_data(self, kind: str, options: Any) -> CollectedClientData:
        return CollectedClientData.create(kind, options["publicKey"]["challenge"], self.origin)

    def _data(self, flags: int = 0, about: bytes = b"") -> AuthenticatorData:
        rp_id_hash = hashlib.sha256(self.host.encode()).digest()
        return AuthenticatorData.create(rp_id_hash, _FLAGS(_FLAGS.UP | _FLAGS.UV | flags), 0, about)

    def _credential(self, client_data: CollectedClientData, **response: str) -> dict[str, Any]:
        name = websafe_encode(self.credential_id)
        parts = {"clientDataJSON": websafe_encode(client_data), **response}
        return {"type": "public-key", "id": name, "rawId": name, "clientExtensionResults": {}, "response": parts}


def add_passkey(user: Any) -> Passkey:
    """Return a passkey that the user has added with an app, which has then signed out."""
    app, passkey = App(), Passkey()
    app.login(user)
    app.reauthenticate()
    options = app.send("account/authenticators/webauthn?passwordless", method="get").json()["data"]
    body = {"name": "phone", "credential": passkey.register(options["creation_options"])}
    assert app.send("account/authenticators/webauthn", body).status_code == 200
    assert Client().get_me(app.tokens["access_token"]).status_code == 200  # no sign-in, and no sign-out
    app.logout()
    return passkey
