"""Our own tokens under each algorithm, with the keys that we publish for them."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from jwt_auth import sessions
from tests.conftest import pem

ISSUER, AUDIENCE = "https://server1.example", "https://server2.example"

KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.fixture(params=KEYS)
def algorithm(request: pytest.FixtureRequest) -> str:
    """The name of one algorithm."""
    return str(request.param)


@pytest.fixture
def ours(user: Any, client: Any, jwt_settings: Callable[..., None]) -> Callable[[str], tuple[str, Any]]:
    """Sign in where one algorithm is in use: the access token, and the JWK Set that is published."""

    def issue(algorithm: str) -> tuple[str, Any]:
        key = pem(KEYS[algorithm]())
        jwt_settings(ISSUER=ISSUER, AUDIENCE=AUDIENCE, ALGORITHM=algorithm, SIGNING_KEY=key)
        return sessions.start(user).access_token, client.get("/auth/.well-known/jwks.json").json()

    return issue


@pytest.fixture
def trust(jwt_settings: Callable[..., None]) -> Callable[[Any, list[str]], None]:
    """Be the server that the tokens are for."""

    def change(keys: Any, algorithms: list[str]) -> None:
        entry = {"KEYS": keys, "ALGORITHMS": algorithms}
        jwt_settings(ISSUER=AUDIENCE, AUDIENCE=AUDIENCE, TRUSTED_ISSUERS={ISSUER: entry})

    return change
