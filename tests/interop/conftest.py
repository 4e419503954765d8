"""Our own tokens under each algorithm, with the keys that we publish for them."""

from collections.abc import Callable
from typing import Any

import pytest

from jwt_auth import sessions
from tests.support.interop import AUDIENCE, ISSUER, KEYS
from tests.support.keys import pem


@pytest.fixture(params=KEYS)
def algorithm(request: pytest.FixtureRequest) -> str:
    """The name of one algorithm."""
    return str(request.param)


@pytest.fixture
def ours(user: Any, client: Any, jwt_settings: Callable[..., None]) -> Callable[[str], tuple[str, Any]]:
    """`ours(algorithm)` signs in with one algorithm and returns the access token and the published JWK Set."""

    def issue(algorithm: str) -> tuple[str, Any]:
        key = pem(KEYS[algorithm]())
        jwt_settings(ISSUER=ISSUER, AUDIENCE=AUDIENCE, ALGORITHM=algorithm, SIGNING_KEY=key)
        return sessions.start(user).access_token, client.get("/auth/.well-known/jwks.json").json()

    return issue


@pytest.fixture
def trust(jwt_settings: Callable[..., None]) -> Callable[[Any, list[str]], None]:
    """`trust(keys, algorithms)` makes this the server that the tokens are for."""

    def change(keys: Any, algorithms: list[str]) -> None:
        entry = {"KEYS": keys, "ALGORITHMS": algorithms}
        jwt_settings(ISSUER=AUDIENCE, AUDIENCE=AUDIENCE, TRUSTED_ISSUERS={ISSUER: entry})

    return change
